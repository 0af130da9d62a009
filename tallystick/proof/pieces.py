"""How a record's content is cut into pieces, so that what many records have in common is written once.

An agent's chat grows by a message a turn, and every model call carries all of it. Long texts are cut out of the
content; a long text that is a JSON array is cut at its items, in groups of 8, 64, 512 … that begin at the front, so
that a chat that only grows is made of groups that were written before, and a file of n turns has O(n log n) pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from tallystick.model.canonical import canonical_json, digest_bytes, plain_json

LONG: Final = 1024  # characters from which a text is cut out
_WORTH: Final = 512  # bytes from which a group is worth a line of its own
_GROUP: Final = 8
_MOST: Final = 4 * 2**20  # bytes of one piece


@dataclass(frozen=True, slots=True)
class Payload:
    """A piece that stands in a line of its own."""

    digest: str
    text: str


Piece = str | Payload


def cut(content: bytes, value: Mapping[str, Any]) -> list[Piece]:
    """The pieces whose texts, put together, are ``content``, the canonical JSON of ``value``."""
    pieces: list[Piece] = []
    start = at = 0
    for text in _long_texts(value):
        quoted = canonical_json(text)
        found = content.find(quoted, at)
        if found < 0:
            continue  # it stands in no place of its own: it stays where it is
        at = found + 1  # behind the quotation mark
        for size, whole in _parts(text, quoted):
            if whole:
                pieces += _inline(content[start:at])
                pieces += _payloads(content[at : at + size])
                start = at + size
            at += size
    pieces += _inline(content[start:])
    return pieces


def _long_texts(value: Any) -> Iterator[str]:
    """Texts of a content that are long, in the order of its canonical JSON (ASCII keys; others are found or not)."""
    if isinstance(value, str):
        if len(value) >= LONG:
            yield value
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from _long_texts(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _long_texts(item)


def _parts(text: str, quoted: bytes) -> Iterator[tuple[int, bool]]:
    """The parts of a quoted text: their sizes in bytes, and whether each is a piece of its own."""
    ends = _items(text)
    if ends is None:
        yield len(quoted) - 2, True
        return
    sizes = [len(plain_json(text[low:high])) - 2 for low, high in pairwise(ends)]
    yield 1, False  # the bracket
    first = 0
    while first < len(sizes):
        count = _GROUP
        while first % (count * _GROUP) == 0 and first + count * _GROUP <= len(sizes):
            count *= _GROUP
        if first % count or first + count > len(sizes):
            count = 1
        size = sum(sizes[first : first + count])
        yield size, size >= _WORTH
        first += count
    yield 1, False


def _items(text: str) -> list[int] | None:
    """Where the items of an array end, from the bracket on; None when the text is no array of several items."""
    if not text.startswith("["):
        return None
    try:
        import msgspec
    except ImportError:  # then a long text stays whole
        return None
    try:
        items = [bytes(one).decode() for one in msgspec.json.decode(text, type=list[msgspec.Raw])]
    except (ValueError, RecursionError):
        return None
    if len(items) < 2:
        return None
    for comma in (",", ", "):
        if f"[{comma.join(items)}]" == text:
            ends = [1]
            for place, item in enumerate(items):
                ends.append(ends[-1] + len(item) + (len(comma) if place else 0))
            return ends
    return None


def _inline(part: bytes) -> list[Piece]:
    if len(part) > _MOST:
        return _payloads(part)
    return [part.decode()] if part else []


def _payloads(part: bytes) -> list[Piece]:
    made: list[Piece] = []
    while part:
        end = min(_MOST, len(part))
        while end < len(part) and part[end] & 0xC0 == 0x80:  # not within a character
            end -= 1
        text, part = part[:end], part[end:]
        made.append(Payload(digest_bytes(text), text.decode()))
    return made
