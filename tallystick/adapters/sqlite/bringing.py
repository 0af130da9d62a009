"""Bringing archived runs back into ``traces.db``, inside a write transaction that needs their steps there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.frames import FrameWriter, Recent
from tallystick.adapters.sqlite.payloads import Packer, Place
from tallystick.adapters.sqlite.runs import pairs_in
from tallystick.adapters.sqlite.shelf import Shelf, placed
from tallystick.adapters.sqlite.tracking import leave_behind

_SLICE = 512
_INSERT = "INSERT INTO step (id, run, trace, span, flags, response, same_as, shape, body) VALUES (?,?,?,?,?,?,?,?,?)"


def any_archived(connection: sqlite3.Connection) -> bool:
    """Whether any run is in the archive: a writer asks nothing else of a store that has none."""
    return connection.execute("SELECT 1 FROM archived_run LIMIT 1").fetchone() is not None


def archived_of_traces(connection: sqlite3.Connection, traces: Iterable[tuple[int, int]]) -> list[int]:
    """The archived runs that have steps of traces, which are given by number with the run each leads to."""
    known = list(traces)
    strays = pairs_in(
        connection, "SELECT run FROM archived_trace WHERE trace IN ({})", [trace for trace, _ in known]
    )
    return archived_among(connection, {run for _, run in known} | {row[0] for row in strays})


def archived_among(connection: sqlite3.Connection, numbers: Iterable[int]) -> list[int]:
    """The archived ones among runs."""
    found = pairs_in(connection, "SELECT run FROM archived_run WHERE run IN ({})", sorted(numbers))
    return [row[0] for row in found]


def bring_back(
    connection: sqlite3.Connection,
    shelf: Shelf,
    number: int,
    compress: Callable[[bytes], bytes],
    recent: Recent,
) -> None:
    """Put an archived run's steps and contents back where they were; nothing else of the run changes.

    Its rows in the segment are left over; a segment that has no other runs goes with the next pass of the archiver.
    """
    name = connection.execute("SELECT id FROM run WHERE no=?", (number,)).fetchone()[0]
    shapes = rows.Shapes()
    frames = FrameWriter(connection, compress, recent)
    frames.run = number
    pack = Packer(frames.keep).pack
    after, more = -1, True
    while more:
        raw: dict[Place, bytes] = {}
        found = shelf.rows(connection, number, after=after, limit=_SLICE, raw=raw)
        pairs = shelf.pairs(connection, found, name, shapes, raw)
        traces = dict(
            pairs_in(connection, "SELECT id, no FROM trace WHERE id IN ({})", [row[1] for row in found])
        )
        made = []
        for row, (step, span) in zip(found, pairs, strict=True):
            body = placed(row[5], frames.add(pack(step, span)))
            made.append((
                row[0], number, traces[row[1]], row[2], rows.flags_of(step), rows.response_key(step.response_id),
                row[3], row[4], body,
            ))  # fmt: skip
        connection.executemany(_INSERT, made)
        more = len(found) == _SLICE
        after = found[-1][0] if found else after
    frames.flush()
    frames.track()
    leave_behind(connection, number)
    connection.execute("DELETE FROM archived_run WHERE run=?", (number,))
    connection.execute("DELETE FROM archived_trace WHERE run=?", (number,))
    connection.execute("UPDATE run SET archived=0 WHERE no=?", (number,))
