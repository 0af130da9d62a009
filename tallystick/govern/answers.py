"""Answers: what the rules of one policy set said, kept for calls that they cannot tell from one another.

Everything here belongs to one policy set and goes with it; a set never changes, so nothing in it ever does. A kept
answer's key is the very request that Cedar was sent, byte for byte, and Cedar answers the same request in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import cedarpy

from tallystick.govern.sight import Sight

T = TypeVar("T")
Key = tuple[str, bool, str, bytes]  # tool, whether the reported rules are among them, agent, context

_MOST: Final = 4_096
_LONGEST: Final = 2_048  # bytes of a context whose answer is kept


@dataclass(frozen=True, slots=True)
class Narrow:
    """How the rules of one tool are asked with what they look at: the schema of just that, and its actions."""

    sight: Sight
    schema: cedarpy.Schema
    entities: cedarpy.Entities


class Answers(Generic[T]):
    """The answers of one policy set. Safe to use from several threads: each step is one operation on a dictionary."""

    __slots__ = ("_known", "narrow")

    def __init__(self) -> None:
        self._known: dict[Key, T] = {}
        self.narrow: dict[tuple[str, bool], Narrow] = {}  # as many as the set has tools

    def known(self, key: Key) -> T | None:
        """The answer to a request that was asked before."""
        return self._known.get(key)

    def keep(self, key: Key, answer: T) -> None:
        """Keep an answer; where there are too many, all others are forgotten first."""
        if len(key[3]) <= _LONGEST:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = answer

    def __len__(self) -> int:
        return len(self._known)
