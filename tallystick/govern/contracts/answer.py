"""A final answer: which of its values come from third parties, and which of them nobody gave at all.

Values are what can be wrong without being seen: identifiers, amounts, dates, addresses, links. Each must occur in what
the user said or a tool returned, as a value by itself (10 is not grounded by 100). What a sentence says around them is
not judged here: that is a scorer's work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tallystick.govern.labels.passages import Part, passages
from tallystick.govern.labels.said import Said, said
from tallystick.govern.labels.seen import Place, Seen
from tallystick.model.labels import Integrity, worst

LONGEST_ANSWER: Final = 100_000  # characters that are looked at
MOST_VALUES: Final = 500
_MOST_FIELDS: Final = 64  # of tools, whose texts are looked through
_ONE_VALUE: Final = 40  # characters: a shorter text without a space is one value, and looked up as such
_VALUE: Final = re.compile(
    r"https?://[^\s<>\"')\]]{1,2000}"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?"
    r"|(?<![\w.,])[$€£¥]?\s?(?:\d{1,3}(?:[,']\d{3})+|\d{1,18})(?:\.\d{1,12})?(?![\w@:/-]|[.,]\d)"
    r"|(?<![\w-])(?=[\w/-]{0,63}\d)[A-Za-z][\w/-]{2,63}(?![\w-])"
)
_SMALL: Final = 10  # counts that a sentence makes by itself ("both", "2 of 3") are no amounts


@dataclass(frozen=True, slots=True)
class Mark:
    """A value of an answer: the text, where it stands, and on whose word; ``sources`` are tools and fields."""

    value: str
    at: int
    integrity: Integrity
    sources: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """``{"value", "at", "integrity", "sources"}``."""
        return {
            "value": self.value,
            "at": self.at,
            "integrity": self.integrity.value,
            "sources": list(self.sources),
        }


@dataclass(frozen=True, slots=True)
class Answered:
    """What is known of an answer: marks of what rests on third parties, and the values that rest on nobody.

    ``parts`` are the places of the text that stand in what third parties said, the marked values among them; with
    ``parts_whole`` these are all.
    """

    marks: tuple[Mark, ...]
    ungrounded: tuple[str, ...]
    whole: bool = True  # False: there is more than was looked at
    parts: tuple[Part, ...] = ()
    parts_whole: bool = True


def judge_answer(text: str, words: Said, seen: Seen) -> Answered:
    """Hold an answer against what the user said and the tools returned."""
    looked = text[:LONGEST_ANSWER]
    marks: list[Mark] = []
    nobody: dict[str, None] = {}
    corpus = _corpus(seen)
    spots: list[tuple[int, int, Place]] = []
    count = 0
    for at, value in values_in(looked):
        count += 1
        if count > MOST_VALUES:
            break
        if _said_by(words, value):
            continue
        places = _places(seen, value) or corpus.places(value)
        if not places:
            nobody.setdefault(value)
            continue
        integrity = worst(place.integrity for place in places)
        if all(not place.integrity.trusted for place in places):
            sources = tuple(dict.fromkeys(_source(place) for place in places))[:8]
            marks.append(Mark(value, at, integrity, sources))
            begins = looked.find(value, at)
            spots.append((begins, begins + len(value), places[0]))
    found = passages(text, words.text, seen, spots)
    whole = len(text) <= LONGEST_ANSWER and count <= MOST_VALUES
    return Answered(tuple(marks), tuple(nobody), whole, found.parts, found.whole)


def values_in(text: str) -> Iterator[tuple[int, str]]:
    """The values of a text that can be looked up, each with its place (characters)."""
    for hit in _VALUE.finditer(text):
        value = hit.group().strip().rstrip(".,;:!?")
        number = _number(value)
        if (
            number is not None
            and number == number.to_integral_value()
            and abs(number) <= _SMALL
            and value[0].isdigit()
        ):
            continue
        yield hit.start(), value


def _number(value: str) -> Decimal | None:
    bare = value.lstrip("$€£¥ ").replace(",", "").replace("'", "")
    return Decimal(bare) if bare[:1].isdigit() and bare.replace(".", "", 1).isdigit() else None


def _said_by(words: Said, value: str) -> bool:
    number = _number(value)
    return words.has(value) or (number is not None and number in words.numbers)


def _places(seen: Seen, value: str) -> tuple[Place, ...]:
    number = _number(value)
    found = seen.of(value)
    if not found and number is not None:
        found = seen.places.get(number.normalize(), ())
    return found


def _source(place: Place) -> str:
    return f"{place.tool}.{place.path}" if place.path else place.tool


@dataclass(frozen=True, slots=True)
class _Corpus:
    """The texts that tools returned, field by field, in which a value may stand among other words."""

    texts: tuple[tuple[Said, Place], ...]

    def places(self, value: str) -> tuple[Place, ...]:
        """The fields whose texts hold a value."""
        return tuple(place for text, place in self.texts if _said_by(text, value))


def _corpus(seen: Seen) -> _Corpus:
    by_field: dict[tuple[str, str, Integrity], list[str]] = {}
    first: dict[tuple[str, str, Integrity], Place] = {}
    texts = [(key, place) for key, places in seen.places.items() if isinstance(key, str) for place in places]
    for text, place in (*texts, *seen.long):
        if " " not in text and len(text) <= _ONE_VALUE:
            continue
        group = (place.tool, place.path, place.integrity)
        if group not in first:
            if len(first) == _MOST_FIELDS:
                continue
            first[group] = place
        by_field.setdefault(group, []).append(text)
    return _Corpus(tuple((said(kept), first[group]) for group, kept in by_field.items()))
