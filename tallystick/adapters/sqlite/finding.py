"""Which steps of a run may hold a text: looked for in the bytes of rows and frames, before a step is read.

Bytes hold JSON and msgpack, so only a chain of ASCII letters and digits of the text is looked for: it stands there as
it is, whatever was escaped around it. Who asks reads the steps that are left.
"""

from __future__ import annotations

import re
import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from tallystick.adapters.sqlite.frames import FrameReader
from tallystick.adapters.sqlite.payloads import Place, Places, inside_block, places_in
from tallystick.adapters.sqlite.runs import pairs_in
from tallystick.adapters.sqlite.scanning import Sought

_CHAIN: Final = re.compile("[A-Za-z0-9]+")
_NUMBER: Final = re.compile("[0-9]+|e|inf|nan|true|false|null|none", re.IGNORECASE)
_FIRST: Final = 200  # steps looked at first: an answer is often full soon
_AT_ONCE: Final = 2_000
_ROWS = "SELECT id, shape, body FROM step WHERE run=? ORDER BY id LIMIT ? OFFSET ?"
_unpack = msgspec.msgpack.Decoder().decode
_SOURCE, _PLACE = 0, 1  # places in a row's body


def may_hold(
    connection: sqlite3.Connection,
    frames: FrameReader,
    run: int,
    text: str,
    after: int,
    most: int | None = None,
) -> Iterator[tuple[int, int]]:
    """The steps of a run that may hold a text, as (place in order of arrival, row): those of the ``most`` steps (None:
    of all) from place ``after`` on."""
    chains = _CHAIN.findall(text)
    looking = _Looking(connection, frames, max(chains, key=len).lower()) if chains else None
    found = connection.execute(_ROWS, (run, -1 if most is None else most, after)).fetchall()
    begin, size = 0, _FIRST
    while begin < len(found):
        some = found[begin : begin + size]
        hits = range(len(some)) if looking is None else looking.hits(some)
        yield from ((after + begin + place, some[place][0]) for place in hits)
        begin, size = begin + size, _AT_ONCE


def sought_in(text: str) -> Sought | None:
    """The same of steps that are looked at as texts (``scanning``); None where all of them may hold it."""
    chains = _CHAIN.findall(text)
    chain = max(chains, key=len).lower() if chains else None
    if chain is None or _NUMBER.fullmatch(chain) is not None:
        return None
    return Sought(lambda raw: chain in raw.lower() or "\\u" in raw, senders=True)  # JSON spells any letter so


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
        self._at: dict[int, list[int]] = {}  # where it stands in each frame that was looked through
        self._open: tuple[int, bytes] = (0, b"")
        self._inside: dict[Place, Sequence[Place]] = {}

    def hits(self, rows: Sequence[tuple[int, int, bytes]]) -> list[int]:
        """Places in ``rows`` of those that may hold it."""
        bodies = [_unpack(row[2]) for row in rows]
        places = [(body[_PLACE][0], body[_PLACE][1], body[_PLACE][2]) for body in bodies]
        shapes = self._shared("shape", {row[1] for row in rows})
        sources = self._shared("source", {body[_SOURCE] for body in bodies})
        found, rest = [], {}
        for index, (row, body, place) in enumerate(zip(rows, bodies, places, strict=True)):
            if shapes[row[1]] or sources[body[_SOURCE]] or self._stands(place) or self._raw in row[2].lower():
                found.append(index)
                continue
            raw = self._bytes(place)
            if self._numbers and self._in_numbers(_unpack(raw)):
                found.append(index)
            else:
                rest[index] = raw
        return sorted([*found, *self._in_contents(rest)])

    def _bytes(self, place: Place) -> bytes:
        frame, start, length = place
        if frame != self._open[0]:
            self._open = frame, self._frames.whole(self._connection, frame)
        return self._open[1][start : start + length]

    def _stands(self, place: Place) -> bool:
        """Whether it stands between these bytes of a frame; each frame is looked through once."""
        frame, start, length = place
        at = self._at.get(frame)
        if at is None:
            raw = self._frames.whole(self._connection, frame).lower()
            at = self._at[frame] = []
            step = raw.find(self._raw)
            while step >= 0:
                at.append(step)
                step = raw.find(self._raw, step + 1)
        if not at:
            return False
        first = bisect_left(at, start)
        return first < len(at) and at[first] + len(self._raw) <= start + length

    def _shared(self, table: str, numbers: Iterable[int]) -> Mapping[int, bool]:
        known = self._known[table]
        unknown = sorted(set(numbers) - known.keys())
        for number, body in pairs_in(
            self._connection, f"SELECT id, body FROM {table} WHERE id IN ({{}})", unknown
        ):
            known[number] = self._raw in body.lower() or (self._numbers and self._in_numbers(_unpack(body)))
        return known

    def _in_contents(self, bodies: Mapping[int, bytes]) -> list[int]:
        """Those of the steps whose contents, which lie elsewhere, hold it."""
        return [index for index, raw in bodies.items() if self._holds(places_in(raw))]

    def _holds(self, named: Places) -> bool:
        return (
            any(self._stands(place) for place in named.contents)
            or any(self._stands(place) for block in named.blocks for place in (block, *self._items(block)))
            or any(self._across(pieces) for pieces in named.pieces)
        )

    def _items(self, block: Place) -> Sequence[Place]:
        items = self._inside.get(block)
        if items is None:
            items = self._inside[block] = inside_block(self._frames.read(self._connection, [block])[block])
        return items

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
