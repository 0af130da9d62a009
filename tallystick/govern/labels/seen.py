"""Seen: what a run's tools returned, by value: on whose word each value stands, and which object it identifies.

Bounded: a run that returned more distinct values than are remembered knows less of them, never more: a value that is
not remembered stands on nobody's word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tallystick.govern.labels.leaves import key_of, leaves, opened
from tallystick.govern.labels.naming import Names
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import Integrity, Returned

MOST_VALUES: Final = 50_000
_LONGEST: Final = 2_000  # characters of a value that is remembered
_MOST_LONG: Final = 400_000  # characters of all longer ones: an answer may rest on what stands in them
_MOST_PLACES: Final = 8  # tools and fields remembered of one value
_REST: Final = "*"
_NOTHING: Final = Returned()

Key = str | Decimal


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was returned: the tool, the field, on whose word, and by which names a person knows the record.

    ``step`` is the first step that returned it there; no decision rests on it.
    """

    tool: str
    path: str
    integrity: Integrity
    names: tuple[str, ...] = ()
    step: str = field(default="", compare=False)


@dataclass(slots=True)
class Seen:
    """The values that tools returned in a run."""

    places: dict[Key, tuple[Place, ...]] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    full: bool = False
    long: list[tuple[str, Place]] = field(default_factory=list)  # texts too long to be one value
    _room: int = _MOST_LONG

    def of(self, value: Any) -> tuple[Place, ...]:
        """Where a value was returned."""
        key = key_of(value)
        return self.places.get(key, ()) if key is not None else ()

    @property
    def cut(self) -> bool:
        """Whether there were more long texts than are remembered."""
        return self._room < 0

    def add(self, tool: ToolDeclaration, result: Any, step: str = "") -> Integrity:
        """Remember what a tool returned in a step; gives the integrity of its least trusted field."""
        data = opened(result)
        lowest = Integrity.SYSTEM
        named = self.names.learn(tool, data)
        for path, value in leaves(data):
            said = declared_of(tool.returns, path)
            if _below(said.integrity, lowest):
                lowest = said.integrity
            key = key_of(value)
            if key is None:
                continue
            if isinstance(key, str) and len(key) > _LONGEST:
                self._keep(key, Place(tool.name, path, said.integrity, step=step))
                continue
            names = named.get((path, key), ())
            self._remember(key, Place(tool.name, path, said.integrity, names, step))
        return lowest

    def _keep(self, text: str, place: Place) -> None:
        if self._room > 0:
            self.long.append((text[: self._room], place))
        self._room -= len(text)

    def _remember(self, key: Key, place: Place) -> None:
        known = self.places.get(key)
        if known is None:
            if len(self.places) >= MOST_VALUES:
                self.full = True
                return
            self.places[key] = (place,)
        elif place not in known and len(known) < _MOST_PLACES:
            self.places[key] = (*known, place)


def declared_of(returns: Mapping[str, Returned], path: str) -> Returned:
    """What is declared of a field: by its whole path, else by its last name, else of all others."""
    found = returns.get(path)
    if found is None:
        found = returns.get(path.rpartition(".")[2]) if path else None
    return found or returns.get(_REST) or _NOTHING


def _below(one: Integrity, other: Integrity) -> bool:
    order = tuple(Integrity)
    return order.index(one) > order.index(other)
