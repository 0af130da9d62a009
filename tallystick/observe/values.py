"""What may stand in a column, made from whatever an attribute holds. What does not fit is unknown, never
zero."""

from __future__ import annotations

import ast
import json
import math
from typing import Any, Final

_LONGEST_LITERAL: Final = 65_536  # characters
LONGEST: Final = 512  # characters of a column; the span keeps all of it
TOP: Final = 2**63  # what a store's integer column holds


def clean_text(value: Any) -> str | None:
    """Text that fits a column: at most 512 characters (an ellipsis marks a cut), valid UTF-8; else None."""
    if type(value) is not str or not value:
        return None
    if len(value) > LONGEST:
        value = value[: LONGEST - 1] + "…"
    return value if value.isascii() else encodable(value)


def encodable(value: str) -> str:
    """Text without lone surrogates, which no store can hold; each becomes a question mark."""
    return value.encode("utf-8", "replace").decode("utf-8")


def clean_count(value: Any) -> int | None:
    """A whole number from 0 to 2^63-1, also when it was sent as a float or as digits; anything else is
    unknown."""
    kind = type(value)
    if kind is float:
        if not math.isfinite(value) or value != int(value):
            return None
        value = int(value)
    elif kind is str:
        if not (0 < len(value) <= 19 and value.isascii() and value.isdigit()):
            return None
        value = int(value)
    elif kind is not int:
        return None
    return value if 0 <= value < TOP else None


def parsed(value: Any) -> Any:
    """A JSON text as the value it holds; anything else, and text that is not JSON, as it is."""
    if type(value) is str:
        text = value.lstrip()
        if text[:1] in ("{", "["):
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                return value
    return value


def literal(value: Any) -> Any:
    """The mapping that a text holds as Python writes one (``{'city': 'Paris'}``); anything else as it is."""
    if type(value) is str and value[:2] in ("{'", '{"', "{}") and len(value) <= _LONGEST_LITERAL:
        try:
            held = ast.literal_eval(value)
            if isinstance(
                held, dict
            ):  # bytes, sets and the like are no values of JSON, which this is shown as
                return json.loads(json.dumps(held, allow_nan=False))
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return value  # a text like any other
    return value


def unquoted(value: str) -> Any:
    """The text that a JSON text in quotes holds; anything else as it is."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
