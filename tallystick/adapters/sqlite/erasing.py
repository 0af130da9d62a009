"""Erasure in ``traces.db``: a run's contents and salts go, and the file does not hold them any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from tallystick.adapters.blanking import blank
from tallystick.adapters.naming import unknown_run
from tallystick.adapters.recording import HASH, SALT
from tallystick.adapters.sqlite import erased, rows
from tallystick.adapters.sqlite.blobs import forget
from tallystick.adapters.sqlite.frames import FrameReader, FrameWriter, Recent, compressor
from tallystick.adapters.sqlite.payloads import Packer, unpack, unpack_source
from tallystick.adapters.sqlite.records import logs_of, read_stretches
from tallystick.adapters.sqlite.runs import RunTable, pairs_in
from tallystick.adapters.sqlite.scrubbing import queue
from tallystick.adapters.sqlite.ties import untie
from tallystick.adapters.sqlite.tracking import frames_of, purge
from tallystick.model.commitment import commitment
from tallystick.model.errors import Conflict
from tallystick.model.span import Source, Span
from tallystick.model.step import Step
from tallystick.observe.summary import PART_TYPES
from tallystick.proof.records import content_bytes, source_digest

_NAMED = ("subject", "conversation")  # types of parts whose names name somebody
_NO_SALT = bytes(SALT)
_SLICE = 512

One = tuple[
    int, Step, Span, int, int, rows.Mark | None
]  # row, step, span, number of its source, shape, record


class RunEraser:
    """One run, inside one write transaction."""

    def __init__(self, connection: sqlite3.Connection, run: str, silent_after: int) -> None:
        self._connection = connection
        self._names, self._shapes = rows.Names(), rows.Shapes()
        self._table = RunTable(connection, self._names, self._shapes, silent_after)
        row = connection.execute(
            "SELECT no, id, archived FROM run WHERE id=?1 UNION ALL SELECT r.no, r.id, r.archived FROM alias a"
            " JOIN run r ON r.no = a.run WHERE a.id=?1 LIMIT 1", (run,)
        ).fetchone()  # fmt: skip
        if row is None:
            raise unknown_run(run)
        self._no, self._id = int(row[0]), str(row[1])
        if row[2]:
            raise Conflict(
                f"run {self._id} is in the archive",
                hint="tally store archive brings it back first",
                run=self._id,
            )
        self._sources: dict[int, tuple[Source, str]] = {}

    def erase(self) -> tuple[int, int]:
        """Blank the run; how many steps and records that were."""
        connection, no = self._connection, self._no
        erased.begin(connection)
        purge(connection, no)
        named = self._named()
        queue(connection, frames_of(connection, [no]))
        frames = FrameWriter(connection, compressor(), Recent())
        frames.run = no
        pack = Packer(frames.keep).pack
        changed: list[tuple[Any, ...]] = []
        marks: dict[rows.Mark, One] = {}
        kept: list[tuple[int, int, bytes]] = []
        salts = self._salts()
        for row, step, span, source, _, mark in self._steps():
            left, bare = blank(step, span)
            number = self._shapes.number(connection, rows.shape_of(left))
            trace = connection.execute("SELECT trace FROM step WHERE id=?", (row,)).fetchone()[0]
            values = rows.to_row(left, no, trace, source, frames.add(pack(left, bare)), number, mark)
            changed.append((*values, row))
            if mark is not None and mark in salts:
                marks[mark] = (row, step, span, source, number, mark)
                made = commitment(content_bytes(span, self._sources[source][1]), salts[mark])
                kept.append((*mark, bytes.fromhex(made)))
        frames.flush()
        frames.track()
        connection.executemany(rows.UPDATE, changed)
        connection.executemany("INSERT OR IGNORE INTO erased_record VALUES (?,?,?)", kept)
        gone = self._drop_salts({mark[:2] for mark in salts})
        self._count(named)
        return len(changed), gone

    def _steps(self) -> Iterator[One]:
        after, frames = -1, FrameReader()
        while True:
            found = self._connection.execute(
                f"{rows.READ} WHERE s.run=? AND s.id>? ORDER BY s.id LIMIT {_SLICE}", (self._no, after)
            ).fetchall()
            shapes = self._shapes.read(self._connection, {row[4] for row in found})
            read = [rows.read_row(row, self._id, shapes) for row in found]
            self._read_sources({source for _, source, _, _ in read})
            raw = frames.read(self._connection, [place for _, _, place, _ in read])
            bodies = {at: (raw[one[2]], one[0], self._sources[one[1]][0]) for at, one in enumerate(read)}
            spans = unpack(bodies, lambda places: frames.read(self._connection, places))
            for at, (row, (step, source, _, mark)) in enumerate(zip(found, read, strict=True)):
                yield row[0], step, spans[at], source, row[4], mark
            if len(found) < _SLICE:
                return
            after = found[-1][0]

    def _read_sources(self, numbers: set[int]) -> None:
        missing = sorted(numbers - self._sources.keys())
        for number, body in pairs_in(
            self._connection, "SELECT id, body FROM source WHERE id IN ({})", missing
        ):
            source = unpack_source(body)
            self._sources[number] = (source, source_digest(source))

    def _named(self) -> list[int]:
        kinds = [PART_TYPES.index(kind) for kind in _NAMED]
        sql = "SELECT DISTINCT name FROM part WHERE run=? AND type IN (?,?)"
        return [row[0] for row in self._connection.execute(sql, (self._no, *kinds))]

    # ── records ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _salts(self) -> dict[rows.Mark, bytes]:
        """Salts of the records of this run's steps, of those too that a fuller span took the place of."""
        connection = self._connection
        found = connection.execute("SELECT id, body FROM step WHERE run=?", (self._no,)).fetchall()
        marks = {mark for _, body in found if (mark := rows.mark_of(body)) is not None}
        marks |= {(row[0], row[1]) for row in pairs_in(
            connection, "SELECT log, n FROM replaced WHERE step IN ({})", [row[0] for row in found]
        )}  # fmt: skip
        salts: dict[rows.Mark, bytes] = {}
        for log in logs_of(connection, self._no, self._id, {mark[0] for mark in marks}):
            for first, _, raw in read_stretches(connection, log):
                for at in range(len(raw) // SALT):
                    salt = raw[at * SALT : (at + 1) * SALT]
                    if (log, first + at) in marks and salt != _NO_SALT:
                        salts[log, first + at] = salt
        return salts

    def _drop_salts(self, marks: set[rows.Mark]) -> int:
        by_log: dict[int, set[int]] = {}
        for log, n in marks:
            by_log.setdefault(log, set()).add(n)
        for log, numbers in by_log.items():
            for first, hashes, raw in list(read_stretches(self._connection, log)):
                here = [n - first for n in numbers if first <= n < first + len(hashes) // HASH]
                if here:
                    left = bytearray(raw)
                    for at in here:
                        left[at * SALT : (at + 1) * SALT] = _NO_SALT
                    self._connection.execute(
                        "UPDATE record SET salts=? WHERE log=? AND first=?", (bytes(left), log, first)
                    )
        return len(marks)

    # ── the run's row ───────────────────────────────────────────────────────────────────────────────────────────

    def _count(self, named: Sequence[int]) -> None:
        """The summary and the parts anew, from steps that name nobody; then names that nothing uses any more go."""
        row = self._table.by_number(self._no)
        assert row is not None
        row.recount = row.erased = True
        self._table.recount(row)
        self._table.save([row], [], at=row.tally.seen)
        connection = self._connection
        forget(connection, self._no)
        untie(connection, self._no)
        connection.execute(
            "UPDATE meta SET value=value+1 WHERE key='scrubs'"
        )  # writers forget names and places
        connection.execute(
            "DELETE FROM link WHERE run=? AND key >= 'conversation:' AND key < 'conversation;'", (self._no,)
        )
        connection.executemany(
            "DELETE FROM name WHERE id=?1 AND NOT EXISTS (SELECT 1 FROM part WHERE name=?1)",
            [(name,) for name in named],
        )
