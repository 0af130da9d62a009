"""The logs of records: what the journal attests of the steps (``ports.RecordLog``), written with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tallystick.adapters.recording import HASH, SALT, hash_of
from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.runs import pairs_in
from tallystick.adapters.sqlite.shelf import Shelf
from tallystick.model.commitment import commitment
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.ports import Charge, Record, Segment
from tallystick.proof.records import content_bytes

_REPLACED = (
    "SELECT p.log, p.n, p.by_log, p.by_n, t.id, s.span, p.step FROM replaced p LEFT JOIN step s ON s.id = p.step"
    " LEFT JOIN trace t ON t.no = s.trace WHERE p.log IN ({})"
)


@dataclass(slots=True)
class _Open:
    """A log that this batch writes to; ``first`` is the number of its first new record."""

    no: int
    first: int
    new: bool = False
    hashes: list[bytes] = field(default_factory=list)
    salts: list[bytes] = field(default_factory=list)


class RecordWriter:
    """Makes the records of one batch inside its write transaction: for each span ``next``, then ``add``."""

    SALT: ClassVar[int] = SALT

    def __init__(self, connection: sqlite3.Connection, runs: Iterable[str], salts: bytes) -> None:
        """``runs`` are the ids of the batch's runs, ``salts`` random bytes, ``SALT`` for each span."""
        self._connection = connection
        self._salts = salts
        self._used = 0
        self._replaced: list[tuple[int, int, int, int, int]] = []
        self._erased: list[tuple[int, int, bytes]] = []
        self._logs: dict[str, _Open] = {}
        ids = list(runs)
        found = pairs_in(connection, "SELECT id, no, records FROM log WHERE id IN ({})", ids)
        for run, no, records in found:
            self._logs[run] = _Open(no, records)
        missing = [run for run in ids if run not in self._logs]
        if missing:
            last = connection.execute("SELECT ifnull(max(no), 0) FROM log").fetchone()[0]
            for no, run in enumerate(missing, last + 1):
                self._logs[run] = _Open(no, 0, new=True)
        self._at: _Open | None = None

    def next(self, run: str) -> rows.Mark:
        """The place of the next span's record in the log of its run."""
        self._at = log = self._logs[run]
        return log.no, log.first + len(log.hashes)

    def add(self, step: Step, span: Span, source: str, *, erased: bool = False) -> None:
        """Make the record whose place was asked for; ``source`` is the digest of the span's source.

        One that came for an ``erased`` run keeps no salt, as those that were there when it was erased.
        """
        assert self._at is not None
        used = self._used
        salt = self._salts[used : used + SALT]
        self._used = used + SALT
        self._at.hashes.append(hash_of(step, span, source, salt))
        if erased:
            place = self._at.first + len(self._at.salts)
            made = commitment(content_bytes(span, source), salt)
            self._erased.append((self._at.no, place, bytes.fromhex(made)))
            salt = bytes(SALT)
        self._at.salts.append(salt)

    def replace(self, old: rows.Mark | None, new: rows.Mark, step: int) -> None:
        """Note that a record took the place of an older one of the same step (row number), if that had one."""
        if old is not None:
            self._replaced.append((*old, *new, step))

    def flush(self) -> None:
        """Write what was added."""
        begun = [(log.no, run, len(log.hashes)) for run, log in self._logs.items() if log.new]
        grown = [
            (log.first + len(log.hashes), log.no) for log in self._logs.values() if log.hashes and not log.new
        ]
        self._connection.executemany("INSERT INTO log (no, id, records, attested) VALUES (?,?,?,0)", begun)
        self._connection.executemany("UPDATE log SET records=? WHERE no=?", grown)
        self._connection.executemany(
            "INSERT INTO record (log, first, hashes, salts) VALUES (?,?,?,?)",
            [
                (log.no, log.first, b"".join(log.hashes), b"".join(log.salts))
                for log in self._logs.values()
                if log.hashes
            ],
        )
        self._connection.executemany("INSERT INTO erased_record VALUES (?,?,?)", self._erased)
        if self._replaced:
            self._connection.executemany("INSERT INTO replaced VALUES (?,?,?,?,?)", self._replaced)


# ── what the journal has not attested yet ───────────────────────────────────────────────────────────────────────


def read_unattested(connection: sqlite3.Connection, limit: int) -> list[Segment]:
    """Records that were not marked as attested, one segment a log, oldest logs first; at most ``limit`` records."""
    made: list[Segment] = []
    left = limit
    for no, run, records, attested in connection.execute(
        "SELECT no, id, records, attested FROM log WHERE attested < records ORDER BY no"
    ):
        leaves: list[bytes] = []
        for first, hashes, _ in read_stretches(connection, no, attested, min(records, attested + left)):
            leaves += _cut(hashes, HASH)[max(0, attested - first) :]
        leaves = leaves[:left]
        if leaves:
            made.append(Segment(run, attested, tuple(leaves)))
        left -= len(leaves)
        if left <= 0:
            break
    return made


def read_stretches(
    connection: sqlite3.Connection, log: int, start: int = 0, end: int = 2**62
) -> Iterator[tuple[int, bytes, bytes]]:
    """Stored stretches of a log (first number, hashes, salts) that hold records from ``start`` up to ``end``."""
    yield from connection.execute(
        "SELECT first, hashes, salts FROM record WHERE log=?1 AND first < ?3 AND first >="
        " ifnull((SELECT max(first) FROM record WHERE log=?1 AND first <= ?2), 0) ORDER BY first",
        (log, start, end),
    )


def _cut(raw: bytes, size: int) -> list[bytes]:
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def mark_attested(connection: sqlite3.Connection, marks: Mapping[str, int]) -> None:
    """Mark the first ``n`` records of each log as attested, never fewer than before nor more than there are."""
    connection.executemany(
        "UPDATE log SET attested=max(attested, min(records, ?)) WHERE id=?",
        [(count, run) for run, count in marks.items()],
    )


# ── a run's records ─────────────────────────────────────────────────────────────────────────────────────────────


def read_records(connection: sqlite3.Connection, number: int, run: str, shelf: Shelf) -> list[Record]:
    """All records of a run (row number and id) and of the runs that were merged into it, by log and number."""
    live, steps = _live(connection, number, shelf)
    names = logs_of(connection, number, run, {mark[0] for mark in live})
    counts = dict(pairs_in(connection, "SELECT no, records FROM log WHERE no IN ({})", list(names)))
    replaced = pairs_in(connection, _REPLACED, list(names))
    if any(row[4] is None and row[6] not in steps for row in replaced):
        steps |= _archived_elsewhere(connection, {row[2] for row in replaced}, shelf)
    taken = {
        (row[0], row[1]): (row[2], row[3], *steps.get(row[6], ((row[4] or b"").hex(), (row[5] or b"").hex())))
        for row in replaced
    }
    if sum(counts.values()) > len(taken) + len(live):  # a run began anew under the id of a merged one
        for name in names.values():
            live |= _live_elsewhere(connection, name, shelf)
    others = {by[0] for by in taken.values()} - names.keys()
    everywhere = names | dict(pairs_in(connection, "SELECT no, id FROM log WHERE no IN ({})", list(others)))
    deleted = dict(
        pairs_in(connection, "SELECT log, records FROM deleted_log WHERE log IN ({})", list(names))
    )
    sql = "SELECT log, n, commitment FROM erased_record WHERE log IN ({})"
    erased = {(row[0], row[1]): row[2] for row in pairs_in(connection, sql, list(names))}
    found: list[Record] = []
    for log, name in sorted(names.items(), key=lambda one: one[1]):
        for first, hashes, salts in read_stretches(connection, log):
            for index, (leaf, salt) in enumerate(zip(_cut(hashes, HASH), _cut(salts, SALT), strict=True)):
                n = first + index
                by = taken.get((log, n))
                if n < deleted.get(log, 0):  # of a run that was deleted before this one began under its id
                    found.append(Record(name, n, "", "", leaf, None))
                elif by is None and (log, n) in erased:
                    pair = live.get((log, n), ("", ""))
                    found.append(Record(name, n, *pair, leaf, None, erased[log, n]))
                elif by is None:
                    found.append(Record(name, n, *live.get((log, n), ("", "")), leaf, salt))
                else:
                    other = None if by[0] == log else everywhere.get(by[0])
                    found.append(
                        Record(name, n, by[2], by[3], leaf, None, replaced_by=by[1], replaced_in=other)
                    )
    return found


Pair = tuple[str, str]  # trace id, span id


def _live(
    connection: sqlite3.Connection, number: int, shelf: Shelf
) -> tuple[dict[rows.Mark, Pair], dict[int, Pair]]:
    """The steps of a run, by their own records and by row number."""
    live: dict[rows.Mark, Pair] = {}
    steps: dict[int, Pair] = {}
    for row, trace, span, _, _, body in shelf.rows(connection, number):
        steps[row] = (trace.hex(), span.hex())
        mark = rows.mark_of(body)
        if mark is not None:
            live[mark] = steps[row]
    return live, steps


def _live_elsewhere(connection: sqlite3.Connection, run: str, shelf: Shelf) -> dict[rows.Mark, Pair]:
    """Live records of the runs that steps of a log may stand in: its run, or the one that its run or trace led to."""
    numbers = _numbers_of(connection, run)
    return {mark: pair for number in numbers for mark, pair in _live(connection, number, shelf)[0].items()}


def _archived_elsewhere(connection: sqlite3.Connection, logs: Iterable[int], shelf: Shelf) -> dict[int, Pair]:
    """Steps by row number of the archived runs that steps of some logs (numbers) may stand in."""
    names = pairs_in(connection, "SELECT id FROM log WHERE no IN ({})", sorted(logs))
    numbers = {number for (name,) in names for number in _numbers_of(connection, name)}
    return {
        row: pair
        for number in sorted(numbers)
        if shelf.place(connection, number) is not None
        for row, pair in _live(connection, number, shelf)[1].items()
    }


def _numbers_of(connection: sqlite3.Connection, run: str) -> list[int]:
    trace = bytes.fromhex(run) if len(run) == 32 and not run.strip("0123456789abcdef") else b""
    return [row[0] for row in connection.execute(
        "SELECT no FROM run WHERE id=?1 UNION SELECT run FROM alias WHERE id=?1"
        " UNION SELECT run FROM trace WHERE id=?2",
        (run, trace),
    )]  # fmt: skip


def logs_of(connection: sqlite3.Connection, number: int, run: str, used: Iterable[int]) -> dict[int, str]:
    """The logs of a run by number: its own, those of runs merged into it, and those that its steps name."""
    names = {row[0]: row[1] for row in connection.execute(
        "SELECT no, id FROM log WHERE id=? OR id IN (SELECT id FROM alias WHERE run=?)", (run, number)
    )}  # fmt: skip
    more = sorted(set(used) - names.keys())
    return names | dict(pairs_in(connection, "SELECT no, id FROM log WHERE no IN ({})", more))


def read_charges(
    connection: sqlite3.Connection, number: int, run: str, shapes: rows.Shapes, shelf: Shelf
) -> tuple[int, tuple[Charge, ...]]:
    """How many records a run (row number and id) has, and what its counted steps cost, in the order of the records."""
    found = shelf.rows(connection, number)
    known = shapes.read(connection, {row[4] for row in found})
    read = [(row, *rows.charge_of(row[5])) for row in found]
    names = logs_of(connection, number, run, {mark[0] for _, _, mark in read if mark is not None})
    charges: list[tuple[tuple[Any, ...], Charge]] = []
    for row, nano, mark in read:
        gap = known[row[4]][rows.COST_GAP]
        if row[3] is None and (nano is not None or gap is not None):
            order = (1, "", row[0]) if mark is None else (0, names.get(mark[0], ""), mark[1])
            charges.append((order, Charge(row[1].hex(), row[2].hex(), nano, gap)))
    counts = pairs_in(connection, "SELECT no, records FROM log WHERE no IN ({})", list(names))
    charges.sort(key=lambda one: one[0])
    return sum(dict(counts).values()), tuple(charge for _, charge in charges)
