"""What a redactor looks for in a text: places with a kind. Patterns run on RE2, so a text costs linear time.

Whoever writes the text chooses it (a web page, a mail, an attacker): an engine that goes back over what it read could
be made to take hours for one message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def first_look(text: str) -> Any:
    """A compiled RE2 expression without groups, which is what they cost: it only says whether."""
    return re2.compile(text, _PLAIN_OPTIONS)


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
