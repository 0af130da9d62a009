"""Where a command's answer goes: data on stdout, talk on stderr.

In a terminal a table has columns and colour; in a pipe it is tab-separated lines with one header; with ``--json`` it
is one JSON document. Everything that is printed has been made harmless first (see clean.py).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from tallystick.cli.clean import clean, field, json_safe, one_line, plain

if TYPE_CHECKING:
    from rich.console import Console


_PROSE = 48  # from this width on a column holds prose and may be cut
_LEAST = 12  # what a cut column keeps
_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header, the key in a row, and how its cell is made for people and in a pipe.

    ``show`` gives (text, style) for a terminal; without it the plain value is shown. A pipe always gets the plain
    value of ``key``. Where a terminal is too narrow, the column with the highest ``spare`` is left out first, and that
    is said; 0 always stays.
    """

    header: str
    key: str
    show: Any = None
    right: bool = False
    width: int | None = None
    spare: int = 0


class Out:
    """One command's output. ``tty`` and ``colour`` are found out from the streams and the environment."""

    def __init__(
        self, *, as_json: bool = False, stdout: TextIO | None = None, stderr: TextIO | None = None,
        tty: bool | None = None,
    ) -> None:  # fmt: skip
        self.as_json = as_json
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        self.tty = self._stdout.isatty() if tty is None else tty
        self.colour = self.tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def pretty(self) -> bool:
        """True where a person looks at a terminal."""
        return self.tty and not self.as_json

    @property
    def talks(self) -> bool:
        """True where a person reads stderr, so that a progress bar makes sense."""
        return self._stderr.isatty()

    def json(self, value: Any) -> None:
        """One JSON document: indented in a terminal, on one line in a pipe."""
        self._stdout.write(json_text(value, indent=2 if self.tty else None) + "\n")
        self._stdout.flush()

    def line(self, text: str = "", *, style: str = "") -> None:
        """One line of data. Text of agents must have gone through clean() or one_line() before."""
        if self.colour and style:
            self.console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        else:
            self._stdout.write(text + "\n")

    def write(self, text: str) -> None:
        """Data as it is (a document, not a line)."""
        self._stdout.write(text)
        self._stdout.flush()

    def say(self, text: str) -> None:
        """One line of talk, on stderr."""
        self._stderr.write(clean(text) + "\n")
        self._stderr.flush()

    def fields(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Names and values, one a line."""
        listed = list(rows)
        wide = max((len(name) for name, _ in listed), default=0)
        for name, value in listed:
            if self.pretty:
                self.line(f"{name:<{wide}}  {one_line(_said(value))}")
            else:
                self.line(f"{name}\t{field(value)}")

    def table(self, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
        """A table; in a pipe one header line and one tab-separated line a row."""
        if self.pretty:
            self._grid(columns, rows)
            return
        self.line("\t".join(column.key for column in columns))
        for row in rows:
            self.line("\t".join(field(row.get(column.key)) for column in columns))

    def _grid(self, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        console = self.console()
        kept, left_out = _fitting(columns, rows, console.width)
        for column, width in kept:
            table.add_column(
                column.header, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis",
                max_width=width or column.width, min_width=width,
            )  # fmt: skip
        for row in rows:
            cells = (_cell(column, row) for column, _ in kept)
            table.add_row(*(Text(text, style=style) for text, style in cells))
        console.print(table)
        if left_out:
            self.say(f"left out for want of room: {', '.join(left_out)}; --json has everything")

    def console(self, *, talk: bool = False) -> Console:
        """A rich console on stdout, or on stderr for talk."""
        from rich.console import Console

        stream = self._stderr if talk else self._stdout
        return Console(
            file=stream, color_system="auto" if self.colour else None, force_terminal=(self.tty and not talk) or None,
            highlight=False, markup=False, emoji=False, legacy_windows=False,
        )  # fmt: skip


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that is safe to print: control and bidi characters are escaped, other letters stay readable."""
    separators = (",", ":") if indent is None else None
    return json_safe(json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, default=str))


def _fitting(
    columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], room: int
) -> tuple[list[tuple[Column, int | None]], list[str]]:
    """The columns with the width of each (None: as the terminal has it), and the headers of those left out."""
    from rich.cells import cell_len

    firm: dict[int, int] = {}  # column -> width that it keeps
    prose: dict[int, int] = {}  # column -> width that it would like; these give way first
    for at, column in enumerate(columns):
        most = max([len(column.header), *(cell_len(_cell(column, row)[0]) for row in rows)])
        most = min(most, column.width or most)
        (prose if at and (column.width or 0) >= _PROSE and most > _LEAST else firm)[at] = most
    left_out = []
    for at in sorted(range(len(columns)), key=lambda at: -columns[at].spare):
        spent = sum(firm.values()) + _LEAST * len(prose) + _GAP * (len(firm) + len(prose) - 1)
        if not rows or spent <= room or not columns[at].spare:
            break
        firm.pop(at, None)
        prose.pop(at, None)
        left_out.append(columns[at].header or columns[at].key)
    kept = sorted([*firm, *prose])
    left = room - sum(firm.values()) - _GAP * (len(kept) - 1)
    if left < _LEAST * len(prose):
        return [(columns[at], None) for at in kept], left_out
    for number, at in enumerate(sorted(prose, key=lambda at: prose[at])):
        firm[at] = min(prose[at], left // (len(prose) - number))
        left -= firm[at]
    return [(columns[at], firm[at]) for at in kept], left_out


def _said(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(value) or "none"


def _cell(column: Column, row: Mapping[str, Any]) -> tuple[str, str]:
    value = row.get(column.key)
    text, style = column.show(row) if column.show else ("–" if value is None else plain(value), "")
    return one_line(text), style
