"""Sequence: the entries of a run count from 1 without gaps, and time does not run back."""

from __future__ import annotations

from typing import Final

from tallystick.model.journal import Entry
from tallystick.proof.report import Checklist
from tallystick.proof.verify.seen import CLOCK_STEP_NS, Seen

_CHECK: Final = "sequence"


class Sequence:
    """Counts the entries of each run."""

    def __init__(self, told: Checklist, seen: Seen) -> None:
        self._told = told
        self._seen = seen
        self._counts: dict[str, int] = {}
        self._last = 0  # the number of the entry before
        self._at = 0

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

    def finish(self) -> None:
        """The run must have entries at all."""
        if not self._counts and self._seen.header:
            self._told.not_checked(_CHECK, "", "the journal has no numbered entry of this run")
