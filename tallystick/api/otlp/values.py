"""Attributes out of protobuf bytes: ``KeyValue`` and ``AnyValue`` of opentelemetry/proto/common/v1.

The general protobuf runtime spends most of an ingest request's time in Python attribute access (one object for
each key, value and ``oneof``). These few functions read the same wire format from slices of the message, which
halves the cost of a span. The common shapes (short key, text or a number) take a straight path; everything
else goes through the general reader below it, which accepts all that the format allows.

Malformed bytes raise ``Unreadable``: only the span they belong to is lost, and it is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any, Final

from tallystick.api.otlp.batch import MAX_DEPTH, Unreadable

# Most attributes of agents say what was said before (operation, provider, model, agent, settings). The tables are
# bounded and start anew when full; an entry's key is the whole serialised form, so a hit can never be wrong. They also
# make equal names one object, which every later look-up of it is faster for.
_NAMES: dict[bytes, str] = {}
_PAIRS: dict[bytes, tuple[str, Any]] = {}
_TEXTS: dict[bytes, str] = {}
_MOST: Final = 8_192
_SHORT: Final = 96  # bytes; longer ones are contents, which seldom come twice
_MUTABLE: Final = (list, dict)
_DOUBLE: Final = Struct("<d").unpack_from
_TEXT, _BOOL, _INT, _FLOAT, _ARRAY, _MAP, _BYTES = 0x0A, 0x10, 0x18, 0x21, 0x2A, 0x32, 0x3A


def read_attributes(raws: Iterable[bytes]) -> dict[str, Any]:
    """Serialised ``KeyValue`` messages as a dict; of a repeated key the last value stays.

    Values are str, bool, int, float, bytes, None, list or dict. Raises Unreadable.
    """
    found: dict[str, Any] = {}
    names, pairs = _NAMES, _PAIRS
    known = pairs.get
    value: Any
    for raw in raws:
        whole = len(raw)
        if whole < _SHORT and (pair := known(raw)) is not None:
            found[pair[0]] = pair[1]
            continue
        try:
            end = raw[1] + 2  # where the key ends, if its length fits one byte
            size, at = raw[end + 1], end + 2
            if size >= 0x80 and raw[at] < 0x80:
                size, at = size & 0x7F | raw[at] << 7, at + 1
            if end < 130 and raw[0] == 0x0A and raw[end] == 0x12 and at + size == whole:
                name = names.get(raw[2:end]) or _name(raw[2:end])
                tag, first = raw[at], raw[at + 1]
                if tag == _TEXT and first == size - 2 and size < 130:
                    value = str(raw[at + 2 :], "utf-8")
                elif tag == _TEXT and first >= 0x80 and first & 0x7F | raw[at + 2] << 7 == size - 3:
                    value = str(raw[at + 3 :], "utf-8")
                elif tag == _INT and size == 2 and first < 0x80:
                    found[name] = first  # read as quickly as looked up
                    continue
                elif tag == _INT and size == 3 and first >= 0x80 > raw[at + 2]:
                    found[name] = first & 0x7F | raw[at + 2] << 7
                    continue
                else:
                    value = _value(raw[at:], 0)
            else:
                name, value = _pair(raw)
        except (IndexError, UnicodeDecodeError):
            name, value = _careful(raw)
        found[name] = value
        if whole < _SHORT and value.__class__ not in _MUTABLE:
            if len(pairs) >= _MOST:
                pairs.clear()
            pairs[raw] = name, value
    return found


def _careful(raw: bytes) -> tuple[str, Any]:
    """Read again what the straight path stumbled over (an empty value is fine) and name the fault if there is one."""
    try:
        return _pair(raw)
    except IndexError:
        raise Unreadable("an attribute is cut off") from None
    except UnicodeDecodeError as error:
        raise Unreadable(f"an attribute is not UTF-8: {error.reason} at byte {error.start}") from None


def read_value(raw: bytes, what: str) -> Any:
    """A serialised ``AnyValue``; absent is None. Raises Unreadable, naming ``what`` it is."""
    try:
        return _value(raw, 0)
    except IndexError:
        raise Unreadable(f"{what} is cut off") from None
    except UnicodeDecodeError as error:
        raise Unreadable(f"{what} is not UTF-8: {error.reason} at byte {error.start}") from None


def read_text(raw: bytes) -> str:
    """A name that many spans share, as one object for all of them. Raises UnicodeDecodeError."""
    text = str(raw, "utf-8")
    if len(raw) < _SHORT:
        if len(_TEXTS) >= _MOST:
            _TEXTS.clear()
        _TEXTS[raw] = text
    return text


known_text: Final = _TEXTS.get


def _name(raw: bytes) -> str:
    name = str(raw, "utf-8")
    if len(raw) <= 128:
        if len(_NAMES) >= _MOST:
            _NAMES.clear()
        _NAMES[raw] = name
    return name


def varint(raw: bytes, at: int) -> tuple[int, int]:
    """An unsigned varint and the position after it. Raises IndexError when cut off, Unreadable over ten bytes."""
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise Unreadable("a number runs over ten bytes")


def _pair(raw: bytes, depth: int = 0) -> tuple[str, Any]:
    """One ``KeyValue`` with all that the format allows: any order, long lengths, unknown fields."""
    name, value = "", None
    at = 0
    while at < len(raw):
        tag, at = varint(raw, at)
        if tag == 0x0A:
            chunk, at = _chunk(raw, at)
            name = _name(chunk)
        elif tag == 0x12:
            chunk, at = _chunk(raw, at)
            value = _value(chunk, depth)
        else:
            at = skip(raw, at, tag)
    return name, value


def _value(raw: bytes, depth: int) -> Any:
    """One ``AnyValue``; the last of several members of its ``oneof`` stays, none of them is None."""
    if depth > MAX_DEPTH:
        raise Unreadable(f"an attribute is nested more than {MAX_DEPTH} deep")
    value: Any = None
    at = 0
    while at < len(raw):
        tag, at = varint(raw, at)
        if tag == _TEXT:
            chunk, at = _chunk(raw, at)
            value = str(chunk, "utf-8")
        elif tag == _BOOL:
            number, at = varint(raw, at)
            value = number != 0
        elif tag == _INT:
            number, at = varint(raw, at)
            value = number - 2**64 if number >= 2**63 else number
        elif tag == _FLOAT:
            if at + 8 > len(raw):
                raise IndexError
            value = _DOUBLE(raw, at)[0]
            at += 8
        elif tag == _BYTES:
            value, at = _chunk(raw, at)
        elif tag == _ARRAY:
            chunk, at = _chunk(raw, at)
            value = [_value(item, depth + 1) for item in _items(chunk)]
        elif tag == _MAP:
            chunk, at = _chunk(raw, at)
            value = dict(_pair(item, depth + 1) for item in _items(chunk))
        else:
            at = skip(raw, at, tag)
    return value


def _items(raw: bytes) -> Iterable[bytes]:
    """The members of field 1 of an ``ArrayValue`` or ``KeyValueList``."""
    at = 0
    while at < len(raw):
        tag, at = varint(raw, at)
        if tag == 0x0A:
            chunk, at = _chunk(raw, at)
            yield chunk
        else:
            at = skip(raw, at, tag)


def _chunk(raw: bytes, at: int) -> tuple[bytes, int]:
    size, at = varint(raw, at)
    end = at + size
    if end > len(raw):
        raise IndexError
    return raw[at:end], end


def skip(raw: bytes, at: int, tag: int) -> int:
    """The position after a field that nobody reads. Raises IndexError when cut off, Unreadable for a bad type."""
    wire = tag & 7
    if wire == 0:
        return varint(raw, at)[1]
    if wire == 1:
        at += 8
    elif wire == 2:
        size, at = varint(raw, at)
        at += size
    elif wire == 5:
        at += 4
    else:
        raise Unreadable(f"wire type {wire} is not part of this format")
    if at > len(raw):
        raise IndexError
    return at


def read_scope(raw: bytes) -> tuple[str, str]:
    """Name and version of a serialised ``InstrumentationScope``. Raises Unreadable."""
    texts = _texts(raw, {0x0A: 0, 0x12: 1}, "the scope")
    return texts[0], texts[1]


def read_status(raw: bytes) -> tuple[int, str]:
    """Code (0 unset, 1 ok, 2 error) and message of a serialised ``Status``. Raises Unreadable."""
    if not raw:
        return 0, ""
    if len(raw) == 2 and raw[0] == 0x18:
        return raw[1], ""
    code = 0
    try:
        at = 0
        while at < len(raw):
            tag, at = varint(raw, at)
            if tag == 0x18:
                code, at = varint(raw, at)
            else:
                at = skip(raw, at, tag)
    except IndexError:
        raise Unreadable("its status is cut off") from None
    return (code if code in (0, 1, 2) else 0), _texts(raw, {0x12: 0}, "its status")[0]


def _texts(raw: bytes, wanted: dict[int, int], what: str) -> list[str]:
    """The text fields of a small message, by tag; absent ones are empty."""
    texts = [""] * len(wanted)
    at = 0
    try:
        while at < len(raw):
            tag, at = varint(raw, at)
            if tag in wanted:
                chunk, at = _chunk(raw, at)
                texts[wanted[tag]] = str(chunk, "utf-8")
            else:
                at = skip(raw, at, tag)
    except IndexError:
        raise Unreadable(f"{what} is cut off") from None
    except UnicodeDecodeError as error:
        raise Unreadable(f"{what} is not UTF-8: {error.reason} at byte {error.start}") from None
    return texts
