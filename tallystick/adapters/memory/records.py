"""The logs of records in memory (``ports.RecordLog``), for the trace store in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tallystick.adapters.recording import SALT, hash_of
from tallystick.model.commitment import commitment
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.ports import Record, Segment
from tallystick.proof.records import content_bytes, source_digest

Pair = tuple[str, str]
Mark = tuple[str, int]  # log, number


class MemoryLogs:
    """Every record that was made: per run id its hashes and salts, and which of them is a step's own."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._logs: dict[str, list[tuple[bytes, bytes]]] = {}
        self._erased: dict[Mark, bytes] = {}  # what records committed to whose salts were erased
        self._attested: dict[str, int] = {}
        self._live: dict[Pair, Mark] = {}
        self._owner: dict[Mark, Pair] = {}
        self._replaced: dict[Mark, Mark] = {}

    def made(self, batch: Iterable[tuple[Step, Span]]) -> list[tuple[bytes, bytes]]:
        """Leaf hash and salt of each span's record. Raises BadInput for what has no canonical JSON."""
        salts = [(step, span, self._random_bytes(SALT)) for step, span in batch]
        return [(hash_of(step, span, source_digest(span.source), salt), salt) for step, span, salt in salts]

    def add(self, run: str, pair: Pair, made: tuple[bytes, bytes]) -> None:
        """Add the record of a span that is being stored; it takes the place of the one its step had."""
        log = self._logs.setdefault(run, [])
        mark = (run, len(log))
        log.append(made)
        old = self._live.get(pair)
        if old is not None:
            self._replaced[old] = mark
        self._live[pair] = mark
        self._owner[mark] = pair

    def move(self, run: str, pair: Pair, step: Step, span: Span) -> None:
        """A step stands in another run now: it gets a record in the log of that, where its own is in another."""
        self._logs.setdefault(run, [])
        old = self._live.get(pair)
        if old is not None and old[0] != run:
            self.add(run, pair, self.made([(step, span)])[0])

    def mark_of(self, pair: Pair) -> Mark | None:
        """Which record is a step's own."""
        return self._live.get(pair)

    def unattested(self, limit: int) -> Sequence[Segment]:
        """Records that were not marked as attested, one segment a log, oldest logs first."""
        made: list[Segment] = []
        for run, log in self._logs.items():
            first = self._attested.get(run, 0)
            leaves = tuple(leaf for leaf, _ in log[first : first + limit])
            if leaves:
                made.append(Segment(run, first, leaves))
                limit -= len(leaves)
            if limit <= 0:
                break
        return made

    def attested(self, marks: Mapping[str, int]) -> None:
        """Mark the first ``n`` records of each log as attested, never fewer than before nor more than there are."""
        for run, count in marks.items():
            if run in self._logs:
                self._attested[run] = max(self._attested.get(run, 0), min(count, len(self._logs[run])))

    def logs(self, runs: Iterable[str] | None = None) -> Mapping[str, tuple[int, int]]:
        """How many records each log has, and how many of them were marked as attested."""
        names = self._logs if runs is None else [run for run in runs if run in self._logs]
        return {run: (len(self._logs[run]), self._attested.get(run, 0)) for run in names}

    def records(self, names: Iterable[str], pairs: Iterable[Pair]) -> Sequence[Record]:
        """All records of the logs named and of those that the steps given have records in, by log and number."""
        wanted = {*names, *(mark[0] for pair in pairs if (mark := self._live.get(pair)) is not None)}
        found: list[Record] = []
        for run in sorted(wanted & self._logs.keys()):
            for n, (leaf, salt) in enumerate(self._logs[run]):
                trace, span = self._owner[run, n]
                by = self._replaced.get((run, n))
                if by is None and (run, n) in self._erased:
                    found.append(Record(run, n, trace, span, leaf, None, self._erased[run, n]))
                elif by is None:
                    found.append(Record(run, n, trace, span, leaf, salt))
                else:
                    other = None if by[0] == run else by[0]
                    found.append(
                        Record(run, n, trace, span, leaf, None, replaced_by=by[1], replaced_in=other)
                    )
        return found

    def erase(self, pair: Pair, span: Span) -> int:
        """Drop the salts of all records of a step, whose span is given; how many there were."""
        dropped = 0
        for mark, owner in self._owner.items():
            leaf, salt = self._logs[mark[0]][mark[1]]
            if owner != pair or not salt.strip(b"\0"):
                continue
            if self._live.get(pair) == mark:
                content = content_bytes(span, source_digest(span.source))
                self._erased[mark] = bytes.fromhex(commitment(content, salt))
            self._logs[mark[0]][mark[1]] = (leaf, bytes(SALT))
            dropped += 1
        return dropped
