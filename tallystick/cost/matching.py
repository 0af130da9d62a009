"""Which model a name means: clauses written as data, tried in the card's order.

A clause is a mapping with one key: ``equals``, ``starts_with``, ``ends_with``, ``contains`` (text, compared without
regard to case), ``regex`` (searched in the lower-cased name), ``or``, ``and`` (lists of clauses). The vocabulary is
that of genai-prices, whose data the shipped card is made from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tallystick.model.errors import BadInput

Matcher: TypeAlias = Callable[[str], bool]

_COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=[-:]|$)")


def compile_clause(clause: Mapping[str, Any] | None) -> Matcher:
    """Make a predicate over lower-cased names; no clause matches nothing. Raises BadInput for an unknown clause."""
    if clause is None:
        return lambda _name: False
    if len(clause) != 1:
        raise BadInput(f"a matching clause has exactly one key, not {sorted(clause)}")
    (word, value), = clause.items()  # fmt: skip
    if word in ("or", "and"):
        parts = [compile_clause(part) for part in value]
        if word == "or":
            return lambda name: any(part(name) for part in parts)
        return lambda name: all(part(name) for part in parts)
    if word == "regex":
        search = re.compile(value).search
        return lambda name: search(name) is not None
    text = str(value).lower()
    simple: dict[str, Matcher] = {
        "equals": lambda name: name == text,
        "starts_with": lambda name: name.startswith(text),
        "ends_with": lambda name: name.endswith(text),
        "contains": lambda name: text in name,
    }
    if word not in simple:
        raise BadInput(
            f"{word!r} is not a matching clause",
            hint="equals, starts_with, ends_with, contains, regex, or, and",
        )
    return simple[word]


def dashed_date(name: str) -> str:
    """Write a compact date in a model name with dashes ("gpt-5-20251211" -> "gpt-5-2025-12-11")."""
    return _COMPACT_DATE.sub(r"-\1-\2-\3", name)
