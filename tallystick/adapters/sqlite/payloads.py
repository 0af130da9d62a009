"""Span bodies as bytes, with large values taken out and stored once.

A body is a msgpack array. A text or byte value over ``INLINE`` becomes a reference to its content; a JSON array (a list
of messages) becomes references to its items, so that a chat that sends its history with every call costs only what is
new; other long texts are cut into pieces for the same reason. What comes back is equal to what went in, byte for byte:
an array that its items do not reproduce exactly is stored whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from tallystick.model.errors import BadInput
from tallystick.model.span import Event, Link, Source, Span
from tallystick.model.step import Step

Place = tuple[int, int, int]  # frame, offset, length

INLINE = 256  # values up to this long stay in the body
_ITEM_INLINE = 48  # a reference to an item costs about as much
_BLOCK = 16  # items a block: a history of n messages costs n/16 references, and its blocks are stored once
_PIECE = 4096
_CUT_FROM = 2 * _PIECE

_TEXT, _BYTES, _ITEMS, _NUMBER, _ODD_TEXT, _PIECES = 1, 2, 3, 4, 5, 6
_SEPARATORS = (",", ", ")
_EMPTY: tuple[Any, ...] = ()
_PLAIN = frozenset({int, bool, float, type(None)})

_read_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_unpack = msgspec.msgpack.Decoder().decode
_read_place = msgspec.msgpack.Decoder(Place).decode


def _refuse(value: Any) -> Any:
    raise BadInput(
        f"an attribute cannot be a {type(value).__name__}", hint="use text, numbers, lists and mappings"
    )


_encode = msgspec.msgpack.Encoder(enc_hook=_refuse).encode


class Packer:
    """Packs spans. ``keep`` stores a value that is taken out and returns its place; without it all stays inline."""

    def __init__(self, keep: Callable[[bytes], Place] | None) -> None:
        self._keep = keep

    def pack(self, step: Step, span: Span) -> bytes:
        """One span as a body. Ids, names and times that the step row holds are not repeated."""
        same = (
            span.name == step.name and span.started == step.started and span.ended == step.ended
            and span.parent == step.parent
        )  # fmt: skip
        original = None if same else (span.name, span.started, span.ended, span.parent)
        try:
            if not span.events and not span.links:
                return _encode((
                    span.kind, span.status, span.status_message, self._shrink(span.attributes), _EMPTY, _EMPTY,
                    span.dropped, original,
                ))  # fmt: skip
            return self._body(span, original, self._shrink)
        except (
            OverflowError,
            UnicodeEncodeError,
        ):  # numbers or text that msgpack cannot hold: look at each value
            return self._body(span, original, self._spell_out)

    def _body(self, span: Span, original: Any, shrink: Callable[[Mapping[str, Any]], Any]) -> bytes:
        events: Any = _EMPTY
        links: Any = _EMPTY
        if span.events:
            events = [(event.name, event.at, shrink(event.attributes)) for event in span.events]
        if span.links:
            links = [(link.trace, link.span, shrink(link.attributes)) for link in span.links]
        message: Any = span.status_message
        if shrink == self._spell_out:
            message, original = self._value(message), self._value(original)
        return _encode(
            (span.kind, span.status, message, shrink(span.attributes), events, links, span.dropped, original)
        )

    def _shrink(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        small: dict[str, Any] | None = None
        for name, value in attributes.items():
            kind = type(value)
            if kind is str:
                if len(value) <= INLINE:
                    continue
                short = self._text(value)
            elif kind in _PLAIN:
                continue
            else:
                short = self._value(value)
            if small is None:
                small = dict(attributes)
            small[name] = short
        return attributes if small is None else small

    def _spell_out(self, attributes: Mapping[str, Any]) -> Any:
        return {self._key(name): self._value(value) for name, value in attributes.items()}

    def _key(self, name: Any) -> str:
        text = name if isinstance(name, str) else str(name)
        return text.encode("utf-8", "replace").decode()

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            try:
                return value if value.isascii() and len(value) <= INLINE else self._text(value)
            except UnicodeEncodeError:
                return Ext(_ODD_TEXT, value.encode("utf-8", "surrogatepass"))
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(bytes(value))
        if isinstance(value, dict):
            return {self._key(name): self._value(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(item) for item in value]
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            return (
                Ext(_NUMBER, str(value).encode())
                if value.bit_length() < 4096
                else str(value.bit_length()) + " bits"
            )
        return value

    def _text(self, value: str) -> Any:
        raw = value.encode()
        keep = self._keep
        if len(raw) <= INLINE or keep is None:
            return value
        if value[0] == "[" and value[-1] == "]":
            items = self._items(value, keep)
            if items is not None:
                return items
        if len(raw) > _CUT_FROM:
            pieces = [keep(raw[start : start + _PIECE]) for start in range(0, len(raw), _PIECE)]
            return Ext(_PIECES, _encode(pieces))
        return Ext(_TEXT, _encode(keep(raw)))

    def _bytes(self, raw: bytes) -> Any:
        if len(raw) <= INLINE or self._keep is None:
            return raw
        return Ext(_BYTES, _encode(self._keep(raw)))

    def _items(self, value: str, keep: Callable[[bytes], Place]) -> Ext | None:
        """A JSON array as references to its items; None where they would not give the same text again."""
        try:
            parts = [str(part, "utf-8") for part in _read_items(value)]
        except (msgspec.DecodeError, RecursionError):
            return None
        for separator, text in enumerate(_SEPARATORS):  # noqa: B007 - used below
            if "[" + text.join(parts) + "]" == value:
                break
        else:
            return None
        items: list[str | Place] = [
            keep(part.encode()) if len(part) > _ITEM_INLINE else part for part in parts
        ]
        whole = len(items) - len(items) % _BLOCK
        blocks = [keep(_encode(items[start : start + _BLOCK])) for start in range(0, whole, _BLOCK)]
        return Ext(_ITEMS, _encode((separator, blocks, items[whole:])))


Fetch = Callable[[set[Place]], Mapping[Place, bytes]]


def unpack(bodies: Mapping[int, tuple[bytes, Step, Source]], fetch: Fetch) -> dict[int, Span]:
    """Bodies back to spans. ``fetch`` returns the contents at places; it is called once or twice for all bodies."""
    wanted: set[Place] = set()
    blocks: set[Place] = set()
    collect = msgspec.msgpack.Decoder(ext_hook=lambda code, data: _collect(code, data, wanted, blocks))
    for body, _step, _source in bodies.values():
        collect.decode(body)
    contents = dict(fetch(wanted | blocks)) if wanted or blocks else {}
    inside = {_place(item) for place in blocks for item in _unpack(contents[place]) if isinstance(item, list)}
    inside -= contents.keys()
    if inside:
        contents.update(fetch(inside))
    decoder = msgspec.msgpack.Decoder(ext_hook=lambda code, data: _restore(code, data, contents))
    return {name: _span(decoder.decode(body), step, source) for name, (body, step, source) in bodies.items()}


def named(bodies: Iterable[bytes], fetch: Fetch) -> set[Place]:
    """All places that bodies name: their contents, blocks of items, and the items in those. ``fetch`` reads blocks."""
    wanted: set[Place] = set()
    blocks: set[Place] = set()
    collect = msgspec.msgpack.Decoder(ext_hook=lambda code, data: _collect(code, data, wanted, blocks))
    for body in bodies:
        collect.decode(body)
    contents = fetch(blocks) if blocks else {}
    inside = {_place(item) for place in blocks for item in _unpack(contents[place]) if isinstance(item, list)}
    return wanted | blocks | inside


def _place(values: list[int]) -> Place:
    return values[0], values[1], values[2]


def _collect(code: int, data: memoryview, wanted: set[Place], block_places: set[Place]) -> None:
    if code in (_TEXT, _BYTES):
        wanted.add(_read_place(data))
    elif code == _PIECES:
        wanted.update(_place(piece) for piece in _unpack(data))
    elif code == _ITEMS:
        _, blocks, tail = _unpack(data)
        block_places.update(_place(block) for block in blocks)
        wanted.update(_place(item) for item in tail if isinstance(item, list))


@dataclass(slots=True)
class Places:
    """Where the contents of a body lie: ``blocks`` name others, ``pieces`` are texts that were cut."""

    contents: set[Place] = field(default_factory=set)
    blocks: set[Place] = field(default_factory=set)
    pieces: list[list[Place]] = field(default_factory=list)


def places_in(body: bytes) -> Places:
    """The places that a body names."""
    found = Places()

    def collect(code: int, data: memoryview) -> None:
        _collect(code, data, found.contents, found.blocks)
        if code == _PIECES:
            found.pieces.append([_place(piece) for piece in _unpack(data)])

    msgspec.msgpack.Decoder(ext_hook=collect).decode(body)
    return found


def said_in(body: bytes) -> tuple[list[str | list[Place]], set[Place], Any]:
    """What a body names, in order: texts that lie in it, and places elsewhere, several of a text that was cut; which of
    these places are blocks of items; and what else is in the body."""
    parts: list[str | list[Place]] = []
    blocks: set[Place] = set()

    def look(code: int, data: memoryview) -> None:
        if code in (_TEXT, _BYTES):
            parts.append([_read_place(data)])
        elif code == _PIECES:
            parts.append([_place(piece) for piece in _unpack(data)])
        elif code == _ITEMS:
            _, whole, tail = _unpack(data)
            blocks.update(map(_place, whole))
            parts.extend([_place(block)] for block in whole)
            parts.extend([_place(item)] if isinstance(item, list) else item for item in tail)
        else:
            parts.append(bytes(data).decode("utf-8", "replace"))

    return parts, blocks, msgspec.msgpack.Decoder(ext_hook=look).decode(body)


def inside_block(raw: bytes) -> list[Place]:
    """The places of a block's items that lie elsewhere; none for what is no block."""
    try:
        items = _unpack(raw)
    except msgspec.DecodeError:
        return []
    if not isinstance(items, list) or len(items) != _BLOCK:
        return []
    return [_place(item) for item in items if isinstance(item, list) and len(item) == 3]


def _restore(code: int, data: memoryview, contents: Mapping[Place, bytes]) -> Any:
    if code == _TEXT:
        return contents[_read_place(data)].decode()
    if code == _BYTES:
        return contents[_read_place(data)]
    if code == _NUMBER:
        return int(bytes(data))
    if code == _ODD_TEXT:
        return bytes(data).decode("utf-8", "surrogatepass")
    if code == _PIECES:
        return b"".join(contents[_place(piece)] for piece in _unpack(data)).decode()
    separator, blocks, tail = _unpack(data)
    items: list[Any] = []
    for block in blocks:
        items.extend(_unpack(contents[_place(block)]))
    items.extend(tail)
    texts = [contents[_place(item)].decode() if isinstance(item, list) else item for item in items]
    return "[" + _SEPARATORS[separator].join(texts) + "]"


def _span(body: list[Any], step: Step, source: Source) -> Span:
    kind, status, message, attributes, events, links, dropped, original = body
    name, started, ended, parent = original or (step.name, step.started, step.ended, step.parent)
    return Span(
        step.trace, step.span, parent, name, started, ended, source, kind, status, message, attributes,
        tuple([Event(*event) for event in events]), tuple([Link(*link) for link in links]), dropped,
    )  # fmt: skip


def pack_source(source: Source) -> bytes:
    """A source as bytes that are equal for equal sources."""
    try:
        return _encode((source.resource, source.scope, source.scope_version, source.schema_url))
    except (OverflowError, UnicodeEncodeError):
        return _encode(
            Packer(None)._value((source.resource, source.scope, source.scope_version, source.schema_url))
        )


def unpack_source(body: bytes) -> Source:
    """The source that ``pack_source`` packed."""
    decoder = msgspec.msgpack.Decoder(ext_hook=lambda code, data: _restore(code, data, {}))
    return Source(*decoder.decode(body))
