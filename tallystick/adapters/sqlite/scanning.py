"""Which steps may say a text, by what lies in their rows and contents, before a step or a span is made of them.

All texts of a step stand in its row, its shape, its span's body and the contents that this names. They are looked at as
they are stored: joined to one text, in order, with what was cut put together. Who asks reads the steps that are left.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tallystick.adapters.sqlite.payloads import Place, said_in
from tallystick.adapters.sqlite.rows import Shapes
from tallystick.adapters.sqlite.runs import pairs_in
from tallystick.adapters.sqlite.shelf import Row, Shelf
from tallystick.model.span import Span
from tallystick.model.step import Step

_SLICE: Final = 256  # steps looked at at a time
_SOURCE, _PLACE, _ERROR = 0, 1, 10  # places in a row's body
_unpack = msgspec.msgpack.Decoder().decode


@dataclass(slots=True)
class Sought:
    """What is looked for: ``may`` says of a text whether it may be there. ``senders``: what they say counts as well."""

    may: Callable[[str], bool]
    senders: bool = False
    _shapes: dict[int, bool] = field(default_factory=dict)
    _sources: dict[int, bool] = field(default_factory=dict)

    def in_shapes(self, connection: sqlite3.Connection, shapes: Shapes, numbers: Iterable[int]) -> set[int]:
        """Those of some shapes that may say it."""
        wanted = set(numbers)
        unknown = [number for number in wanted if number not in self._shapes]
        if unknown:
            known = shapes.read(connection, unknown)
            for number in unknown:
                self._shapes[number] = self.may("\n".join(_texts(known[number])))
        return {number for number in wanted if self._shapes[number]}

    def in_sources(self, connection: sqlite3.Connection, numbers: Iterable[int]) -> set[int]:
        """Those of some sources that may say it."""
        if not self.senders:
            return set()
        wanted = set(numbers)
        unknown = sorted(wanted - self._sources.keys())
        for number, body in pairs_in(connection, "SELECT id, body FROM source WHERE id IN ({})", unknown):
            self._sources[number] = self.may("\n".join(_texts(_unpack(body))))
        return {number for number in wanted if self._sources.get(number, True)}


class Scanner:
    """Looks through the runs of a store, wherever their steps are."""

    def __init__(self, connection: sqlite3.Connection, shelf: Shelf, shapes: Shapes) -> None:
        self._connection = connection
        self._shelf = shelf
        self._shapes = shapes

    def steps(
        self, number: int, run: str, sought: Sought | None, *, after: int = 0, most: int | None = None
    ) -> Iterator[tuple[int, Step, Span]]:
        """The steps of a run that may say what is sought (None: all), with their place in order of arrival: those of
        the ``most`` steps (None: of all) from place ``after`` on."""
        last, place, more = self._shelf.row_before(self._connection, number, after), after, True
        while more:
            raw: dict[Place, bytes] = {}
            size = _SLICE if most is None else min(_SLICE, after + most - place)
            found = self._shelf.rows(self._connection, number, after=last, limit=size, raw=raw)
            more = len(found) == _SLICE
            last = found[-1][0] if found else last
            hits = 0
            for places in self._hits(found, raw, sought):
                hits += len(places)
                some = [found[at] for at in places]
                pairs = self._shelf.pairs(self._connection, some, run, self._shapes, raw)
                for at, pair in zip(places, pairs, strict=True):
                    yield place + at, *pair
            place += len(found)
            if 2 * hits > _SLICE:
                sought = None  # most steps may say it: to look first costs more than to read them all

    def _hits(
        self, found: Sequence[Row], raw: dict[Place, bytes], sought: Sought | None
    ) -> Iterator[Sequence[int]]:
        """Places in ``found`` of the rows that may say it: first few at a time, then more."""
        if sought is None or not found:
            yield range(len(found))
            return
        bodies = [_unpack(row[5]) for row in found]
        shapes = sought.in_shapes(self._connection, self._shapes, [row[4] for row in found])
        sources = sought.in_sources(self._connection, [body[_SOURCE] for body in bodies])
        at: list[Place] = [tuple(body[_PLACE]) for body in bodies]
        if unread := [place for place in at if place not in raw]:
            raw.update(self._shelf.read(self._connection, unread))
        texts = [_Said(raw[place]) for place in at]
        contents = self._contents(texts)
        hits: list[int] = []
        most = 1
        for index, (body, said) in enumerate(zip(bodies, texts, strict=True)):
            known = found[index][4] in shapes or body[_SOURCE] in sources
            if known or sought.may("\n".join([body[_ERROR] or "", *said.texts(contents)])):
                hits.append(index)
                if len(hits) == most:
                    yield hits
                    hits, most = [], 2 * most
        if hits:
            yield hits

    def _contents(self, texts: Sequence[_Said]) -> Mapping[Place, bytes]:
        """What lies elsewhere of some steps; the items in blocks of lists included."""
        blocks = {place for said in texts for place in said.blocks}
        wanted = {place for said in texts for part in said.parts if type(part) is list for place in part}
        contents = dict(self._shelf.read(self._connection, wanted))
        inside = {
            (item[0], item[1], item[2])
            for place in blocks for item in _unpack(contents[place]) if isinstance(item, list)
        }  # fmt: skip
        contents.update(self._shelf.read(self._connection, inside - contents.keys()))
        return contents


class _Said:
    """The texts of one span's body, in it and elsewhere."""

    __slots__ = ("_value", "blocks", "parts")

    def __init__(self, body: bytes) -> None:
        self.parts, self.blocks, self._value = said_in(body)

    def texts(self, contents: Mapping[Place, bytes]) -> list[str]:
        """All of them; those of a list in its order."""
        _, _, message, attributes, events, links, _, original = self._value
        found = [value for value in attributes.values() if type(value) is str]
        if len(found) != len(attributes):
            found += _texts([value for value in attributes.values() if type(value) in (dict, list)])
        if message or events or links or original:
            found += _texts((message, events, links, original))
        for part in self.parts:
            if isinstance(part, str):
                found.append(part)
            elif part and part[0] in self.blocks:
                for item in _unpack(contents[part[0]]):
                    found.append(
                        item if isinstance(item, str) else _text(contents[item[0], item[1], item[2]])
                    )
            elif len(part) == 1:
                found.append(_text(contents[part[0]]))
            else:
                found.append(_text(b"".join([contents[place] for place in part])))
        return found


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _texts(value: Any) -> list[str]:
    """All texts in a value, keys included."""
    found: list[str] = []
    left = [value]
    while left:
        one = left.pop()
        kind = type(one)
        if kind is str:
            found.append(one)
        elif kind is dict:
            left += one
            left += one.values()
        elif kind is list or kind is tuple:
            left += one
    return found
