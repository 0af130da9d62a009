"""Deeds: what the records say of a guarded call is what the journal decided about it, and what it says became of it.

Records come from whoever watched the run, decisions from the guard; a step and its decisions name the same step id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.journal import Entry
from tallystick.proof.report import Checklist
from tallystick.proof.verify.conduct import lets_run
from tallystick.proof.verify.seen import Seen

_CHECK: Final = "conduct"
_RISKY: Final = ("write", "irreversible")
_OWN: Final = "gen_ai"  # the dialect in which the guard's own answers are written on steps


class Deeds:
    """Remembers what the journal says of each step, and holds the records against it."""

    def __init__(self, told: Checklist, seen: Seen) -> None:
        self._told = told
        self._seen = seen
        self._made: dict[str, Mapping[str, Any]] = {}  # step -> the last decision about it
        self._outcomes: dict[str, tuple[str, str]] = {}  # decision -> effect and its outcome
        self._recorded: set[str] = set()

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        body = entry.body
        if entry.kind == "decision.made":
            if body["stage"] != "contract":  # it asks about the result of a call that was decided before
                self._made[body["step"]] = body
        elif entry.kind == "effect.ended":
            self._outcomes[body["decision"]] = body["effect"], body["outcome"]

    def record(self, leaf: Mapping[str, Any]) -> None:
        """Look at one record that stands; all entries went by before."""
        span, step = leaf["span"], leaf["step"]
        said = step.get("decision")
        made = self._made.get(span)
        if made is None:
            if said is not None and step.get("dialect") == _OWN:
                self._undecided(span, step)
            return
        self._recorded.add(span)
        place = f"step {span}"
        if step.get("tool") not in (None, made["tool"]):
            self._told.finding(
                _CHECK, place, f"its record is of another tool than decision {made['decision']}"
            )
        outcome, back = step.get("outcome"), made["decision"] in self._outcomes
        ran = step.get("status") == "ok" or outcome == "landed"
        if said == "not evaluated" != made["answer"] and step.get("effect") not in _RISKY:
            self._told.not_checked(_CHECK, place, "its record says that the guard failed, and let it run")
            return
        if said == "deny" != made["answer"] and not back:
            self._told.not_checked(_CHECK, place, "its record says that it was refused after it was decided")
        elif said not in (None, made["answer"]):
            self._told.finding(
                _CHECK,
                place,
                f"its record says {str(said)[:20]!r}, and decision {made['decision']} says otherwise",
            )
        if ran and not lets_run(made):
            self._told.finding(
                _CHECK, place, f"its record says that it ran, and decision {made['decision']} refused it"
            )
        effect, told = self._outcomes.get(made["decision"], ("", outcome))
        if outcome is not None and outcome != told:
            self._told.finding(
                _CHECK,
                place,
                f"its record says {str(outcome)[:20]!r}, and effect {effect} says {told[:20]!r}",
            )
        if leaf["ended"] is not None:
            self._priced(place, step, made)
        self._told.holds(_CHECK)

    def _priced(self, place: str, step: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        """A priced call that was allowed and landed costs what its tool declares."""
        declared = self._seen.declaration(made["declaration"])
        price = None if declared is None else declared["price_nano"]
        landed = self._outcomes.get(made["decision"], ("", ""))[1] == "landed"
        if price and landed and made["answer"] == "allow" and step.get("cost_nano") != price:
            self._told.finding("charges", place, "its record does not cost what its tool declares")

    def _undecided(self, span: str, step: Mapping[str, Any]) -> None:
        """A step that was answered by a guard, and the journal knows nothing of it."""
        if not self._made:
            self._told.not_checked(_CHECK, span, "the run's steps name decisions that are in no entry here")
        elif step["decision"] == "allow" and step.get("effect") in _RISKY:
            self._told.finding(
                _CHECK,
                f"step {span}",
                "its record says that it was allowed, and no decision here is about it",
            )
        else:
            self._told.not_checked(
                _CHECK, f"step {span}", "its record names an answer of the guard that is in no entry here"
            )

    def finish(self) -> None:
        """Calls that came back and have no record: what was seen of them is not here."""
        for span, made in self._made.items():
            if span not in self._recorded and made["decision"] in self._outcomes:
                self._told.not_checked(
                    _CHECK, f"step {span}", "a call came back, and no record of it is here"
                )
