"""Sequence: the entries of a run count from 1 without gaps, and time does not run back."""

from __future__ import annotations

from typing import Final

from tallystick.model.journal import Entry
from tallystick.proof.report import Checklist
from tallystick.proof.verify.seen import CLOCK_STEP_NS, Seen, time_of

_CHECK: Final = "sequence"

_WRITTEN_WITHIN_NS: Final = 60_000_000_000  # decisions wait at most a moment for those they are written with


class Sequence:
    """Counts the entries of each run."""

    def __init__(self, told: Checklist, seen: Seen) -> None:
        self._told = told
        self._seen = seen
        self._counts: dict[str, int] = {}
        self._last = 0  # the number of the entry before
        self._at = 0
        self._numbered = 0  # the first entry of version 2

    def entry(self, entry: Entry) -> None:
        """Look at one entry."""
        place = f"entry {entry.seq}"
        if entry.seq <= self._last:
            self._told.finding(_CHECK, place, f"it stands after entry {self._last}")
        if entry.at < self._at - CLOCK_STEP_NS:
            self._told.finding(_CHECK, place, f"it was written long before entry {self._last}, by its time")
        elif entry.at < self._at:
            self._told.not_checked(_CHECK, place, "the machine's clock was set back between two entries")
        self._last, self._at = entry.seq, entry.at
        if entry.previous is None:
            self._numbered = self._numbered or entry.seq
            self._fits(entry, place)
        elif self._numbered:
            self._told.finding(
                _CHECK, place, f"it is written as if before version 2, which entry {self._numbered} is of"
            )
        if entry.run is None:
            if entry.nth is not None:
                self._told.finding(_CHECK, place, "it counts in a run and belongs to none")
            return
        if entry.run not in self._seen.runs:
            self._told.finding(_CHECK, place, "it belongs to a run that this file is not about")
            return
        if entry.previous is not None:
            self._told.not_checked(
                _CHECK, place, "written before entries were numbered in their run (version 2)"
            )
            return
        wanted = self._counts.get(entry.run, 0) + 1
        if entry.nth != wanted:
            known = wanted if self._counts else "the first"
            self._told.finding(
                _CHECK, place, f"entry {known} of the run is wanted here, and this is number {entry.nth}"
            )
        self._counts[entry.run] = entry.nth or wanted
        self._told.holds(_CHECK)

    def _fits(self, entry: Entry, place: str) -> None:
        """What the body says of run and time is what the entry says; a decision is written after it was made."""
        if "run" in entry.body and entry.body["run"] != entry.run:
            self._told.finding(_CHECK, place, "its body names another run than the one it belongs to")
        if entry.kind not in ("decision.made", "effect.ended"):
            return
        ahead = time_of(entry.body["at"]) - entry.at
        if ahead > CLOCK_STEP_NS:
            self._told.finding(_CHECK, place, "it tells of a time long after it was written")
        elif ahead > 0:
            self._told.not_checked(_CHECK, place, "the machine's clock was set back between two entries")
        elif ahead < -_WRITTEN_WITHIN_NS:
            self._told.not_checked(_CHECK, place, "it was written more than a minute after what it tells of")

    def finish(self) -> None:
        """The run must have entries at all."""
        if not self._counts and self._seen.header:
            self._told.not_checked(_CHECK, "", "the journal has no numbered entry of this run")
