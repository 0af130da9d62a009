"""The tree of a run laid out in a terminal of any width.

Times, tokens and costs are never cut. What must not be overlooked stands beside its step where there is room for it,
else below it; only what a step is called gives way.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from tallystick.cli.wording import colour

_GAP = 2
_LEAST = 24  # cells that the name of a step keeps, and that a note beside it needs
_NUMBERS = ("time", "tokens", "cost")

Line = list[tuple[str, str]]  # texts with their styles


def lay(rows: Sequence[Mapping[str, Any]], width: int) -> Iterator[Line]:
    """The lines of a tree (rows of tree.row) for a terminal of ``width`` cells.

    A line is wider only where that is less than the numbers and 24 cells for the name need.
    """
    sizes = {key: max((cell_len(one[key]) for one in rows), default=0) for key in _NUMBERS}
    spent = sum(size + _GAP for size in sizes.values() if size)
    longest = max((cell_len(one["what"]) for one in rows), default=0)
    noted = max((cell_len(one["note"]) for one in rows), default=0)
    room = max(_LEAST, width - spent)
    what = min(longest, room)
    beside = room - what - _GAP
    if noted > beside and beside < _LEAST:
        beside = 0
    for one in rows:
        tint = "dim" if one["dim"] else colour(one["status"]) if one["status"] != "ok" else ""
        line: Line = [(_cut(one["what"], what), tint)]
        line += [
            (" " * (_GAP + sizes[key] - cell_len(one[key])) + one[key], "") for key in _NUMBERS if sizes[key]
        ]
        style = tint or "yellow"
        if not one["note"]:
            yield _trimmed(line)
        elif beside:
            notes = _wrapped(one["note"], beside)
            yield [*line, (" " * _GAP + notes[0], style)]
            yield from ([(" " * (what + spent + _GAP) + text, style)] for text in notes[1:])
        else:
            yield _trimmed(line)
            lead = one["under"] if cell_len(one["under"]) <= width - _LEAST else ""
            for text in _wrapped(one["note"], max(_LEAST, width - cell_len(lead))):
                yield [(lead, ""), (text, style)]


def _cut(text: str, size: int) -> str:
    if cell_len(text) <= size:
        return text + " " * (size - cell_len(text))
    head = set_cell_size(text, size - 1).rstrip()
    return head + "…" + " " * (size - 1 - cell_len(head))


def _wrapped(text: str, size: int) -> list[str]:
    """A note in lines of ``size`` cells, broken between words; wide letters make a line shorter, never longer."""
    wide = cell_len(text) > len(text)
    return textwrap.wrap(text, max(1, size // 2 if wide else size), break_on_hyphens=False) or [text]


def _trimmed(line: Line) -> Line:
    last, style = line[-1]
    return [*line[:-1], (last.rstrip(), style)]
