"""Span bodies as bytes, with large values taken out and stored once by their digest.

A body is a msgpack array. A text or byte value over ``INLINE`` becomes a reference to its content; a JSON array (a list
of messages) becomes references to its items, so that a chat that sends its history with every call costs only what is
new; other long texts are cut into pieces for the same reason. What comes back is equal to what went in, byte for byte:
an array that its items do not reproduce exactly is stored whole.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from tallystick.model.errors import BadInput
from tallystick.model.span import Event, Link, Source, Span
from tallystick.model.step import Step

INLINE = 256  # values up to this long stay in the body
_ITEM_INLINE = 48  # a reference to an item costs about as much
_BLOCK = 16  # items a block: a history of n messages costs n/16 references, and its blocks are stored once
_PIECE = 4096
_CUT_FROM = 2 * _PIECE

_TEXT, _BYTES, _ITEMS, _NUMBER, _ODD_TEXT, _PIECES = 1, 2, 3, 4, 5, 6
_SEPARATORS = (",", ", ")
_EMPTY: tuple[Any, ...] = ()

_halves = struct.Struct(">qq").unpack_from
_pack_key = struct.Struct(">q").pack
_read_key = struct.Struct(">q").unpack
_read_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_unpack = msgspec.msgpack.Decoder().decode


def _refuse(value: Any) -> Any:
    raise BadInput(
        f"an attribute cannot be a {type(value).__name__}", hint="use text, numbers, lists and mappings"
    )


_encode = msgspec.msgpack.Encoder(enc_hook=_refuse).encode


class Collision(Exception):
    """Two contents share 64 bits of their digests; the batch is packed again with the second one left inline."""

    def __init__(self, key: int) -> None:
        super().__init__(key)
        self.key = key


class Packer:
    """Packs the spans of one batch; ``contents`` holds key -> (mark, bytes) of all values that were taken out."""

    def __init__(self, avoid: Iterable[int] = ()) -> None:
        self.contents: dict[int, tuple[int, bytes]] = {}
        self._avoid = frozenset(avoid)

    def pack(self, step: Step, span: Span) -> bytes:
        """One span as a body. Ids, names and times that the step row holds are not repeated."""
        same = (
            span.name == step.name and span.started == step.started and span.ended == step.ended
            and span.parent == step.parent
        )  # fmt: skip
        original = None if same else (span.name, span.started, span.ended, span.parent)
        try:
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
            elif kind is int or kind is bool or kind is float or value is None:
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
            return self._content(_BYTES, bytes(value)) if len(value) > INLINE else bytes(value)
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
        if len(raw) <= INLINE:
            return value
        if value[0] == "[" and value[-1] == "]":
            items = self._items(value)
            if items is not None:
                return items
        if len(raw) > _CUT_FROM:
            pieces = [raw[start : start + _PIECE] for start in range(0, len(raw), _PIECE)]
            keys = [self._keep(piece) for piece in pieces]
            return Ext(
                _PIECES,
                _encode([piece if key is None else key for key, piece in zip(keys, pieces, strict=True)]),
            )
        return self._content(_TEXT, raw)

    def _content(self, code: int, raw: bytes) -> Any:
        key = self._keep(raw)
        if key is None:
            return raw if code == _BYTES else raw.decode()
        return Ext(code, _pack_key(key))

    def _keep(self, raw: bytes) -> int | None:
        """Take a content out; return its key, or None when it has to stay inline."""
        key, mark = _halves(sha256(raw).digest())
        if key in self._avoid or self.contents.setdefault(key, (mark, raw))[0] != mark:
            return None
        return int(key)

    def _items(self, value: str) -> Ext | None:
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
        items: list[Any] = []
        for part in parts:
            key = self._keep(part.encode()) if len(part) > _ITEM_INLINE else None
            items.append(part if key is None else key)
        whole = len(items) - len(items) % _BLOCK
        blocks: list[Any] = []
        for start in range(0, whole, _BLOCK):
            block = _encode(items[start : start + _BLOCK])
            key = self._keep(block)
            blocks.append(block if key is None else key)
        return Ext(_ITEMS, _encode((separator, blocks, items[whole:])))


Fetch = Callable[[set[int]], Mapping[int, bytes]]


def unpack(bodies: Mapping[str, tuple[bytes, Step, Source]], fetch: Fetch) -> dict[str, Span]:
    """Bodies back to spans. ``fetch`` returns the contents of keys; it is called once or twice for all bodies."""
    wanted: set[int] = set()
    block_keys: set[int] = set()
    collect = msgspec.msgpack.Decoder(ext_hook=lambda code, data: _collect(code, data, wanted, block_keys))
    for body, _step, _source in bodies.values():
        collect.decode(body)
    contents = dict(fetch(wanted | block_keys)) if wanted or block_keys else {}
    inside = {item for key in block_keys for item in _unpack(contents[key]) if isinstance(item, int)}
    inside -= contents.keys()
    if inside:
        contents.update(fetch(inside))
    decoder = msgspec.msgpack.Decoder(ext_hook=lambda code, data: _restore(code, data, contents))
    return {name: _span(decoder.decode(body), step, source) for name, (body, step, source) in bodies.items()}


def _collect(code: int, data: memoryview, wanted: set[int], block_keys: set[int]) -> None:
    if code in (_TEXT, _BYTES):
        wanted.add(_read_key(data)[0])
    elif code == _PIECES:
        wanted.update(piece for piece in _unpack(data) if isinstance(piece, int))
    elif code == _ITEMS:
        _, blocks, tail = _unpack(data)
        block_keys.update(block for block in blocks if isinstance(block, int))
        wanted.update(item for block in blocks if isinstance(block, bytes) for item in _unpack(block)
                      if isinstance(item, int))  # fmt: skip
        wanted.update(item for item in tail if isinstance(item, int))


def _restore(code: int, data: memoryview, contents: Mapping[int, bytes]) -> Any:
    if code == _TEXT:
        return contents[_read_key(data)[0]].decode()
    if code == _BYTES:
        return contents[_read_key(data)[0]]
    if code == _NUMBER:
        return int(bytes(data))
    if code == _ODD_TEXT:
        return bytes(data).decode("utf-8", "surrogatepass")
    if code == _PIECES:
        return b"".join(
            contents[piece] if isinstance(piece, int) else piece for piece in _unpack(data)
        ).decode()
    separator, blocks, tail = _unpack(data)
    items: list[Any] = []
    for block in blocks:
        items.extend(_unpack(contents[block] if isinstance(block, int) else block))
    items.extend(tail)
    texts = [contents[item].decode() if isinstance(item, int) else item for item in items]
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
            Packer()._value((source.resource, source.scope, source.scope_version, source.schema_url))
        )


def unpack_source(body: bytes) -> Source:
    """The source that ``pack_source`` packed."""
    decoder = msgspec.msgpack.Decoder(ext_hook=lambda code, data: _restore(code, data, {}))
    return Source(*decoder.decode(body))
