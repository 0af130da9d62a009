"""Passages: the parts of a final answer that stand word for word in what somebody else said.

A part is five words in a row or more, a whole short value of at least two words, a name (two words with capitals, or
a whole value that is one), or a value such as a number, a link or an identifier. What the user said too, or a trusted
field returned, is not marked. Only what was taken over literally is found: a paraphrase or a translation is not, nor
what an agent read elsewhere than through a guarded tool of this run.

Answer and sources are each read once, so the work grows with their lengths and not with their product.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from tallystick.govern.labels.said import plain
from tallystick.govern.labels.seen import Place, Seen
from tallystick.model.labels import Integrity

LONGEST_ANSWER: Final = 100_000  # characters that are looked at
LONGEST_SOURCES: Final = 2_000_000  # characters of what tools returned that are looked through
MOST_PARTS: Final = 500
ROW: Final = 5  # words in a row that are not there by chance
_MOST_OWNERS: Final = 4  # places remembered of one row of words
_SHORTEST: Final = 6  # characters of a whole value of several words
_SHORTEST_NAME: Final = 3
# Scripts without spaces between words: there a character counts as a word.
_ALONE: Final = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}][^\W{_ALONE}\u0300-\u036f]*[\u0300-\u036f]*")
_SENTENCE_ENDS: Final = ".!?:;\n"

Gram = tuple[str, ...]


class PartKind(StrEnum):
    """Why a part is marked."""

    WORDS = "words"
    NAME = "name"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Part:
    """Characters ``at`` to ``end`` of an answer, which stand in ``source`` (tool and field) of a step's result."""

    at: int
    end: int
    kind: PartKind
    integrity: Integrity
    source: str
    step: str

    def as_json(self, text: str) -> dict[str, Any]:
        """``{"at", "end", "text", "kind", "integrity", "source", "step"}``; ``text``: its first 80 characters."""
        return {
            "at": self.at, "end": self.end, "text": text[self.at : self.end][:80], "kind": self.kind.value,
            "integrity": self.integrity.value, "source": self.source, "step": self.step,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Passages:
    """The parts of an answer, in order and without overlap; ``whole`` False: there is more than was looked at."""

    parts: tuple[Part, ...]
    whole: bool = True


@dataclass(slots=True)
class _Answer:
    """An answer's words, and where each row of them stands."""

    spans: list[tuple[int, int]]
    words: list[str]
    capital: list[bool]
    inside: list[bool]  # it does not begin a sentence
    rows: dict[Gram, list[int]] = field(default_factory=dict)
    pairs: dict[Gram, list[int]] = field(default_factory=dict)
    short: dict[Gram, list[int]] = field(default_factory=dict)


def passages(text: str, said: str, seen: Seen, values: Iterable[tuple[int, int, Place]] = ()) -> Passages:
    """Mark what an answer took over. ``said``: the user's words as compared (``Said.text``).

    ``values`` are places of single values already found to rest on others alone: (at, end, place).
    """
    looked = text[:LONGEST_ANSWER]
    answer = _read(looked)
    others, trusted, whole = _sources(seen)
    found: dict[Gram, list[Place]] = {}
    for source, place in others:
        for gram in _shared(_words(source), answer):
            owners = found.setdefault(gram, [])
            if len(owners) < _MOST_OWNERS and not _among(place, owners):
                owners.append(place)
    if found:
        _take_away(found, (said, *trusted))
    parts = _parts(answer, found, sorted(values, key=lambda one: one[0]))
    whole = whole and len(looked) == len(text) and len(parts) <= MOST_PARTS and not seen.full and not seen.cut
    return Passages(tuple(parts[:MOST_PARTS]), whole)


def _words(source: str) -> list[str]:
    return _WORD.findall(source)


def _read(text: str) -> _Answer:
    """An answer's words in lower case, and its rows, pairs of capitals and short pieces by what they are."""
    spans, words, capital, inside = [], [], [], []
    last = 0
    for hit in _WORD.finditer(text):
        between = text[last : hit.start()]
        spans.append(hit.span())
        words.append(plain(hit.group()))
        capital.append(hit.group()[:1].isupper())
        inside.append(bool(last) and not any(mark in between for mark in _SENTENCE_ENDS))
        last = hit.end()
    answer = _Answer(spans, words, capital, inside)
    for at, gram in enumerate(zip(*(words[shift:] for shift in range(ROW)), strict=False)):
        answer.rows.setdefault(gram, []).append(at)
    for at, pair in enumerate(pairwise(words)):
        if capital[at] and capital[at + 1] and inside[at + 1]:
            answer.pairs.setdefault(pair, []).append(at)
    for length in range(1, ROW):
        for at in range(len(words) - length + 1):
            if _may_be_value(answer, at, length):
                answer.short.setdefault(tuple(words[at : at + length]), []).append(at)
    return answer


def _may_be_value(answer: _Answer, at: int, length: int) -> bool:
    """Whether these words, where they are all that a field says, are something that can be recognised."""
    if length == 1:
        return answer.capital[at] and answer.inside[at] and len(answer.words[at]) >= _SHORTEST_NAME
    return answer.spans[at + length - 1][1] - answer.spans[at][0] >= _SHORTEST


def _sources(seen: Seen) -> tuple[list[tuple[str, Place]], list[str], bool]:
    """The texts on nobody's word with their places, the trusted ones, and whether these are all."""
    others: list[tuple[str, Place]] = []
    trusted: list[str] = []
    room = LONGEST_SOURCES
    short = ((key, places) for key, places in seen.places.items() if isinstance(key, str))
    for text, places in (*short, *((text, (place,)) for text, place in seen.long)):
        if room <= 0:
            return others, trusted, False
        room -= len(text)
        if any(place.integrity.trusted for place in places):
            trusted.append(text)
        else:
            others.append((text, places[0]))
    return others, trusted, True


def _shared(words: Sequence[str], answer: _Answer) -> Iterator[Gram]:
    """The pieces of an answer that stand in a source."""
    if len(words) < ROW:
        gram = tuple(words)
        if gram in answer.short:
            yield gram
    else:
        rows = answer.rows
        for gram in zip(*(words[shift:] for shift in range(ROW)), strict=False):
            if gram in rows:
                yield gram
    if answer.pairs:
        pairs = answer.pairs
        for pair in pairwise(words):
            if pair in pairs:
                yield pair


def _take_away(found: dict[Gram, list[Place]], trusted: Iterable[str]) -> None:
    """What somebody trusted said as well rests on them."""
    lengths = sorted({len(gram) for gram in found})
    for source in trusted:
        words = _words(source)
        for length in lengths:
            for gram in zip(*(words[shift:] for shift in range(length)), strict=False):
                found.pop(gram, None)
        if not found:
            return


def _parts(
    answer: _Answer, found: dict[Gram, list[Place]], values: list[tuple[int, int, Place]]
) -> list[Part]:
    """The marked words joined to parts, and the values between them."""
    owner: list[tuple[PartKind, Place] | None] = [None] * len(answer.words)
    joined = [False] * len(answer.words)  # it goes on with what the word before it says
    for kind, where in (
        (PartKind.WORDS, answer.rows), (PartKind.WORDS, answer.short), (PartKind.NAME, answer.pairs)
    ):  # fmt: skip
        hits = sorted((at, gram) for gram in found if gram in where for at in where[gram])
        for at, gram in hits:
            _claim(owner, joined, at, gram, found[gram], _kind(kind, answer, at, gram))
    parts: list[Part] = []
    at = 0
    while at < len(owner):
        held = owner[at]
        if held is None:
            at += 1
            continue
        end = at + 1
        while end < len(owner) and joined[end] and _same(owner[end], held):
            end += 1
        parts.append(_part(answer.spans[at][0], answer.spans[end - 1][1], *held))
        at = end
    return _with_values(parts, values)


def _kind(kind: PartKind, answer: _Answer, at: int, gram: Gram) -> PartKind:
    capitals = len(gram) < ROW and all(answer.capital[at : at + len(gram)])
    return PartKind.NAME if capitals else kind


def _claim(
    owner: list[tuple[PartKind, Place] | None], joined: list[bool], at: int, gram: Gram, places: list[Place],
    kind: PartKind,
) -> None:  # fmt: skip
    """Give the words of a piece that are nobody's yet to a place: that of the words before, where it has them too."""
    before = owner[at]
    place = before[1] if before is not None and _among(before[1], places) else places[0]
    for word in range(at, at + len(gram)):
        if owner[word] is None:
            owner[word] = (kind, place)
            joined[word] = word > at


def _among(place: Place, places: list[Place]) -> bool:
    return any(one is place for one in places)  # the same tool and field in another step is another place


def _same(one: tuple[PartKind, Place] | None, other: tuple[PartKind, Place]) -> bool:
    return one is not None and one[0] is other[0] and one[1] is other[1]


def _part(at: int, end: int, kind: PartKind, place: Place) -> Part:
    source = f"{place.tool}.{place.path}" if place.path else place.tool
    return Part(at, end, kind, place.integrity, source[:200], place.step)


def _with_values(parts: list[Part], values: list[tuple[int, int, Place]]) -> list[Part]:
    """Parts and values in order; a value within a part adds nothing, and a part within a value gives way to it."""
    apart: list[Part] = []
    index = 0
    for at, end, place in values:
        while index < len(parts) and parts[index].end <= at:
            index += 1
        first = index
        last = first
        while last < len(parts) and parts[last].at < end:
            last += 1
        if all(at <= part.at and part.end <= end for part in parts[first:last]):
            parts[first:last] = []
            apart.append(_part(at, end, PartKind.VALUE, place))
    return sorted((*parts, *apart), key=lambda part: part.at)
