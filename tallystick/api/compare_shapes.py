"""The shapes of the JSON API of comparing, in the manner of ``shapes``."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

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
