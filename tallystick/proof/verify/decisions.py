"""Decisions and loops, made again by the judge from what the journal holds of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tallystick.model.canonical import digest
from tallystick.model.journal import Entry
from tallystick.proof.report import Checklist, State
from tallystick.proof.verify.conduct import lets_run
from tallystick.proof.verify.judge import Asked, Judge, LoopEvent, Opinion
from tallystick.proof.verify.seen import Seen

NO_JUDGE: Final = "this verifier has no policy engine, loop rules, dialects or rate card: use tally verify"

# An argument has a salt of its own: only decisions about one call share it, and each reads it again.
_MOST_USES: Final = 64


def tell(told: Checklist, check: str, place: str, opinion: Opinion) -> None:
    """Write an opinion down."""
    if opinion.state is State.HOLDS:
        told.holds(check)
    elif opinion.state is State.FINDING:
        told.finding(check, place, opinion.text)
    else:
        told.not_checked(check, place, opinion.text)


class Decisions:
    """Has each decision made again as soon as its openings are known."""

    def __init__(self, told: Checklist, seen: Seen, judge: Judge | None) -> None:
        self._told = told
        self._seen = seen
        self._judge = judge
        self._policies: dict[str, Mapping[str, Any]] = {}
        self._uses: dict[str, int] = {}  # commitment -> decisions that were made again with it

    def entry(self, entry: Entry) -> None:
        """Look at one entry and, for a decision, ask the judge."""
        if entry.kind == "policy.loaded":
            if entry.subject != entry.body["digest"]:
                self._told.finding(
                    "decisions",
                    f"entry {entry.seq}",
                    "the entry and its policy set do not name the same thing",
                )
            self._policies[entry.subject] = entry.body
        if entry.kind != "decision.made":
            return
        place, body = f"entry {entry.seq}", entry.body
        if self._judge is None:
            self._told.not_checked("decisions", place, NO_JUDGE)
            return
        policy = self._policies.get(body["policy_digest"])
        opinion = self._judge.decision(Asked(body, self._opened, self._seen.texts.get, policy))
        if opinion.state is State.HOLDS and body["answer"] == "not evaluated":
            opinion = Opinion(State.NOT_CHECKED, "not evaluated: no policy covers the call")
        tell(self._told, "decisions", place, opinion)

    def _opened(self, commitment: str) -> tuple[bool, Any]:
        values = self._seen.values
        self._uses[commitment] = self._uses.get(commitment, 0) + 1
        if self._uses[commitment] > _MOST_USES:
            return False, f"more than {_MOST_USES} decisions name it"
        if commitment in values:
            return True, values[commitment]
        return False, self._seen.withheld.get(commitment, "withheld")


class Loops:
    """Collects the turns of each loop detector, and has the rules applied to them at the end."""

    def __init__(self, told: Checklist, seen: Seen, judge: Judge | None) -> None:
        self._told = told
        self._seen = seen
        self._judge = judge
        self._known: dict[str, str | None] = {}  # commitment -> digest of what opens it
        self._events: dict[str, list[tuple[int, LoopEvent]]] = {}

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        if entry.kind not in ("decision.made", "effect.ended"):
            return
        turn = entry.body["loop"]
        if turn is None:
            if entry.kind == "decision.made" and (lets_run(entry.body) or entry.body["stage"] == "loop"):
                self._told.finding(
                    "loops", f"entry {entry.seq}", "the loop rules were not asked about this call"
                )
            return
        number = turn["turn"]
        if type(number) is not int:
            raise TypeError("a turn is a number")
        event = LoopEvent(entry.seq, entry.kind, entry.body)
        self._events.setdefault(turn["detector"], []).append((number, event))

    def finish(self) -> None:
        """Apply the rules to every detector's turns, in their order."""
        if len(self._events) > 1:
            text = "several detectors watched the run, and none of them hears what the others heard"
            self._told.not_checked("loops", "", text)
        for detector, events in self._events.items():
            place = f"detector {detector}"
            events.sort(key=lambda one: one[0])
            numbers = [number for number, _ in events]
            self._prints([event for _, event in events])
            if len(set(numbers)) != len(numbers) or numbers[0] != 1:
                self._told.finding("loops", place, "its turns are not numbered once each, from 1")
            if self._judge is None:
                self._told.not_checked("loops", place, NO_JUDGE)
                continue
            for seq, opinion in self._judge.loops([event for _, event in events]):
                tell(self._told, "loops", f"entry {seq}", opinion)

    def _prints(self, events: Sequence[LoopEvent]) -> None:
        """Calls of one tool with the same arguments have the same prints under one detector."""
        prints: dict[tuple[str, str], tuple[Any, Any]] = {}
        for event in events:
            if event.kind != "decision.made" or event.body["arguments"] is None:
                continue
            given = {name: self._digest(one["commitment"]) for name, one in event.body["arguments"].items()}
            if None in given.values():
                continue
            shown = (event.body["loop"]["call"], event.body["loop"]["page"])
            if prints.setdefault((event.body["tool"], digest(given)), shown) != shown:
                self._told.finding("loops", f"entry {event.seq}", "the same call as before has another print")

    def _digest(self, named: str) -> str | None:
        if named not in self._known:
            values = self._seen.values
            self._known[named] = digest(values[named]) if named in values else None
        return self._known[named]
