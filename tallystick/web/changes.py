"""What changed between two things that a tool said of itself, as people read it. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from tallystick.web.wording import pretty

FIELDS: Final = ("name", "description", "input", "output", "annotations", "server")
MOST_LINES: Final = 400
MOST_CHARACTERS: Final = 40_000


def of_definition(shown: Mapping[str, Any]) -> dict[str, Any]:
    """A shown definition with ``parts``, one for each field that differs (a new one: each that says something).

    A part is ``{"field", "lines": [(sign, text)], "cut": bool}``; signs are " ", "+", "-".
    """
    before, after = shown.get("before") or {}, shown.get("after") or {}
    named = set(shown.get("differs") or ())
    parts = []
    for field in FIELDS:
        old, new = before.get(field), after.get(field)
        if field in named if named else field != "name" and new not in (None, "", {}):
            parts.append({"field": field, **between(old, new)})
    return {**shown, "parts": parts}


def between(before: Any, after: Any) -> dict[str, Any]:
    """The lines of two values and how they differ: ``{"lines": [(sign, text)], "cut": bool}``; None has no line."""
    old, new = _lines(before), _lines(after)
    lines = [(line[0], line[2:]) for line in _compared(old, new)]
    whole = sum(len(text) for _, text in lines)
    return {
        "lines": lines[:MOST_LINES],
        "cut": len(lines) > MOST_LINES or whole > MOST_CHARACTERS or _long(before, after),
    }


def signed(line: str) -> tuple[str, str]:
    """A line of a text diff as its sign (" ", "+", "-", "@") and its text."""
    if line[:1] in ("+", "-", "@", " "):
        return line[0], line if line[0] == "@" else line[1:]
    return " ", line


def _compared(old: list[str], new: list[str]) -> list[str]:
    """The two texts in one, line by line, without the marks that difflib puts between lines."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    out: list[str] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            out += ["  " + line for line in old[a:b]]
            continue
        out += ["- " + line for line in old[a:b]]
        out += ["+ " + line for line in new[c:d]]
    return out


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    return list(islice(pretty(value)[:MOST_CHARACTERS].splitlines() or [""], MOST_LINES))


def _long(*values: Any) -> bool:
    """Whether a text is longer than what was compared."""
    texts = [pretty(value) for value in values if value is not None]
    return any(len(text) > MOST_CHARACTERS or text.count("\n") >= MOST_LINES for text in texts)
