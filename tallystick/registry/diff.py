"""Readable differences between two versions: paths with both values, and texts line by line.

Pure. Values are JSON; a path is keys joined by dots, a key that is not a plain word in quotes as JSON writes it
(``input.properties."a.b".type``). Lists are compared whole. Texts of agents and models may be among the values: they
stay data here, and whoever shows them escapes them.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput

_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
_PART: Final = re.compile(r'("(?:[^"\\]|\\.)*"|[A-Za-z0-9_-]+)(\.|\Z)')
_SCHEMAS: Final = ("arguments", "input", "output", "annotations")
_MOST_WORK: Final = 1_000_000  # pairs of lines that difflib may have to compare
_MOST_LINES: Final = 400
_LONGEST_LINE: Final = 500
_LONGEST_VALUE: Final = 80  # characters of a text that is shown on one line


class Absent:
    """The value of a key that is not there: JSON's null is a value like others."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Change:
    """One place where two values differ. ``before`` or ``after`` is ABSENT where the key is not there."""

    keys: tuple[str, ...]
    before: Any
    after: Any

    @property
    def path(self) -> str:
        """The place as people read it."""
        return path_text(self.keys)

    @property
    def how(self) -> str:
        """ "added", "removed" or "changed"."""
        return "added" if self.before is ABSENT else "removed" if self.after is ABSENT else "changed"

    def as_json(self) -> dict[str, Any]:
        """``{"path", "how", "before", "after"}``; null for what is absent."""
        before = None if self.before is ABSENT else self.before
        after = None if self.after is ABSENT else self.after
        return {"path": self.path, "how": self.how, "before": before, "after": after}


@dataclass(frozen=True, slots=True)
class TextChange:
    """A text that changed, as the lines of a unified diff (" ", "-", "+" or "@@" in front)."""

    path: str
    lines: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """``{"path", "lines"}``."""
        return {"path": self.path, "lines": list(self.lines)}


@dataclass(frozen=True, slots=True)
class Diff:
    """All that differs between two versions; empty exactly where they are equal."""

    changes: tuple[Change, ...] = ()
    texts: tuple[TextChange, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """``{"changes": [{"path", "how", "before", "after"}], "texts": [{"path", "lines"}]}``."""
        return {
            "changes": [one.as_json() for one in self.changes],
            "texts": [one.as_json() for one in self.texts],
        }


def no_text(_digest: str) -> str | None:
    """Where no texts are at hand."""
    return None


def diff_versions(
    a: Mapping[str, Any], b: Mapping[str, Any], text: Callable[[str], str | None] = no_text
) -> Diff:
    """What differs between two bodies. ``text`` gives the text of a digest that ``body.text`` names, if it is known."""
    found = changes(a, b)
    texts: list[TextChange] = []
    for one in found:
        before, after = one.before, one.after
        if one.keys == ("text",):
            before, after = _resolved(before, text), _resolved(after, text)
            if before is None or after is None:
                continue
        elif not _is_prose(before) and not _is_prose(after):
            continue
        texts.append(TextChange(one.path, unified(_prose(before), _prose(after))))
    for key in _SCHEMAS:
        if any(one.keys[0] == key for one in found):
            before, after = _pretty(a.get(key)), _pretty(b.get(key))
            texts.append(TextChange(key, unified(before, after)))
    return Diff(tuple(found), tuple(texts))


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Every place where two JSON objects differ, in order of path; empty exactly where they are equal JSON."""
    found: list[Change] = []
    waiting: list[tuple[tuple[str, ...], Any, Any]] = [((), a, b)]
    while waiting:
        keys, before, after = waiting.pop()
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            for key in {*before, *after}:
                waiting.append(((*keys, key), before.get(key, ABSENT), after.get(key, ABSENT)))
        elif before is ABSENT or after is ABSENT or canonical_json(before) != canonical_json(after):
            found.append(Change(keys, before, after))
    return sorted(found, key=lambda one: one.keys)


def applied(a: Mapping[str, Any], found: Sequence[Change]) -> dict[str, Any]:
    """A body with changes made to it. Raises BadInput where one does not fit."""
    made = _copy(a)
    for one in found:
        place = made
        for key in one.keys[:-1]:
            if not isinstance(place.get(key), dict):
                raise BadInput(f"there is no {path_text(one.keys)} to change")
            place = place[key]
        if one.after is ABSENT:
            place.pop(one.keys[-1], None)
        else:
            place[one.keys[-1]] = _copy(one.after) if isinstance(one.after, Mapping) else one.after
    return made


def path_text(keys: Sequence[str]) -> str:
    """Keys as one path: ``input.properties."a.b"``."""
    return ".".join(key if _WORD.fullmatch(key) else json.dumps(key, ensure_ascii=False) for key in keys)


def path_keys(path: str) -> tuple[str, ...]:
    """The keys of a path that ``path_text`` wrote. Raises BadInput for anything else."""
    keys: list[str] = []
    position, more = 0, True
    while more:
        match = _PART.match(path, position)
        if match is None:
            raise BadInput(f"{path!r:.160} is not a path", hint='for example input.properties."a.b".type')
        part = match.group(1)
        keys.append(json.loads(part) if part.startswith('"') else part)
        position, more = match.end(), bool(match.group(2))
    return tuple(keys)


def unified(before: str, after: str) -> tuple[str, ...]:
    """The lines of a unified diff of two texts with three lines around each change; bounded in length and in work."""
    a, b = before.split("\n"), after.split("\n")
    start = _alike(a, b)
    end = _alike(a[start:][::-1], b[start:][::-1])
    inner_a, inner_b = len(a) - start - end, len(b) - start - end
    if inner_a * inner_b <= _MOST_WORK:
        lines = list(difflib.unified_diff(a, b, n=3, lineterm=""))[2:]
    else:  # too much to compare: the part that differs is shown as replaced
        lines = [f"@@ -{start + 1},{inner_a} +{start + 1},{inner_b} @@"]
        lines += [f"-{line}" for line in a[start : start + min(inner_a, _MOST_LINES // 2)]]
        lines += [f"+{line}" for line in b[start : start + min(inner_b, _MOST_LINES // 2)]]
        left = max(inner_a - _MOST_LINES // 2, 0) + max(inner_b - _MOST_LINES // 2, 0)
        return (*(_cut(line) for line in lines), *((f"… {left:,} more lines",) if left else ()))
    shown = tuple(_cut(line) for line in lines[:_MOST_LINES])
    return (*shown, f"… {len(lines) - _MOST_LINES:,} more lines") if len(lines) > _MOST_LINES else shown


def _alike(a: Sequence[str], b: Sequence[str]) -> int:
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"


def _resolved(digest: Any, text: Callable[[str], str | None]) -> str | None:
    if digest is ABSENT or digest is None:
        return ""
    return text(digest) if isinstance(digest, str) else None


def _is_prose(value: Any) -> bool:
    return isinstance(value, str) and ("\n" in value or len(value) > _LONGEST_VALUE)


def _prose(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is ABSENT or value is None else _pretty(value)


def _pretty(value: Any) -> str:
    return "" if value is None else json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def _copy(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(item) if isinstance(item, Mapping) else item for key, item in value.items()}
