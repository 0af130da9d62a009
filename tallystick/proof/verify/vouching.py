"""Vouching in evidence: what people changed of a call is what was decided, and who vouches had approved it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.journal import Entry
from tallystick.model.labels import ENDORSED
from tallystick.model.quorum import same_person
from tallystick.proof.report import Checklist
from tallystick.proof.verify.seen import Seen, time_of

_CHECK: Final = "conduct"
_ABSENT: Final = object()


class Vouching:
    """Compares values at the end, when all openings are known."""

    def __init__(self, told: Checklist, seen: Seen) -> None:
        self._told = told
        self._seen = seen
        self._pairs: list[
            tuple[str, str, str, str, str]
        ] = []  # place, said where they differ, about, two commitments
        self._word: list[tuple[str, str, int]] = []  # tool, argument, until: what was vouched for up to here

    def same(self, entry: Entry, text: str, about: str, one: Any, other: Any) -> None:
        """Two commitments of a run, each in its object, that must open to one value; ``text`` is told where not."""
        first, second = str(one["commitment"]), str(other["commitment"])
        if first != second:
            self._pairs.append((f"entry {entry.seq}", text, about, first, second))

    def entry(self, entry: Entry, asked: Mapping[str, Any] | None, yes: str | None) -> None:
        """Look at one entry that vouches; ``asked`` is what was approved by ``yes`` alone, None where it was not."""
        body, place = entry.body, f"entry {entry.seq}"
        what = f"what is vouched for with approval {body['approval']}"
        if asked is None or yes is None:
            self._told.finding(_CHECK, place, f"{what} was approved by nobody alone")
            return
        if entry.subject != body["vouched"] or not same_person(yes, body["by"]) or entry.actor != body["by"]:
            self._told.finding(_CHECK, place, f"{what} is on the word of somebody else than who approved it")
        whose = (body["run"], body["agent"])
        if body["tool"] != asked["tool"] or whose not in ((asked["run"], None), (None, asked["agent"])):
            self._told.finding(_CHECK, place, f"{what} is for another run, agent or tool")
        facts = asked.get("facts") or {}
        name, among = (
            (body["class"], "leaks") if entry.kind == "label.released" else (body["argument"], "untrusted")
        )
        if name not in facts.get(among, ()):
            self._told.finding(
                _CHECK, place, f"{what} is something that nobody asked about: {str(name)[:80]!r}"
            )
        elif entry.kind == "value.endorsed":
            text = f"{what} is another value than the one that was approved"
            self.same(entry, text, str(name), body["value"], asked["arguments"][name])
            self._word.append((body["tool"], name, time_of(str(body["until_ns"]))))
        self._told.holds(_CHECK)

    def decided(self, entry: Entry) -> None:
        """A decision that counts a person's word: the word is here, or was given in another run."""
        body = entry.body
        if body.get("edit") is not None:
            return  # the word is the edit
        at = time_of(body["at"])
        for name, why in ((body.get("facts") or {}).get("why") or {}).items():
            if why != ENDORSED or any(
                (tool, argument) == (body["tool"], name) and at < until
                for tool, argument, until in self._word
            ):
                continue
            text = f"who vouched for {str(name)[:80]!r} did so in another run, or in no entry of this file"
            self._told.not_checked(_CHECK, f"entry {entry.seq}", text)

    def finish(self) -> None:
        """Compare what was opened; what was withheld on either side cannot be."""
        for place, text, about, one, other in self._pairs:
            first, second = (self._seen.values.get(named, _ABSENT) for named in (one, other))
            if first is _ABSENT or second is _ABSENT:
                self._told.not_checked(_CHECK, place, f"the value of {about[:80]!r} is withheld")
            elif first != second:
                self._told.finding(_CHECK, place, text)
            else:
                self._told.holds(_CHECK)
