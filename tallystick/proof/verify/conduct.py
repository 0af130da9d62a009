"""Conduct: what ran was allowed first, was exactly what was allowed, ran once, and an approval was used once.

Entries are looked at in their order, so «before» means a lower number in the journal. What the policy engine said is
not asked here (see decisions.py): these rules need no evaluator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.journal import Entry
from tallystick.proof.report import Checklist
from tallystick.proof.verify.approvals import Approvals, call_digest
from tallystick.proof.verify.seen import Seen, time_of

_CHECK: Final = "conduct"
_EFFECTS: Final = ("write", "irreversible", None)  # undeclared is worst case
_RISKY: Final = ("write", "irreversible")
_OUTCOMES: Final = ("did not happen", "in doubt", "landed")


class Conduct:
    """Follows decisions, effects and stops. ``told`` gets what it sees."""

    def __init__(self, told: Checklist, seen: Seen) -> None:
        self._told = told
        self._seen = seen
        self._approvals = Approvals(told, seen)
        self._decisions: dict[str, tuple[int, Mapping[str, Any]]] = {}
        self._refused: dict[str, str] = {}  # call -> the decision that refused it
        self._held: dict[str, str] = {}  # call -> the decision that held it
        self._started: dict[str, str] = {}  # effect -> decision
        self._used: dict[str, str] = {}  # decision -> effect
        self._ended: set[str] = set()
        self._settled: set[str] = set()  # said by somebody else than the process that ran it
        self._stopped: dict[str, tuple[int, int]] = {}  # run -> entry and time of its stop

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        look = {
            "decision.made": self._decided,
            "effect.started": self._start,
            "effect.ended": self._end,
            "effect.settled": self._settle,
            "run.stopped": self._stop,
        }.get(entry.kind)
        if look is not None:
            look(entry)
        elif entry.kind.startswith("approval."):
            self._approvals.entry(entry, self._decisions)
        elif entry.kind in ("value.endorsed", "label.released"):
            self._approvals.vouched(entry)

    def finish(self) -> None:
        """Say what was left open: an effect without an end is in doubt, which is no finding."""
        self._approvals.finish()
        for decision, (seq, made) in self._decisions.items():
            # Decision and start are written together: one without the other was never written so.
            if decision not in self._used and lets_run(made) and self._effect(decision, "none") in _RISKY:
                self._told.finding(
                    _CHECK,
                    f"entry {seq}",
                    f"decision {decision} let an effect run, and no start of it is here",
                )
        for effect in self._started:
            if effect not in self._ended and effect not in self._settled:
                self._told.not_checked(
                    _CHECK, effect, "an effect was started and its end is not recorded: in doubt"
                )

    def _decided(self, entry: Entry) -> None:
        body, place = entry.body, f"entry {entry.seq}"
        decision, answer, call = body["decision"], body["answer"], body["call"]
        if entry.subject != decision or body["run"] != entry.run:
            self._told.finding(_CHECK, place, "the entry and its decision do not name the same thing")
        if decision in self._decisions:
            self._told.finding(_CHECK, place, f"decision {decision} was made before")
        if call != call_digest(body):
            self._told.finding(_CHECK, place, f"decision {decision} is not about the call that it names")
        self._decisions[decision] = (entry.seq, body)
        if body["approval"] is not None:
            self._approvals.used_by(entry)
        if body.get("edit") is not None:
            self._approvals.edited_by(entry)
        self._approvals.decided(entry)
        if answer == "hold" and body["stage"] != "contract":
            self._held.setdefault(call, decision)
        elif answer == "deny" and not lets_run(body):
            self._refused.setdefault(call, decision)
        self._told.holds(_CHECK)

    def _start(self, entry: Entry) -> None:
        body, place = entry.body, f"entry {entry.seq}"
        effect, decision = body["effect"], body["decision"]
        if effect in self._started:
            self._told.finding(_CHECK, place, f"effect {effect} was started before")
        if decision in self._used:
            self._told.finding(_CHECK, place, f"decision {decision} let two effects start")
        self._started[effect] = decision
        self._used[decision] = effect
        made = self._allowed(entry, decision)
        if made is None:
            return
        if made["call"] != body["call"] or made["tool"] != body["tool"]:
            self._told.finding(
                _CHECK, place, f"effect {effect} is not the call that decision {decision} allowed"
            )
        approval = made["approval"]
        bound = None if approval is None else self._approvals.binding(approval)
        if body["binding"] != bound:
            given = "is bound, and no approval was given for it" if approval is None else (
                f"is not what approval {approval} was given for"
            )  # fmt: skip
            self._told.finding(_CHECK, place, f"effect {effect} {given}")
        self._told.holds(_CHECK)

    def _end(self, entry: Entry) -> None:
        body, place = entry.body, f"entry {entry.seq}"
        effect, decision = body["effect"], body["decision"]
        if effect in self._ended:
            self._told.finding(_CHECK, place, f"effect {effect} ended before")
        self._ended.add(effect)
        self._same_call(entry, decision)
        if body["outcome"] not in _OUTCOMES:
            self._told.finding(_CHECK, place, f"effect {effect} has an outcome that there is none")
        if effect in self._started:
            if self._started[effect] != decision:
                self._told.finding(_CHECK, place, f"effect {effect} was started by another decision")
        elif body["effect_class"] in _EFFECTS or self._effect(decision, body["effect_class"]) in _EFFECTS:
            self._told.finding(_CHECK, place, f"effect {effect} ended and was never started")
        elif self._used.setdefault(decision, effect) != effect:
            self._told.finding(_CHECK, place, f"decision {decision} let two effects happen")
        elif self._allowed(entry, decision) is None:
            return
        self._told.holds(_CHECK)

    def _settle(self, entry: Entry) -> None:
        """Somebody said what became of an effect that was started; its own process may have said so first."""
        body, place = entry.body, f"entry {entry.seq}"
        effect = body["effect"]
        if self._started.get(effect) != body["decision"]:
            self._told.finding(_CHECK, place, f"effect {effect} is settled and was never started")
        if body["outcome"] not in ("landed", "did not happen"):
            self._told.finding(_CHECK, place, f"effect {effect} is settled as there is no way to")
        self._settled.add(effect)
        self._told.holds(_CHECK)

    def _same_call(self, entry: Entry, decision: str) -> None:
        """An end is of the tool that was decided on, with the effect that its declaration names."""
        body, place = entry.body, f"entry {entry.seq}"
        made = self._decisions.get(decision)
        if made is None:
            return
        if body["tool"] != made[1]["tool"]:
            self._told.finding(_CHECK, place, f"effect {body['effect']} is of another tool than its decision")
        if body["effect_class"] != self._effect(decision, body["effect_class"]):
            self._told.finding(
                _CHECK, place, f"effect {body['effect']} is not of the kind that the tool's declaration names"
            )

    def _effect(self, decision: str, otherwise: str | None) -> str | None:
        """The effect that the declaration in a decision names."""
        made = self._decisions.get(decision)
        declared = None if made is None else self._seen.declaration(made[1]["declaration"])
        return otherwise if declared is None else declared.get("effect")

    def _allowed(self, entry: Entry, decision: str) -> Mapping[str, Any] | None:
        """The decision before an effect, if it let it run; else a finding is told."""
        place = f"entry {entry.seq}"
        if decision not in self._decisions:
            self._told.finding(
                _CHECK, place, f"{entry.body['effect']} ran and no decision {decision} came first"
            )
            return None
        _, made = self._decisions[decision]
        if not lets_run(made):
            self._told.finding(
                _CHECK, place, f"{entry.body['effect']} ran and decision {decision} was {made['answer']!r}"
            )
            return None
        call = made["call"]
        if call in self._refused:
            self._told.finding(_CHECK, place, f"a call ran that decision {self._refused[call]} had refused")
        if call in self._held and made["approval"] is None and made["policy_state"] != "permissive":
            self._told.finding(
                _CHECK, place, f"a call ran that decision {self._held[call]} held, without an approval"
            )
        stopped = self._stopped.get(made["run"])
        # A call that was judged before the stop may be written after it, when two threads of a run raced.
        if stopped is not None and time_of(made["at"]) > stopped[1]:
            self._told.finding(_CHECK, place, f"a call ran after entry {stopped[0]} had stopped its run")
        return made

    def _stop(self, entry: Entry) -> None:
        self._stopped.setdefault(entry.body["run"], (entry.seq, entry.at))
        self._told.holds(_CHECK)


def lets_run(made: Mapping[str, Any]) -> bool:
    """Whether a recorded decision lets its call run. A permissive policy set refuses nothing but loops."""
    if made["answer"] in ("allow", "not evaluated"):
        return True
    return bool(made["policy_state"] == "permissive" and made["stage"] == "policy")
