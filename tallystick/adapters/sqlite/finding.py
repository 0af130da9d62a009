"""Which steps of a run may hold a text: looked for in the bytes of rows and frames, before a step is read.

Bytes hold JSON and msgpack, so only a chain of ASCII letters and digits of the text is looked for: it stands there as
it is, whatever was escaped around it. Who asks reads the steps that are left.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from tallystick.adapters.sqlite.frames import FrameReader
from tallystick.adapters.sqlite.payloads import Place, inside_block, places_in
from tallystick.adapters.sqlite.runs import pairs_in

_CHAIN: Final = re.compile("[A-Za-z0-9]+")
_NUMBER: Final = re.compile("[0-9]+|e|inf|nan|true|false|null|none", re.IGNORECASE)
_AT_ONCE: Final = 2_000  # steps looked at at a time
_ROWS = "SELECT id, shape, body FROM step WHERE run=? ORDER BY id"
_unpack = msgspec.msgpack.Decoder().decode
_SOURCE, _PLACE = 0, 1  # places in a row's body


def may_hold(
    connection: sqlite3.Connection, frames: FrameReader, run: int, text: str
) -> Sequence[tuple[int, int]]:
    """The steps of a run that may hold a text, as (place in order of arrival, row)."""
    found = connection.execute(_ROWS, (run,)).fetchall()
    chains = _CHAIN.findall(text)
    if not chains:
        return [(place, row[0]) for place, row in enumerate(found)]
    chain = max(chains, key=len).lower()
    looking = _Looking(connection, frames, chain)
    hits: list[tuple[int, int]] = []
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        hits += [(start + place, some[place][0]) for place in looking.hits(some)]
    return hits


class _Looking:
    def __init__(self, connection: sqlite3.Connection, frames: FrameReader, chain: str) -> None:
        self._connection = connection
        self._frames = frames
        self._raw = chain.encode()
        self._chain = chain
        self._numbers = (
            _NUMBER.fullmatch(chain) is not None
        )  # msgpack holds those in another way than text does
        self._known: dict[str, dict[int, bool]] = {"shape": {}, "source": {}}
        self._held: dict[Place, bool] = {}
        self._inside: dict[Place, Sequence[Place]] = {}

    def hits(self, rows: Sequence[tuple[int, int, bytes]]) -> list[int]:
        """Places in ``rows`` of those that may hold it."""
        bodies = [_unpack(row[2]) for row in rows]
        places = [(body[_PLACE][0], body[_PLACE][1], body[_PLACE][2]) for body in bodies]
        shapes = self._shared("shape", {row[1] for row in rows})
        sources = self._shared("source", {body[_SOURCE] for body in bodies})
        held = self._frames.read(self._connection, places)
        found = []
        for index, (row, body, place) in enumerate(zip(rows, bodies, places, strict=True)):
            raw = held[place]
            if (
                shapes[row[1]] or sources[body[_SOURCE]] or self._raw in raw.lower() or self._raw in row[2].lower()
                or (self._numbers and self._in_numbers(_unpack(raw)))
            ):  # fmt: skip
                found.append(index)
        rest = sorted(set(range(len(rows))).difference(found))
        return sorted([*found, *self._in_contents(rest, {index: held[places[index]] for index in rest})])

    def _shared(self, table: str, numbers: Iterable[int]) -> Mapping[int, bool]:
        known = self._known[table]
        unknown = sorted(set(numbers) - known.keys())
        for number, body in pairs_in(
            self._connection, f"SELECT id, body FROM {table} WHERE id IN ({{}})", unknown
        ):
            known[number] = self._raw in body.lower() or (self._numbers and self._in_numbers(_unpack(body)))
        return known

    def _in_contents(self, indexes: Sequence[int], bodies: Mapping[int, bytes]) -> list[int]:
        """Those of the steps whose contents, which lie elsewhere, hold it."""
        named = {index: places_in(bodies[index]) for index in indexes}
        self._look({place for one in named.values() for place in (*one.contents, *one.blocks)})
        self._look({place for one in named.values() for block in one.blocks for place in self._inside[block]})
        return [
            index for index, one in named.items()
            if any(self._held[place] for place in (*one.contents, *one.blocks))
            or any(self._held[place] for block in one.blocks for place in self._inside[block])
            or any(self._across(pieces) for pieces in one.pieces)
        ]  # fmt: skip

    def _look(self, places: set[Place]) -> None:
        """Learn of contents whether they hold it, and which others a block of them names."""
        unknown = places - self._held.keys()
        for place, raw in self._frames.read(self._connection, unknown).items():
            self._held[place] = self._raw in raw.lower()
            self._inside[place] = inside_block(raw)

    def _across(self, pieces: Sequence[Place]) -> bool:
        """Whether it stands where a long text was cut."""
        raw = self._frames.read(self._connection, pieces)
        return self._raw in b"".join([raw[place] for place in pieces]).lower()

    def _in_numbers(self, value: Any) -> bool:
        if isinstance(value, dict):
            return any(self._in_numbers(one) for one in value.values())
        if isinstance(value, list | tuple):
            return any(self._in_numbers(one) for one in value)
        if value is None or isinstance(value, bool | int | float):
            return self._chain in ("null" if value is None else repr(value).lower())
        return False
