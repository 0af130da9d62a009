"""Text from agents, models and tools made harmless for a terminal.

Such text is hostile: an escape sequence can repaint what stands above it, a bidi control can turn a sentence round,
an invisible tag can hide an instruction. Nothing is dropped; each such character is shown as what it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# C0 and C1 controls, DEL, bidi marks and controls, zero-width space and joiners used to hide, line separators,
# tag characters, lone surrogates. Tab and newline are handled by each caller.
_HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)  # the picture of the control character
    if code == 0x7F:
        return "␡"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def clean(text: str) -> str:
    """Text for a terminal; newlines and tabs stay."""
    return _HOSTILE.sub(_shown, text)


def one_line(text: str, width: int | None = None) -> str:
    """Text for one cell: newlines become ⏎, tabs a space, and beyond ``width`` characters an ellipsis."""
    flat = clean(text.strip().replace("\r\n", "\n")).replace("\n", "⏎").replace("\t", " ")
    return flat if width is None or len(flat) <= width else flat[: max(width - 1, 0)] + "…"


def plain(value: Any, between: str = ", ") -> str:
    """A value in words: a list of plain values joined, anything deeper as JSON, never Python's own spelling."""
    if isinstance(value, Mapping) or (
        isinstance(value, (list, tuple)) and any(isinstance(one, (list, tuple, Mapping)) for one in value)
    ):
        return json.dumps(value, ensure_ascii=False, default=str)
    return between.join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def field(value: Any) -> str:
    r"""One value of a tab-separated line: tabs, newlines and backslashes are written \t, \n and \\; None is empty.

    A list of plain values is joined by commas, anything deeper is JSON.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = (
        plain(value, ",")
        .replace("\\", "\\\\")
        .replace("\t", "\\t")
        .replace("\r\n", "\\n")
        .replace("\n", "\\n")
    )
    return clean(text)


def json_safe(text: str) -> str:
    r"""JSON text in which such characters are written as \u escapes (they only ever stand inside strings)."""
    return _HOSTILE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
