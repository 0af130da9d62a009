"""Naming: which object a person means by a name, among those that tools returned.

A name counts only while a single object of a tool carries it. Whoever can put a second one there (a mail with the same
subject, an invitation with the same title) makes the name say nothing, instead of choosing what is acted upon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tallystick.govern.labels.leaves import key_of, leaves, records
from tallystick.govern.labels.said import plain
from tallystick.model.guarding import ToolDeclaration

MOST: Final = 8  # names of one value that are remembered
_MOST_BEARERS: Final = 50_000
_LONGEST: Final = 2_000

Key = str | Decimal
Bearer = tuple[tuple[str, Key], ...]  # the fields that tell an object from all others
_SEVERAL: Final[Bearer] = ()


@dataclass(slots=True)
class Names:
    """Names that objects carry. Several objects by one name, or more names than are remembered: it names none."""

    bearers: dict[tuple[str, str], Bearer] = field(default_factory=dict)  # by tool and name

    def is_one(self, tool: str, name: str) -> bool:
        """Whether a single object that the tool returned carries a name."""
        return self.bearers.get((tool, plain(name)), _SEVERAL) is not _SEVERAL

    def learn(self, tool: ToolDeclaration, data: Any) -> dict[tuple[str, Key], tuple[str, ...]]:
        """Read a result: (path, value) of what identifies an object, or belongs to one -> the names of that object."""
        found: dict[tuple[str, Key], tuple[str, ...]] = {}
        identifying = {name: one.names for name, one in tool.returns.items() if one.names}
        if identifying:
            for path, record in records(data):
                self._record(tool.name, path, record, identifying, found)
        return found

    def _record(
        self, tool: str, path: str, record: Mapping[str, Any], identifying: Mapping[str, tuple[str, ...]],
        found: dict[tuple[str, Key], tuple[str, ...]],
    ) -> None:  # fmt: skip
        named: list[str] = []
        bearer: list[tuple[str, Key]] = []
        for name, value in record.items():
            whole = f"{path}.{name}" if path else str(name)
            naming = identifying.get(whole) or identifying.get(str(name))
            if not naming or isinstance(value, Mapping):
                continue
            names = [text for one in naming for text in _texts(record.get(one))]
            named += names
            for _, leaf in leaves(value):  # several, where the field is a list: the people of an event
                key = key_of(leaf)
                if key is None:
                    continue
                found[whole, key] = tuple(dict.fromkeys((*found.get((whole, key), ()), *names)))[:MOST]
                if not isinstance(value, list | tuple):
                    bearer.append((str(name), key))
        if not bearer:  # nothing tells it from others but what it is
            bearer = [(where, key) for where, leaf in leaves(record) if (key := key_of(leaf)) is not None]
        for name in dict.fromkeys(named):
            self._carry(tool, plain(name), tuple(bearer))

    def _carry(self, tool: str, name: str, bearer: Bearer) -> None:
        known = self.bearers.get((tool, name))
        if known is None and len(self.bearers) < _MOST_BEARERS:
            self.bearers[tool, name] = bearer
        elif known is not None and known != bearer:
            self.bearers[tool, name] = _SEVERAL


def _texts(value: Any) -> Iterator[str]:
    for _, leaf in leaves(value):
        if isinstance(leaf, str) and leaf.strip():
            yield leaf[:_LONGEST]
