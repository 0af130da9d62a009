"""What a redactor looks for in a text: places with a kind. Patterns run on RE2, so a text costs linear time.

Whoever writes the text chooses it (a web page, a mail, an attacker): an engine that goes back over what it read could
be made to take hours for one message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import re2

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 64 << 20  # bytes of states an expression may remember; beyond it RE2 starts them anew


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Characters ``start`` to ``end`` of a text are of a kind: "secret", "email", …"""

    start: int
    end: int
    kind: str


class Finder(Protocol):
    """Finds one group of kinds."""

    @property
    def first(self) -> str:
        """An RE2 expression found (over UTF-8) in every text in which ``find`` finds something."""
        ...

    def find(self, text: str) -> Iterable[Place]:
        """The places in a text, in any order; they may overlap. ``text`` has no lone surrogates."""
        ...

    def named(self, name: str) -> str | None:
        """The kind of any text under a name of at most 128 characters, where the name alone says it."""
        ...


_PLAIN_OPTIONS: Final = re2.Options()
_PLAIN_OPTIONS.log_errors = False
_PLAIN_OPTIONS.max_mem = 64 << 20
_PLAIN_OPTIONS.never_capture = True


Look = Callable[[bytes | str], object | None]


def first_look(text: str) -> Look:
    """Says whether an RE2 expression is found anywhere in a text or in bytes: something, or None.

    It has no groups and begins where the text begins, at any byte: a search that had to say where the match begins
    would go back from its end through as many states again, which takes thousands of times as long as looking.
    """
    looked: Look = re2.compile(rf"\C*?(?:{text})", _PLAIN_OPTIONS).match
    return looked


class Words:
    """Which of some words stand in a text, looked for together: one pass, however many they are."""

    def __init__(self, words: Sequence[str]) -> None:
        """``words`` have no capitals."""
        options = re2.Options()
        options.log_errors, options.literal, options.max_mem = False, True, 64 << 20
        self._words = tuple(words)
        self._set = re2.Set.SearchSet(options)
        for word in self._words:
            self._set.Add(word)
        self._set.Compile()

    def inside(self, text: str) -> frozenset[str]:
        """The words in a text, capitals or not."""
        return frozenset([self._words[index] for index in self._set.Match(text.lower()) or ()])


def expression(text: str) -> Any:
    """A compiled RE2 expression with groups; it takes texts and UTF-8 alike."""
    return re2.compile(text, _OPTIONS)


def merged(places: Iterable[Place]) -> Sequence[Place]:
    """Places in order, none touching another: of those that overlap one remains, of the kind that began first."""
    made: list[Place] = []
    for place in sorted(places, key=lambda one: (one.start, -one.end)):
        if made and place.start < made[-1].end:
            last = made[-1]
            if place.end > last.end:
                made[-1] = Place(last.start, place.end, last.kind)
        else:
            made.append(place)
    return made
