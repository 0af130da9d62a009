"""Erase: contents of runs go everywhere, on somebody's demand, and what happened still stands and can be proved.

The journal says first that it will be done. Then, run by run: the openings of its entries, its texts in the index, its
spans and salts. A crash in between leaves runs that are still found; erasing again finishes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.model.commitment import SALT_BYTES, Content
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.masking import mask_text
from tallystick.observe.values import clean_text
from tallystick.ports import ControlStore, Traces, Wiped

LONGEST_REASON: Final = 2_000  # characters
_AT_ONCE: Final = 500  # commitments in one entry
_PAGE: Final = 1_000
_ROUNDS: Final = 10  # runs of the subject that begin during an erasure are erased with it, so often

# Takes runs, and a subject where one was named, out of what holds contents beside the stores; false: some bytes are in
# a file until a reader has ended.
Forget = Callable[[Sequence[str], str | None], bool]


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: runs, their steps, their records' salts, openings of journal entries, bytes overwritten in the
    trace store (0 in a dry run). ``done`` false: it was a dry run. ``log_emptied`` false: old bytes are in the
    write-ahead log until readers that began before have ended."""

    runs: tuple[str, ...]
    steps: int
    records: int
    openings: int
    bytes: int
    done: bool
    log_emptied: bool = True


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases in one store. ``forget`` are the indexes; ``random_bytes`` gives the salt under which the subject goes in
    the journal: not even the entry that tells of the erasure names it."""

    traces: Traces
    control: ControlStore
    random_bytes: Callable[[int], bytes]
    forget: Sequence[Forget] = ()

    def runs_of(self, subject: str | None, run: str | None) -> tuple[str, ...]:
        """The runs to erase. Raises BadInput without exactly one of both, UnknownThing where there are none.

        None where all were erased and only bytes are left in files: ``erase`` takes those away.
        """
        if (subject is None) == (run is None):
            raise BadInput("name either a subject or a run", hint="--subject ID or --run RUN")
        if run is not None:
            return (self.traces.resolve(run),)
        found = tuple(self.traces.concerning(clean_text(subject) or ""))
        if not found and not self.traces.unfinished():
            raise UnknownThing(
                "no run concerns this subject, or all that did are erased",
                hint="tally runs ls user:ID shows how a subject's runs are found",
            )
        return found

    def plan(self, runs: Sequence[str]) -> Erased:
        """What erasing runs would take; nothing is changed."""
        records = sum(record.salt is not None for run in runs for record in self.traces.records(run))
        openings = sum(len(self._open(run)[1]) for run in runs)
        return Erased(
            tuple(runs), sum(len(self.traces.steps(run)) for run in runs), records, openings, 0, False
        )

    def erase(self, runs: Sequence[str], *, by: str, because: str, subject: str | None = None) -> Erased:
        """Erase the contents of runs. Raises BadInput for an empty or too long reason."""
        because = mask_text(because.strip())
        if not because or len(because) > LONGEST_REASON:
            raise BadInput("say why, in at most 2,000 characters", hint='--because "request of …"')
        runs = list(runs)
        openings = sum(self._erase_openings(run, by, because, subject) for run in runs)
        self._forget(runs, subject)
        wiped = self.traces.erase(runs)
        for _ in range(_ROUNDS if subject is not None else 0):
            begun = self.traces.concerning(clean_text(subject) or "")  # while the others were erased
            if not begun:
                break
            openings += sum(self._erase_openings(run, by, because, subject) for run in begun)
            wiped = _both(wiped, self.traces.erase(begun))
            runs += begun
        # Whoever read a run just before may have put its texts into the index meanwhile.
        gone = self._forget(list(dict.fromkeys([*runs, *self.traces.unfinished()])), subject)
        emptied = self.control.wipe() and gone and wiped.log_emptied
        if emptied:
            self.traces.finish_erasing()
        return Erased(tuple(runs), wiped.steps, wiped.records, openings, wiped.bytes, True, emptied)

    def _erase_openings(self, run: str, by: str, because: str, subject: str | None) -> int:
        """Say that a run is erased, and erase the openings of its entries; how many those were.

        From the first entry that says so the journal keeps no opening of the run any more. What came in while that
        entry was on its way is found by looking again.
        """
        others = [name for name in self._names(run)[1:] if self._leads(name) == run]
        opened, commitments = self._open(run)
        self._say(run, others, commitments, by, because, subject)
        gone = len(self.control.erase(opened))
        opened, commitments = self._open(run)
        if opened:
            self._say(run, (), commitments, by, because, subject)
            gone += len(self.control.erase(opened))
        return gone

    def _leads(self, name: str) -> str | None:
        try:
            return self.traces.resolve(name)
        except UnknownThing:
            return None

    def _forget(self, runs: Sequence[str], subject: str | None) -> bool:
        return all(forget(runs, subject) for forget in self.forget)

    def _open(self, run: str) -> tuple[list[int], list[str]]:
        """The entries of a run that have contents, and the commitments of those contents."""
        seqs: list[int] = []
        commitments: list[str] = []
        for page in self._entries(run):
            for seq, found in self.control.openings(page).items():
                opened = [one.commitment for one in found if one.content is not None]
                if opened:
                    seqs.append(seq)
                    commitments += opened
        return seqs, list(dict.fromkeys(commitments))

    def _entries(self, run: str) -> Iterable[list[int]]:
        after = 0
        for name in self._names(run):
            while True:
                page = [one.seq for one in self.control.entries(after=after, limit=_PAGE, run=name)]
                if not page:
                    break
                yield page
                after = page[-1]
            after = 0

    def _names(self, run: str) -> list[str]:
        """The ids under which entries of a run stand: its own first, and those under which its records arrived."""
        return [run, *sorted({record.log for record in self.traces.records(run)} - {run})]

    def _say(
        self, run: str, others: Sequence[str], commitments: Sequence[str], by: str, because: str, subject: str | None
    ) -> None:  # fmt: skip
        drafts = []
        for start in range(0, max(1, len(commitments)), _AT_ONCE):
            whom = None
            if subject is not None:
                whom = Content(subject, self.random_bytes(SALT_BYTES), keep=False, why="erased")
            body = {
                "commitments": list(commitments[start : start + _AT_ONCE]), "subject": whom, "because": because,
                "by": by,
            }  # fmt: skip
            drafts.append(Draft("content.erased", run, body, run=run, actor=by))
        for name in others:  # entries of the run's agents stand under these too, and may still come
            body = {"commitments": [], "subject": None, "because": because, "by": by}
            drafts.append(Draft("content.erased", name, body, run=name, actor=by))
        self.control.append(drafts)


def _both(one: Wiped, other: Wiped) -> Wiped:
    emptied = one.log_emptied and other.log_emptied
    return Wiped(one.steps + other.steps, one.records + other.records, one.bytes + other.bytes, emptied)
