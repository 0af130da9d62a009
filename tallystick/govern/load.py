"""Load: what each rule asks of people, as numbers, and the budget that it was given for that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.govern.asking import budget_of
from tallystick.model.control import Approval, ApprovalState

_YES: Final = (ApprovalState.APPROVED, ApprovalState.CONSUMED)


@dataclass(frozen=True, slots=True)
class RuleLoad:
    """What one rule asked. Times to answer are nanoseconds, None without an answer; ``budget``: so many per runs."""

    rule: str
    asked: int
    approved: int
    rejected: int
    edited: int
    expired: int
    waiting: int
    median_ns: int | None
    p90_ns: int | None
    budget: tuple[int, int] | None = None

    def over(self, runs: int) -> bool | None:
        """Whether it asks more often than its budget says; None where it has none, or nothing ran."""
        if self.budget is None or not runs:
            return None
        most, of = self.budget
        return self.asked * of > most * runs

    def as_json(self, runs: int) -> dict[str, Any]:
        """A row as ``tally policy load`` has it; rates are text with one digit, so that nothing is a float."""
        answered = self.approved + self.rejected + self.edited
        return {
            "rule": self.rule, "asked": self.asked, "approved": self.approved, "rejected": self.rejected,
            "edited": self.edited, "expired": self.expired, "waiting": self.waiting,
            "per_100_runs": _rate(100 * self.asked, runs), "yes_percent": _rate(100 * self.approved, answered),
            "median_answer_ns": self.median_ns, "p90_answer_ns": self.p90_ns,
            "budget": None if self.budget is None else f"{self.budget[0]} per {self.budget[1]}",
            "over_budget": self.over(runs),
        }  # fmt: skip


def _rate(count: int, of: int) -> str | None:
    """A quotient with one digit, rounded half up; None for nothing measured."""
    if not of:
        return None
    tenths = (20 * count + of) // (2 * of)
    return f"{tenths // 10}.{tenths % 10}"


def loads(asked: Iterable[Approval], budgets: Mapping[str, str]) -> list[RuleLoad]:
    """What each rule asked, the one that asked most first. ``budgets``: label of a rule -> its ``@budget``.

    A question that several rules asked counts for each of them. Rules with a budget that asked nothing are there too.
    """
    by_rule: dict[str, list[Approval]] = {rule: [] for rule in budgets}
    for one in asked:
        for rule in one.rules or ("(not recorded)",):
            by_rule.setdefault(rule, []).append(one)
    found = [_load(rule, several, budget_of(budgets.get(rule))) for rule, several in by_rule.items()]
    return sorted(found, key=lambda one: (-one.asked, one.rule))


def _load(rule: str, several: list[Approval], budget: tuple[int, int] | None) -> RuleLoad:
    edited = sum(one.edits is not None for one in several)
    yes = sum(one.state in _YES and one.edits is None for one in several)
    count = {state: sum(one.state is state for one in several) for state in ApprovalState}
    times = sorted(one.answered - one.requested for one in several if one.answered is not None)
    return RuleLoad(
        rule, len(several), yes, count[ApprovalState.REJECTED], edited, count[ApprovalState.EXPIRED],
        count[ApprovalState.WAITING], _nearest(times, 50), _nearest(times, 90), budget,
    )  # fmt: skip


def _nearest(times: list[int], percent: int) -> int | None:
    """The percentile by nearest rank: a time that was measured."""
    return times[max(0, -(-len(times) * percent // 100) - 1)] if times else None
