"""Counts of what came into a store, and of what was refused or dropped on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

Key = TypeVar("Key", str, tuple[str, str])


@dataclass(frozen=True, slots=True)
class Tidings:
    """Counts to add: spans committed, of them repeats, spans refused by reason, things dropped by (where, why)."""

    accepted: int = 0
    repeats: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def plus(self, other: Tidings) -> Tidings:
        """Both together."""
        return Tidings(
            self.accepted + other.accepted,
            self.repeats + other.repeats,
            _sum(self.rejected, other.rejected),
            _sum(self.dropped, other.dropped),
        )


def _sum(one: Mapping[Key, int], other: Mapping[Key, int]) -> Mapping[Key, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}} if other else one


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that was dropped: where, why, how many, and since when (nanoseconds; 0 where nobody knows)."""

    where: str
    why: str
    count: int
    since: int


class Counts(Protocol):
    """Counts of one store, kept across restarts."""

    def add(self, news: Tidings) -> None:
        """Count; never raises."""
        ...

    def read(self) -> tuple[Tidings, tuple[Loss, ...]]:
        """Everything counted so far; ``dropped`` comes as rows, most first. Raises StoreFault."""
        ...

    def flush(self) -> None:
        """Write what waits."""
        ...
