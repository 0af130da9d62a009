"""Quorum: how many people of which groups must say yes to one question, where nobody serves twice.

``asked`` says how many people of each group. ``given`` are, for each person who said yes, the groups that they may
speak for; who may speak for several serves one of them, whichever lets the most be served.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Final

AND: Final = " and "  # between the names of groups, where people read who is asked


def served(asked: Mapping[str, int], given: Sequence[Collection[str]]) -> int:
    """How many of the people asked for have said yes. Who comes too many counts for nothing."""
    places: list[tuple[str, int]] = [(group, nth) for group in sorted(asked) for nth in range(asked[group])]
    taken: dict[tuple[str, int], int] = {}

    def seat(person: int, tried: set[tuple[str, int]]) -> bool:
        for place in places:
            if place[0] not in given[person] or place in tried:
                continue
            tried.add(place)
            if place not in taken or seat(taken[place], tried):
                taken[place] = person
                return True
        return False

    return sum(seat(person, set()) for person in range(len(given)))


def lacking(asked: Mapping[str, int], given: Sequence[Collection[str]]) -> tuple[str, ...]:
    """The groups of which one more yes would count, in order of name; empty once everybody asked for has said it."""
    now = served(asked, given)
    return tuple(group for group in sorted(asked) if served(asked, [*given, (group,)]) > now)


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: nobody counts twice by writing their name in another way."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def named(groups: Collection[str]) -> str:
    """How people read the groups that are asked: "finance and legal"."""
    return AND.join(sorted(groups))
