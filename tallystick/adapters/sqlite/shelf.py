"""Steps of a run, wherever they are: in ``traces.db``, or in a segment of the archive. No reader sees a difference.

A run's steps are all in one of the two places. An archived step reads as a row of ``rows.READ`` whose place is
(-segment, position, -1); contents that its span names are at (-segment, position, length). A late span brings its run
back first (``bring_back``), inside its own write transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tallystick.adapters.archive_columns import columns_of
from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.frames import FrameReader
from tallystick.adapters.sqlite.payloads import Place, unpack, unpack_source
from tallystick.adapters.sqlite.rows import Shapes
from tallystick.adapters.sqlite.runs import pairs_in
from tallystick.model.errors import StoreFault
from tallystick.model.span import Source, Span
from tallystick.model.step import Step
from tallystick.ports.archive import Archive, ArchivedStep

Row = tuple[Any, ...]  # a row of rows.READ

_PLACE, _PARENT, _STARTED, _RESPONSE, _ERROR = 1, 2, 4, 8, 10  # places in a step's body
_WHERE = (
    "SELECT a.segment, s.name, a.first, a.steps FROM archived_run a"
    " JOIN segment s ON s.no = a.segment WHERE a.run=?"
)
_OWN = 4  # values of ``rest`` that stands for itself
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode


class Shelf:
    """Reads steps and contents from both places through an open transaction."""

    def __init__(self, archive: Archive | None) -> None:
        self.archive = archive
        self.frames = FrameReader()

    def place(self, connection: sqlite3.Connection, number: int) -> tuple[int, str, int, int] | None:
        """Where an archived run is: segment by number and name, first position, steps; None for one that is not."""
        found = connection.execute(_WHERE, (number,)).fetchone()
        return None if found is None else (found[0], found[1], found[2], found[3])

    def rows(
        self, connection: sqlite3.Connection, number: int, *, after: int = -1, limit: int | None = None,
        spans: Sequence[bytes] | None = None, raw: dict[Place, bytes] | None = None,
    ) -> list[Row]:  # fmt: skip
        """Rows of READ in order of arrival: all, or those numbered beyond ``after``, at most ``limit``, of some spans.

        ``raw`` takes the bodies of archived spans, which then need not be asked for.
        """
        where = self.place(connection, number)
        if where is None:
            if spans is not None:
                return pairs_in(
                    connection, f"{rows.READ} WHERE s.run=? AND s.span IN ({{}})", spans, (number,)
                )
            return connection.execute(
                f"{rows.READ} WHERE s.run=? AND s.id>? ORDER BY s.id LIMIT ?",
                (number, after, -1 if limit is None else limit),
            ).fetchall()
        segment, name, first, count = where
        found = self._archive(name).steps(
            name, first, count, after=after, limit=limit, bodies=raw is not None, spans=spans
        )
        if after < 0 and limit is None and spans is None and len(found) != count:
            raise StoreFault(
                f"segment {name} of the archive has {len(found)} of {count} steps of a run",
                hint="put the file of a backup in its place", segment=name,
            )  # fmt: skip
        if raw is not None:
            raw.update({(-segment, one.position, -1): one.body for one in found})
        return [from_archive(one, segment) for one in found]

    def row_before(self, connection: sqlite3.Connection, number: int, place: int) -> int:
        """The number of a run's row that stands before a place in order of arrival; -1 before the first."""
        if place <= 0:
            return -1
        where = self.place(connection, number)
        if where is None:
            sql = "SELECT id FROM step WHERE run=? ORDER BY id LIMIT 1 OFFSET ?"
            found = connection.execute(sql, (number, place - 1)).fetchone()
            return int(found[0]) if found is not None else 2**63 - 1
        _, name, first, count = where
        if place > count:
            return 2**63 - 1
        return self._archive(name).steps(name, first + place - 1, 1)[0].row

    def read(self, connection: sqlite3.Connection, places: Iterable[Place]) -> dict[Place, bytes]:
        """The bytes at places in frames and in segments. Raises StoreFault where one is missing or damaged."""
        hot: list[Place] = []
        cold: dict[int, list[Place]] = {}
        for place in places:
            if place[0] > 0:
                hot.append(place)
            else:
                cold.setdefault(-place[0], []).append(place)
        found = self.frames.read(connection, hot)
        for segment, some in cold.items():
            row = connection.execute("SELECT name FROM segment WHERE no=?", (segment,)).fetchone()
            name = "?" if row is None else row[0]
            contents = self._archive(name).contents(name, {place[1] for place in some})
            for place in some:
                raw = contents.get(place[1])
                if raw is None or len(raw) != place[2]:
                    raise StoreFault(
                        f"segment {name} of the archive lacks a content of its steps",
                        hint="put the file of a backup in its place", segment=name,
                    )  # fmt: skip
                found[place] = raw
        return found

    def pairs(
        self, connection: sqlite3.Connection, found: Sequence[Row], run: str, shapes: Shapes,
        raw: Mapping[Place, bytes] | None = None,
    ) -> list[tuple[Step, Span]]:  # fmt: skip
        """Rows as steps with their spans; ``raw`` are bodies that were read with them."""
        known = shapes.read(connection, {row[4] for row in found})
        read = [rows.read_row(row, run, known) for row in found]
        sources = self._sources(connection, {source for _, source, _, _ in read})
        bodies = dict(raw or {})
        bodies.update(self.read(connection, [place for _, _, place, _ in read if place not in bodies]))
        packed: dict[int, tuple[bytes, Step, Source]] = {
            index: (bodies[place], step, sources[source])
            for index, (step, source, place, _) in enumerate(read)
        }
        spans = unpack(packed, lambda places: self.read(connection, places))
        return [(read[index][0], span) for index, span in spans.items()]

    @staticmethod
    def _sources(connection: sqlite3.Connection, numbers: set[int]) -> dict[int, Source]:
        found = pairs_in(connection, "SELECT id, body FROM source WHERE id IN ({})", sorted(numbers))
        return {row[0]: unpack_source(row[1]) for row in found}

    def odd(self, connection: sqlite3.Connection, number: int, steps: Sequence[Step]) -> list[str]:
        """Span ids of an archived run's steps, in order of arrival, whose columns do not say what the steps are."""
        where = self.place(connection, number)
        if where is None:
            return []
        found = self._archive(where[1]).columns(*where[1:])
        return [
            step.span for place, step in enumerate(steps)
            if place >= len(found) or found[place] != columns_of(step)
        ]  # fmt: skip

    def _archive(self, segment: str) -> Archive:
        if self.archive is None:
            raise StoreFault(
                f"segment {segment} is in the archive, and this store was opened without it",
                hint="open the store by its folder",
            )
        return self.archive


def to_archive(segment: int, position: int, row: Row, step: Step, body: bytes) -> ArchivedStep:
    """A row of READ and its span's body (with places of the segment) on their way into the archive."""
    number, trace, span, same_as, shape, packed = row
    rest = _pack((trace, same_as, shape, placed(packed, (-segment, position, -1))))
    return ArchivedStep(position, number, span, columns_of(step), rest, body)


def from_archive(one: ArchivedStep, segment: int) -> Row:
    """An archived step as a row of READ."""
    values = _unpack(one.rest)
    if len(values) == _OWN:
        trace, same_as, shape, packed = values
        return one.row, trace, one.span, same_as, shape, packed
    return _from_columns(one, segment, *values)


def _from_columns(one: ArchivedStep, segment: int, shape: int, values: list[Any]) -> Row:
    """A step of a segment of the first form, whose columns say what is told in both."""
    columns = one.columns
    parent, same_as = columns["parent"], columns["same_as"]
    values[_PLACE] = (-segment, one.position, -1)
    values[_PARENT] = None if parent is None else bytes.fromhex(parent)
    values[_STARTED] = columns["started"]
    values[_RESPONSE], values[_ERROR] = columns["response"], columns["error"]
    return (
        one.row, bytes.fromhex(columns["trace"]), one.span, None if same_as is None else bytes.fromhex(same_as),
        shape, _pack(values),
    )  # fmt: skip


def placed(packed: bytes, place: Place) -> bytes:
    """The body of a step's row with another place for its span's body."""
    values = _unpack(packed)
    values[_PLACE] = place
    return _pack(values)
