"""What the control plane holds: decisions, approvals, budgets and holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tallystick.model.canonical import digest
from tallystick.model.errors import BadInput
from tallystick.model.identity import Shown

CALL_FIELDS: Final = (
    "run",
    "step",
    "agent",
    "workflow",
    "tool",
    "tool_digest",
)  # what names a call in entries


# What an approval is given on: a call whose values stand on another word is another call. What the run has read
# meanwhile besides is not part of it, or no approval would outlive a call made beside it.
FACTS_APPROVED: Final = ("authority", "untrusted", "asked", "links", "leaks", "again")


class Answer(StrEnum):
    """What a decision says. ``not evaluated``: no policy covers the call and its effect is none or read."""

    ALLOW = "allow"
    DENY = "deny"
    HOLD = "hold"
    NOT_EVALUATED = "not evaluated"


class PolicyState(StrEnum):
    """How the policy set in force came to be."""

    ENFORCED = "enforced"
    PERMISSIVE = "permissive"  # asked for: decisions are made and recorded, nothing is refused
    UNCONFIGURED = "unconfigured"
    LOAD_FAILED = "load failed"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One proposed tool call, as the guard sees it. ``arguments`` are bound to parameter names and JSON-ready."""

    run: str
    step: str
    agent: str
    tool: str
    tool_digest: str
    arguments: Mapping[str, Any]
    workflow: str | None = None
    seq: int = 0
    token: Shown | None = field(
        default=None, repr=False, compare=False
    )  # on whose authority, where it is shown


@dataclass(frozen=True, slots=True)
class Decision:
    """Allow, deny or hold, with the policy set that made it.

    ``reasons`` are for people (rule names, positions); ``because`` is the rule's authored sentence, the only detail
    that a model may read. ``group`` says who may approve a held call.
    """

    id: str
    answer: Answer
    policy_digest: str
    policy_state: PolicyState
    reasons: tuple[str, ...] = ()
    because: str | None = None
    group: str | None = None
    approval: str | None = None
    hold: str | None = None  # id of the money hold taken for the call


class ApprovalState(StrEnum):
    """Where an approval stands. ``consumed``: its one use is spent."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CONSUMED = "consumed"


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's answer to one held action; ``binding`` is the digest of exactly what was asked."""

    id: str
    state: ApprovalState
    decision: str
    run: str
    agent: str
    tool: str
    arguments: Mapping[str, Any]
    binding: str
    group: str
    because: str | None
    requested: int
    expires: int
    answered: int | None = None
    by: str | None = None
    note: str | None = None


def approval_binding(decided: Mapping[str, Any], effect: str | None, group: str, expires: int | str) -> str:
    """The digest of exactly what an approval is asked for: the call, what is known of its values, and the rules.

    ``decided`` is the body of the decision that asks (written or about to be), ``effect`` the effect of the tool's
    declaration, ``expires`` nanoseconds since the epoch. Raises KeyError for a body that is no decision's.
    """
    bound = {name: decided[name] for name in CALL_FIELDS} | {
        "effect": effect, "call": decided["call"], "policy": decided["policy_digest"], "group": group,
        "expires_ns": str(expires),
    }  # fmt: skip
    facts = decided.get("facts")
    if facts is not None:  # older decisions had none
        bound["facts"] = {name: facts[name] for name in FACTS_APPROVED}
    if decided.get("chain") is not None:
        bound["chain"] = decided["chain"]
    return digest(bound)


EVERYTHING: Final = "all"
SWITCHED: Final = ("agent", "tool", "workflow")


@dataclass(frozen=True, slots=True)
class Switch:
    """A stop that a person threw: nothing of its scope is done until it is released.

    ``scope`` is "agent:NAME", "tool:NAME", "workflow:NAME" or "all"; ``seq`` is the entry that threw it, ``at``
    nanoseconds since the epoch.
    """

    scope: str
    because: str
    by: str
    at: int
    seq: int

    @property
    def ends_runs(self) -> bool:
        """Whether a run that meets it is over; a stopped tool is only refused."""
        return not self.scope.startswith("tool:")


def switch_scope(text: str) -> str:
    """The scope of a switch as it is written down. Raises BadInput for what is none."""
    kind, _, name = text.partition(":")
    if text == EVERYTHING or (kind in SWITCHED and name.strip() == name and name):
        return text
    raise BadInput(
        f"{text!r} is nothing that can be stopped", hint="agent:NAME, tool:NAME, workflow:NAME or all"
    )


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on a scope ("run:*", "run:ID", "agent:refunds", "workflow:…", "tool:…"), in nano-dollars.

    Invariant: available = limit - spent - held, and for a hard budget available never falls below zero
    by a call that was admitted.
    """

    name: str
    scope: str
    limit_nano: int
    mode: str = "hard"
    spent_nano: int = 0
    held_nano: int = 0
