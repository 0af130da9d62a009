"""The shapes of the JSON API of comparing, in the manner of ``shapes``."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from tallystick.api.registry_shapes import SignalShape
from tallystick.api.shapes import RunShape


class ComparedStepShape(TypedDict):
    """A step in one line. ``depth`` counts the steps around it."""

    step: str
    kind: str
    name: str
    agent: str | None
    tool: str | None
    model: str | None
    status: str
    depth: int
    cost_nano_usd: int | None
    duration_ns: int | None


class ComparedChangeShape(TypedDict):
    """One place where two values differ; null where it is absent."""

    field: str
    a: Any
    b: Any


class ComparedRowShape(TypedDict):
    """One step of either run, or of both. ``equal_before``: rows before this one that were left out as equal."""

    op: Literal["same", "changed", "only a", "only b", "moved"]
    a: ComparedStepShape | None
    b: ComparedStepShape | None
    changes: list[ComparedChangeShape]
    equal_before: int


class ComparedCauseShape(TypedDict):
    """Why two runs part: a candidate, as a word and as a sentence."""

    kind: str
    text: str


class ComparedShape(TypedDict):
    """Two runs. ``same``: what was asked and what came back differs nowhere; ``first``: index of the row where it does
    first; ``hidden``: equal rows that were left out."""

    a: RunShape
    b: RunShape
    same: bool
    first: int | None
    cause: ComparedCauseShape | None
    rows: list[ComparedRowShape]
    hidden: int
    totals: list[ComparedChangeShape]
    notes: list[str]


class SetShape(TypedDict):
    """A set of runs: how many match, and how many of them were looked at."""

    query: str
    runs: int
    measured: int


WithShape = TypedDict("WithShape", {"with": int, "of": int})


class FeatureShape(TypedDict):
    """Something that is so of a run."""

    attribute: str
    value: str


class SeparationShape(FeatureShape):
    """A feature of runs that one set has more often; ``aliases`` are features that exactly the same runs have."""

    a: WithShape
    b: WithShape
    difference: float
    low: float
    high: float
    p: float
    q: float
    confidence: Literal["strong", "likely", "weak"]
    aliases: list[FeatureShape]


class ContrastShape(TypedDict):
    """What separates two sets of runs, best first; ``tested`` counts the features that were tried."""

    a: SetShape
    b: SetShape
    attributes: list[SeparationShape]
    tested: int
    notes: list[str]


SignalRowShape = TypedDict(
    "SignalRowShape",
    {
        "version": str | None,
        "from": str | None,
        "to": str | None,
        "runs": int,
        "completion": SignalShape,
        "tool_calls": SignalShape,
        "adherence": SignalShape,
        "cost_per_run_nano_usd": SignalShape,
        "cost_per_success_nano_usd": SignalShape,
    },
)


class SignalsOverShape(TypedDict):
    """The signals of an agent, one row a version, day or week, oldest first."""

    agent: str
    since: str | None
    by: Literal["version", "day", "week"]
    rows: list[SignalRowShape]
