"""Bounds: what of a stranger's file is not worked on, because it could keep a verifier busy for ever.

Honest files stay far below. What is beyond is said to be not checked, and never taken to hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.step import Step

LARGEST_DECLARATION: Final = 256 * 1024  # characters; each decision reads its tool's declaration again
_LARGEST_ROW: Final = 16 * 1024  # bytes of a row of a rate card
_LONGEST_NAME: Final = 256  # characters of a model's name
_LONGEST_PATTERN: Final = 256
_MOST_PAIRS: Final = 5_000_000  # of steps that are compared with one another
_LONGEST_CYCLE: Final = 64  # calls; each turn of a detector looks back so far

_PLAIN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)  # an escape, a class of characters
_EXACTLY: Final = re.compile(r"\{[0-9]{1,2}\}")


def row_too_much(row: Mapping[str, Any], model: Any) -> str | None:
    """Why a row of a rate card is not applied to a model's name; None where it can be."""
    if len(canonical_json(row)) > _LARGEST_ROW:
        return "the row of the rate card is too large"
    if not isinstance(model, str) or len(model) > _LONGEST_NAME:
        return "the model's name is too long"
    if not all(is_quick(pattern) for pattern in _patterns(row["match"])):
        return "the row of the rate card names models by an expression that may take for ever"
    return None


def limits_too_much(limits: Mapping[str, Any]) -> bool:
    """Whether loop rules would look back too far at every turn."""
    return any(type(value) is int and value > _LONGEST_CYCLE for value in (limits.get("longest_cycle"),))


def steps_too_much(steps: Sequence[Step]) -> bool:
    """Whether finding the repeats among steps would compare too many of them: guests of calls, or deep nesting."""
    guests = sum(step.dialect == "mcp" and step.parent is None for step in steps)
    parents = {step.span: step.parent for step in steps}
    depths: dict[str, int] = {}
    for span in parents:
        path: list[str] = []
        at: str | None = span
        while at in parents and at not in depths:
            depths[at] = 0  # a ring ends where it began
            path.append(at)
            at = parents[at]
        depth = depths.get(at, 0) if at is not None else 0
        for one in reversed(path):
            depth += 1
            depths[one] = depth
    return guests * len(steps) + sum(depths.values()) > _MOST_PAIRS


def is_quick(pattern: Any) -> bool:
    """Whether a regular expression cannot backtrack for long: at most one open repeat, no repeat of a group."""
    if not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
        return False
    bare = _EXACTLY.sub("#", _PLAIN.sub("x", pattern))
    for named in ("(?:", "(?!", "(?="):
        bare = bare.replace(named, "(")
    if any(bad in bare for bad in ("(?", "{", ")*", ")+", ")#")):
        return False
    if sum(map(bare.count, "*+")) > 1 or bare.count("?") > 4 or bare.count("|") > 8:
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _patterns(clause: Any) -> Iterator[Any]:
    for word, value in clause.items():
        if word == "regex":
            yield value
        elif word in ("or", "and"):
            for part in value:
                yield from _patterns(part)
