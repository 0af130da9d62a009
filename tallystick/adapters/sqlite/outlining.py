"""A run's outline straight from its rows: bodies are decoded all at once and no step is made."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec

from tallystick.adapters.sqlite.rows import Shape, Shapes
from tallystick.adapters.sqlite.shelf import Shelf
from tallystick.observe.outline import Look, Outline, in_order

# Rows of the index step_run come in the order of arrival: no sorting, no join.
_READ = "SELECT span, same_as, shape, body FROM step WHERE run=? ORDER BY id"
_KIND, _STATUS, _NAME, _AGENT, _MODEL, _GAP, _TOOL, _DECISION, _DERIVED = 0, 1, 2, 5, 8, 9, 10, 11, 15


class Body(msgspec.Struct, array_like=True, gc=False):
    """The first values of a step's body (rows.to_row); those behind are skipped."""

    source: int
    place: tuple[int, int, int]
    parent: bytes | None
    seq: int | None
    started: int
    duration: int | None
    counts: tuple[int | None, ...] | None
    cost: int | None


_decode = msgspec.msgpack.Decoder(list[Body]).decode


def read_outline(connection: sqlite3.Connection, run: int, shapes: Shapes, shelf: Shelf) -> Outline:
    """The outline of the run with this number, wherever its steps are. Raises what a damaged row raises
    (checking.UNREADABLE)."""
    found = connection.execute(_READ, (run,)).fetchall()
    if not found:  # they are in the archive, and a row of it has two columns more in front
        found = [row[2:] for row in shelf.rows(connection, run)]
    bodies = bodies_of(list(map(itemgetter(3), found)))
    order = in_order([body.started for body in bodies], [body.seq for body in bodies])
    if order is not None:
        found, bodies = [found[place] for place in order], [bodies[place] for place in order]
    numbers = list(dict.fromkeys(map(itemgetter(2), found)))
    known = shapes.read(connection, numbers)
    place_of = {number: place for place, number in enumerate(numbers)}
    return Outline(
        spans=list(map(itemgetter(0), found)),
        parents=[body.parent for body in bodies],
        started=[body.started for body in bodies],
        durations=[body.duration if body.started else None for body in bodies],
        costs=[body.cost for body in bodies],
        tokens=[_tokens(body.counts) for body in bodies],
        same_as=list(map(itemgetter(1), found)),
        look=[place_of[row[2]] for row in found],
        looks=[_look(known[number]) for number in numbers],
    )


def bodies_of(packed: Sequence[bytes]) -> list[Body]:
    """The beginnings of many bodies, decoded all at once."""
    return _decode(b"\xdd" + struct.pack(">I", len(packed)) + b"".join(packed))


def _tokens(counts: Sequence[int | None] | None) -> int | None:
    if counts is None or counts[0] is None or counts[1] is None:
        return None
    return counts[0] + counts[1]


def _look(shape: Shape) -> Look:
    values: Any = shape
    return Look(
        values[_KIND], values[_STATUS], values[_NAME], values[_AGENT], values[_DECISION], values[_GAP],
        values[_DERIVED], values[_TOOL], values[_MODEL],
    )  # fmt: skip
