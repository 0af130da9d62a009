"""Grades: what is really done at one agent's calls of one tool, from what was recorded. Unmeasured is never clean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tallystick.model.control import PolicyState


class Grade(StrEnum):
    """What is done at a call, from the least to the most."""

    OBSERVED = "observed only"  # it was seen, and nobody decided about it
    DECIDED = "decided but not enforced"  # a decision was made that could not have refused it
    ENFORCED = "enforced before execution"


NOT_MEASURED = "not measured"


def grade_of(state: str | None, answer: str | None) -> Grade:
    """The grade of one call: the state of the policies that its decision names, and its answer; None: no decision."""
    if state is None:
        return Grade.OBSERVED
    enforced = state == PolicyState.ENFORCED.value and answer != "not evaluated"
    return Grade.ENFORCED if enforced else Grade.DECIDED


@dataclass(frozen=True, slots=True)
class Graded:
    """The calls of one tool, by grade. ``declared``: the agent may call it, whether it did or not."""

    tool: str
    observed: int = 0
    decided: int = 0
    enforced: int = 0
    declared: bool = True

    @property
    def calls(self) -> int:
        """All calls that were looked at."""
        return self.observed + self.decided + self.enforced

    @property
    def grade(self) -> str:
        """That of the call that was looked after least; "not measured" without any call."""
        if self.observed:
            return Grade.OBSERVED.value
        if self.decided:
            return Grade.DECIDED.value
        return Grade.ENFORCED.value if self.enforced else NOT_MEASURED


def graded(tool: str, calls: Iterable[Grade], *, declared: bool = True) -> Graded:
    """The calls of one tool added up."""
    found = list(calls)
    return Graded(
        tool, found.count(Grade.OBSERVED), found.count(Grade.DECIDED), found.count(Grade.ENFORCED), declared
    )
