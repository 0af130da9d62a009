"""Values as TOML, for files that are written from what was observed: whatever a text holds, it stays that text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tallystick.model.errors import BadInput

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SHORT: Final = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_LONGEST: Final = 100  # characters of a list on one line


def toml_text(text: str) -> str:
    """A text as a basic string. Half a surrogate pair, which TOML cannot hold, becomes U+FFFD."""
    return '"' + "".join(_escaped(one) for one in text) + '"'


def toml_key(key: str) -> str:
    """A key, in quotes where it needs them."""
    return key if _BARE.fullmatch(key) else toml_text(key)


def toml_value(value: Any) -> str:
    """A text, number, truth value, list or table on one line (long lists on several). Raises BadInput for others."""
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        items = [
            f"{toml_key(str(key))} = {toml_value(item)}" for key, item in value.items() if item is not None
        ]
        return "{ " + ", ".join(items) + " }" if items else "{}"
    if isinstance(value, Sequence):
        items = [toml_value(item) for item in value]
        line = "[" + ", ".join(items) + "]"
        return line if len(line) <= _LONGEST else "[\n    " + ",\n    ".join(items) + ",\n]"
    raise BadInput(f"TOML cannot hold a {type(value).__name__}")


def toml_comment(text: str) -> str:
    """A text that can stand in a comment: one line of what is printable."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    if character.isprintable():
        return character
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
