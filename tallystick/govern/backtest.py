"""Backtest: what was decided, decided again under other policies, and where the answers differ.

What cannot be known (a content that was withheld, labels that nobody recorded) is counted as unknown, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from tallystick.govern.cases import SAID_BY_THE_USER
from tallystick.govern.decide import Ruling, decide
from tallystick.govern.policy import PolicySet
from tallystick.govern.resource import judged_arguments
from tallystick.model.control import Answer, ToolCall
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import UNKNOWN, Facts

_GOES_ON: Final = (Answer.ALLOW.value, Answer.NOT_EVALUATED.value)


@dataclass(frozen=True, slots=True)
class Past:
    """One call that was decided, or only made. ``was`` is the answer, None where nobody was asked.

    ``facts`` None: no labels were recorded. ``withheld`` says why an argument is not here; ``at`` is nanoseconds since
    the epoch.
    """

    call: ToolCall
    tool: ToolDeclaration
    was: str | None
    at: int
    facts: Facts | None = None
    withheld: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """What the other policies say of a past call; ``unknown`` says why that cannot be told."""

    answer: str | None = None
    group: str | None = None
    reasons: tuple[str, ...] = ()
    unknown: str | None = None


def again(past: Past, tool: ToolDeclaration, policies: PolicySet) -> Again:
    """Decide one past call under other policies. ``tool`` is the declaration that counts now."""
    if past.withheld is not None and policies.decides and tool.effect is not None and tool.arguments:
        return Again(unknown=past.withheld)
    call = replace(past.call, arguments=judged_arguments(past.call.arguments, tool))
    worst = decide(policies, call, tool, (), past.facts if past.facts is not None else UNKNOWN)
    if past.facts is None:
        best = decide(policies, call, tool, (), SAID_BY_THE_USER)
        if (best.answer, best.group) != (worst.answer, worst.group):
            return Again(unknown="its labels were not recorded")
    return _told(worst)


def _told(ruling: Ruling) -> Again:
    return Again(ruling.answer.value, ruling.group, ruling.reasons)


@dataclass(slots=True)
class Change:
    """Calls of one agent and tool whose answer changes alike, for the same reasons. ``first_run`` is the earliest."""

    agent: str
    tool: str
    was: str | None
    would: str
    group: str | None
    reasons: tuple[str, ...]
    count: int = 0
    runs: set[str] = field(default_factory=set)
    first_run: str = ""
    first_at: int = 0

    def add(self, past: Past) -> None:
        """Count one call."""
        self.count += 1
        self.runs.add(past.call.run)
        if not self.first_run or past.at < self.first_at:
            self.first_run, self.first_at = past.call.run, past.at


@dataclass(slots=True)
class Backtest:
    """What deciding again came to."""

    calls: int = 0
    same: int = 0
    unguarded: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    changes: dict[tuple[Any, ...], Change] = field(default_factory=dict)
    held: int = 0
    would_hold: int = 0

    def add(self, past: Past, found: Again) -> None:
        """Count one call."""
        self.calls += 1
        self.unguarded += past.was is None
        if found.answer is None:
            why = found.unknown or "unknown"
            self.unknown[why] = self.unknown.get(why, 0) + 1
            return
        held, holds = past.was == Answer.HOLD.value, found.answer == Answer.HOLD.value
        self.held += held
        self.would_hold += holds
        went_on = past.was is None or past.was in _GOES_ON
        if (went_on and found.answer in _GOES_ON) or past.was == found.answer:
            self.same += 1
            return
        key = (past.call.agent, past.call.tool, past.was, found.answer, found.group, found.reasons)
        change = self.changes.setdefault(key, Change(*key))
        change.add(past)

    def rows(self) -> list[Change]:
        """The changes: what would be refused or held first, and of those the most frequent."""
        return sorted(
            self.changes.values(),
            key=lambda one: (one.would in _GOES_ON, -one.count, one.agent, one.tool, one.would, one.reasons),
        )
