"""What enforcement points send and are told: the Authorization API 1.0 of OpenID AuthZEN, and what is ours in it.

Fields that are not known are left alone, as that specification wants it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypedDict

import msgspec

MOST: Final = 50  # evaluations in one request

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Text = Annotated[str, msgspec.Meta(max_length=100_000)]
_Names = Annotated[list[_Name], msgspec.Meta(max_length=64)]


class SubjectProperties(msgspec.Struct, omit_defaults=True):
    """``run`` is the run that the call belongs to."""

    run: _Name
    workflow: _Name | None = None


class Subject(msgspec.Struct):
    """Who acts: an agent, by its name."""

    type: Literal["agent"]
    id: _Name
    properties: SubjectProperties


class ActionProperties(msgspec.Struct, omit_defaults=True):
    """``definition``: the digest of the tool's definition, where the enforcement point knows it."""

    definition: _Name | None = None


class Action(msgspec.Struct, omit_defaults=True):
    """What it would do: a tool, by its name."""

    name: _Name
    properties: ActionProperties | None = None


class Resource(msgspec.Struct):
    """The tool again: type "tool", and the name of the action. What a tool acts on stands in its arguments."""

    type: Literal["tool"]
    id: _Name


class LabelsBody(msgspec.Struct, omit_defaults=True):
    """What the run has read besides, which can only lower trust in it."""

    watermark: Literal["system", "operator", "user", "model", "third-party"] | None = None
    classes: _Names = []
    signs: _Names = []


class ContextBody(msgspec.Struct, omit_defaults=True):
    """``args`` are the tool's arguments by name; ``words`` what the user said; ``approval`` the one to be used."""

    args: dict[str, Any] = {}
    words: _Text | None = None
    step: _Name | None = None
    approval: _Name | None = None
    labels: LabelsBody | None = None


class EvaluationBody(msgspec.Struct):
    """One question."""

    subject: Subject
    action: Action
    resource: Resource
    context: ContextBody = msgspec.field(default_factory=ContextBody)


class OptionsBody(msgspec.Struct, omit_defaults=True):
    """``evaluations_semantic``: execute_all, deny_on_first_deny or permit_on_first_permit."""

    evaluations_semantic: Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"] = (
        "execute_all"
    )


class EvaluationsBody(msgspec.Struct, omit_defaults=True):
    """Several questions. What stands beside ``evaluations`` is the default for each; an entry's own replaces it."""

    evaluations: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=MOST)] | None = None
    subject: Any = None
    action: Any = None
    resource: Any = None
    context: Any = None
    options: OptionsBody = msgspec.field(default_factory=OptionsBody)


class OutcomeBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What became of a call: "landed", "did not happen" or "in doubt". ``result`` is what the tool returned."""

    decision: _Name
    outcome: Literal["landed", "did not happen", "in doubt"]
    result: Any | msgspec.UnsetType = msgspec.UNSET
    error: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None


class DecisionShape(TypedDict):
    """A decision; ``context`` says why, and for a hold how a person is asked."""

    decision: bool
    context: dict[str, Any]


class DecisionsShape(TypedDict, total=False):
    """As many decisions as were made, in order; ``decision`` and ``context`` where one alone was asked for."""

    decision: bool
    context: dict[str, Any]
    evaluations: list[DecisionShape]


class ToldShape(TypedDict):
    """The outcome as it was written down."""

    decision: str
    outcome: str


class MetadataShape(TypedDict):
    """Where this decision point answers."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
