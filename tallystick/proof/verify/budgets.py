"""Budgets: every hold of the run fitted the run's own budgets when it was taken, and was settled once at most.

Only budgets of the run itself can be added up again. What other runs spent against an agent's, a tool's or a workflow's
budget is not in this file, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.model.journal import Entry
from tallystick.proof.report import Checklist
from tallystick.proof.verify.seen import Seen

_CHECK: Final = "budgets"
_EVERY: Final = "run:*"
_EACH: Final = 64  # bytes that a budget counts for each hold on it, so that work is bounded as memory is


@dataclass(slots=True)
class _Budget:
    limit: int
    mode: str
    spent: int = 0
    held: int = 0


@dataclass(slots=True)
class _Hold:
    amount: int
    budgets: tuple[tuple[str, str], ...]  # (scope, name) that hold the money
    scopes: tuple[str, ...]
    settled: bool = False
    spent: int = 0
    basis: str = ""


class Budgets:
    """Adds the run's holds up again, by the rules of the control store."""

    def __init__(self, told: Checklist, seen: Seen) -> None:
        self._told = told
        self._seen = seen
        self._budgets: dict[str, dict[str, _Budget]] = {}  # scope -> name
        self._holds: dict[str, _Hold] = {}
        self._calls: dict[str, Mapping[str, Any]] = {}  # hold -> the decision that it was taken for
        self._outcomes: dict[str, str] = {}  # decision -> what became of its effect

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        look = {
            "budget.set": self._set,
            "hold.taken": self._taken,
            "hold.settled": self._settled,
            "run.stopped": self._stopped,
            "decision.made": self._decided,
            "effect.ended": self._ended,
            "effect.settled": self._ended,
        }.get(entry.kind)
        if look is not None:
            look(entry, entry.body)

    def finish(self) -> None:
        """Holds that nobody settled are no finding: their time may not be up."""
        for hold, one in self._holds.items():
            if not one.settled:
                self._told.not_checked(_CHECK, hold, "a hold is not settled yet")
            elif hold in self._calls:
                self._paid(hold, one, self._calls[hold])

    def _set(self, _entry: Entry, body: Mapping[str, Any]) -> None:
        named = self._budgets.setdefault(body["scope"], {})
        limit = number(body["limit_nano"])
        known = named.get(body["budget"])
        if known is None:
            named[body["budget"]] = _Budget(limit, body["mode"])
        else:
            known.limit, known.mode = limit, body["mode"]

    def _taken(self, entry: Entry, body: Mapping[str, Any]) -> None:
        place, hold, amount = f"entry {entry.seq}", body["hold"], number(body["amount_nano"])
        if hold in self._holds:
            self._told.finding(_CHECK, place, f"hold {hold} was taken before")
        if amount < 0:
            self._told.finding(_CHECK, place, f"hold {hold} is negative")
        touched = [(scope, name) for scope in dict.fromkeys(body["scopes"]) for name in self._named(scope)]
        if not touched:
            self._told.finding(_CHECK, place, f"no budget is here that hold {hold} was taken from")
        for scope, name in touched:
            budget = self._budgets[scope][name]
            if not self._own(scope):
                self._told.not_checked(_CHECK, place, "other runs share the budget")
            elif budget.mode == "hard" and budget.spent + budget.held + amount > budget.limit:
                self._told.finding(_CHECK, place, f"hold {hold} does not fit budget {name}")
            budget.held += amount
        self._holds[hold] = _Hold(amount, tuple(touched), tuple(dict.fromkeys(scope for scope, _ in touched)))
        self._told.holds(_CHECK)

    def _decided(self, entry: Entry, body: Mapping[str, Any]) -> None:
        """A decision that names a hold: it was taken before, for this call alone, with the price of its tool."""
        hold, place = body["hold"], f"entry {entry.seq}"
        if hold is None:
            return
        taken = self._holds.get(hold)
        if taken is None:
            self._told.finding(_CHECK, place, f"hold {hold} of decision {body['decision']} was never taken")
        elif hold in self._calls:
            self._told.finding(_CHECK, place, f"hold {hold} is that of two decisions")
        else:
            declared = self._seen.declaration(body["declaration"])
            if declared is not None and number(declared["price_nano"]) != taken.amount:
                self._told.finding(_CHECK, place, f"hold {hold} is not the price that its tool declares")
            self._calls[hold] = body

    def _ended(self, _entry: Entry, body: Mapping[str, Any]) -> None:
        self._outcomes[body["decision"]] = body["outcome"]

    def _paid(self, hold: str, one: _Hold, made: Mapping[str, Any]) -> None:
        """A priced call that ran, or may have run, was paid; only what surely did not happen costs nothing."""
        outcome = self._outcomes.get(made["decision"])
        if outcome is None:
            self._told.not_checked(
                _CHECK, hold, "nobody says what became of the call that a hold was taken for"
            )
        elif one.spent != (0 if one.basis == "released" else one.amount):
            self._told.finding(_CHECK, hold, f"hold {hold} was not settled with the price of its tool")
        elif one.basis == "released" and outcome != "did not happen":
            self._told.finding(_CHECK, hold, f"hold {hold} was given back, and its call is {outcome!r}")

    def _named(self, scope: str) -> list[str]:
        """The budgets of a scope; one for every run counts each run by itself, from its first hold on."""
        if scope not in self._budgets and scope.startswith("run:") and scope != _EVERY:
            for name, every in self._budgets.get(_EVERY, {}).items():
                self._budgets.setdefault(scope, {})[f"{name} {scope}"] = _Budget(every.limit, every.mode)
        found = self._budgets.get(scope, {})
        self._seen.keep(_EACH * len(found))  # every hold goes through all of them
        return sorted(found)

    def _own(self, scope: str) -> bool:
        return scope.startswith("run:") and scope[4:] in self._seen.runs

    def _settled(self, entry: Entry, body: Mapping[str, Any]) -> None:
        place, hold, spent = f"entry {entry.seq}", body["hold"], number(body["spent_nano"])
        found = self._holds.get(hold)
        if found is None:
            self._told.finding(_CHECK, place, f"hold {hold} is settled and was never taken")
            return
        if found.settled:
            self._told.finding(_CHECK, place, f"hold {hold} was settled before")
        if spent < 0 or body["basis"] not in ("reported", "assumed", "released"):
            self._told.finding(_CHECK, place, f"hold {hold} is settled as there is no way to")
        if body["basis"] == "released" and spent != 0:
            self._told.finding(_CHECK, place, f"hold {hold} was released and spent")
        found.settled, found.spent, found.basis = True, spent, body["basis"]
        self._seen.keep(_EACH * sum(len(self._budgets[scope]) for scope in found.scopes))
        for scope in found.scopes:
            for name, budget in self._budgets[scope].items():
                if (scope, name) in found.budgets:
                    budget.held = max(budget.held - found.amount, 0)
                budget.spent += spent
        self._told.holds(_CHECK)

    def _stopped(self, entry: Entry, body: Mapping[str, Any]) -> None:
        """A stop by a budget of the run itself must have been due."""
        if body["by"] != "budget":
            return
        detail, place = body["detail"], f"entry {entry.seq}"
        scope, needed, limit = detail.get("scope"), detail.get("needed_nano"), detail.get("limit_nano")
        if needed is None or not isinstance(scope, str) or not self._own(scope):
            self._told.not_checked(
                _CHECK, place, "the stop is not by the run's own budget, or the call had no price"
            )
            return
        due = any(
            budget.limit == number(limit) and budget.spent + budget.held + number(needed) > budget.limit
            for budget in (self._budgets[scope][name] for name in self._named(scope))
        )
        if due:
            self._told.holds(_CHECK)
        else:
            self._told.finding(_CHECK, place, "the run was stopped by a budget that had enough left")


def number(value: Any) -> int:
    """An integer, or one that was too large for a JSON number and is text. Raises TypeError or ValueError."""
    if type(value) is int:
        return value
    if type(value) is str and len(value) <= 40 and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    raise TypeError("this is no whole number")
