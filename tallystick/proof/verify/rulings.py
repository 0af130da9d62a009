"""Rulings: what a decision says of itself fits together, whoever can make it again or not.

Where contents are withheld or no policy engine is at hand, a decision cannot be made again. These rules need neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.journal import Entry
from tallystick.proof.report import Checklist

_CHECK: Final = "conduct"
_STAGES: Final = (
    "pin", "switch", "identity", "arguments", "loop", "policy", "budget", "approval", "binding", "fault",
)  # fmt: skip
_ANSWERS: Final = ("allow", "deny", "hold", "not evaluated")


class Rulings:
    """Follows decisions, the policy sets that they name, and the stops that they led to."""

    def __init__(self, told: Checklist) -> None:
        self._told = told
        self._states: dict[str, str] = {}  # policy set -> the state in which it was loaded
        self._calls: dict[tuple[str, str], tuple[str, str]] = {}  # run and step -> decision and its call
        self._decided: dict[str, Mapping[str, Any]] = {}
        self._denials: dict[str, int] = {}  # run -> refusals that count for a stop
        self._unasked: dict[
            str, int
        ] = {}  # decision that holds its call -> its entry, until somebody is asked
        self._unstopped: dict[str, str] = {}  # run -> the decision that was to stop it

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        if entry.kind == "policy.loaded":
            self._states[entry.body["digest"]] = entry.body["state"]
        elif entry.kind == "decision.made":
            self._ruled(entry, entry.body)
        elif entry.kind == "approval.requested":
            self._unasked.pop(entry.body["decision"], None)
        elif entry.kind == "run.stopped":
            self._stopped(entry, entry.body)

    def finish(self) -> None:
        """A stop that was decided and not written may have been cut off by a crash."""
        for decision, seq in self._unasked.items():  # both are written together
            self._told.finding(
                _CHECK, f"entry {seq}", f"decision {decision} holds a call, and nobody was asked"
            )
        for decision in self._unstopped.values():
            self._told.not_checked(
                _CHECK, decision, "the loop rules stopped the run, and no stop is recorded"
            )

    def _ruled(self, entry: Entry, made: Mapping[str, Any]) -> None:
        decision, stage, answer = made["decision"], made["stage"], made["answer"]
        self._decided[decision] = made
        if stage not in _STAGES or answer not in _ANSWERS:
            self._say(entry, f"decision {decision} has a stage or an answer that there is none")
        elif stage != "policy" and answer != "deny":
            self._say(entry, f"decision {decision} was settled by stage {stage}, which can only refuse")
        elif stage == "policy" and answer != made["policy_answer"]:
            self._say(entry, f"decision {decision} has another answer than the policy gave")
        elif stage == "pin" and (made["policy_state"] != "enforced" or made["policy_answer"] is not None):
            self._say(
                entry, f"decision {decision} was settled by stage pin, which only an enforced set has first"
            )
        state = self._states.get(made["policy_digest"])
        if state is not None and state != made["policy_state"]:
            self._say(entry, f"decision {decision} names its policy set in another state than it was loaded")
        if made["approval"] is None and made["approved"] and answer != "deny":
            self._say(entry, f"decision {decision} counts an approval and names none")
        first = self._calls.setdefault((made["run"], made["step"]), (decision, made["call"]))
        if first[1] != made["call"]:
            self._say(
                entry, f"decision {decision} is about another call of its step than decision {first[0]}"
            )
        if answer == "hold" and made["policy_state"] != "permissive":
            self._unasked[decision] = entry.seq
        if answer == "deny" and stage != "loop":
            self._denials[made["run"]] = self._denials.get(made["run"], 0) + 1
        if stage == "loop" and made["loop"]["rung"] == "stopped":
            self._unstopped.setdefault(made["run"], decision)

    def _stopped(self, entry: Entry, body: Mapping[str, Any]) -> None:
        """What stopped the run is in the journal, and was a reason."""
        by, detail = body["by"], body["detail"]
        self._unstopped.pop(body["run"], None)
        if by not in ("loop", "denials"):
            return
        made = self._decided.get(detail["decision"])
        if made is None or made["run"] != body["run"]:
            self._say(entry, f"the run was stopped for decision {detail['decision']}, which is not here")
        elif by == "loop" and (made["stage"] != "loop" or made["loop"]["rung"] != "stopped"):
            self._say(entry, f"the run was stopped for decision {made['decision']}, which does not stop it")
        elif by == "denials" and (
            made["answer"] != "deny" or detail["denials"] > self._denials.get(body["run"], 0)
        ):
            self._say(entry, f"the run was stopped after {detail['denials']} refusals, and fewer are here")

    def _say(self, entry: Entry, text: str) -> None:
        self._told.finding(_CHECK, f"entry {entry.seq}", text)
