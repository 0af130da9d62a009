"""Leaves: the single values inside what a tool was given or returned, each with the path of its field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from tallystick.govern.labels.said import number_of, plain

DEEPEST: Final = 64
_LONGEST_JSON: Final = 2_000_000  # characters of a result that is read as JSON

Leaf = str | int | float | bool | Decimal | None


def opened(result: Any) -> Any:
    """A result as data: a text that is a JSON object or list is read as such."""
    if isinstance(result, str) and len(result) <= _LONGEST_JSON and result.lstrip()[:1] in ("{", "["):
        try:
            return msgspec.json.decode(result)
        except (msgspec.DecodeError, RecursionError):
            return result
    return result


def records(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object in a value with its path; the items of a list have the path of the list."""
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        yield path, value
        for name, item in value.items():
            yield from records(item, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from records(item, path, depth + 1)


def leaves(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Leaf]]:
    """Every single value with the path of its field ("items.id"; the items of a list have the path of the list).

    What lies deeper than 64 levels comes as one text, so that nothing is left out unseen.
    """
    kind = type(value)
    if kind is str or kind is int or value is None:
        yield path, value
    elif depth > DEEPEST:
        yield path, str(value)[:1000]
    elif kind is dict or isinstance(value, Mapping):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from leaves(item, path, depth + 1)
    elif isinstance(value, str | int | float | Decimal) or value is None:
        yield path, value
    else:
        yield path, str(value)[:1000]


def key_of(value: Leaf) -> str | Decimal | None:
    """How a value is remembered: numbers as numbers, text as it is compared; None for what says nothing."""
    if value is None or isinstance(value, bool):
        return None
    number = number_of(value)
    if number is not None:
        return number.normalize()
    return plain(str(value)) or None
