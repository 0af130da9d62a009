"""Every row of control.db held against the journal (``ports.ControlStore.verify``); nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import Any

from tallystick.adapters.checking import JournalCheck, damage
from tallystick.adapters.projections import apply, concerns_views
from tallystick.adapters.sqlite.control_entries import all_entries
from tallystick.adapters.sqlite.control_kept import all_openings, mark, opening_mark
from tallystick.adapters.sqlite.control_schema import view_tables
from tallystick.adapters.sqlite.control_tree import TILE, read_edge
from tallystick.adapters.sqlite.control_views import VIEWS, SqliteViews, view_rows
from tallystick.model.commitment import Opening
from tallystick.model.errors import TallystickError
from tallystick.model.journal import Entry
from tallystick.proof.merkle import root_of


def check_control(connection: sqlite3.Connection) -> int:
    """Check journal, tree, openings, texts, checkpoints and views; the number of entries. Raises StoreFault."""
    with ExitStack() as stack:  # a question that is left half read would keep its moment for the next reader
        beside = stack.enter_context(
            closing(sqlite3.connect("", isolation_level=None))
        )  # a file nobody else sees
        beside.execute("PRAGMA synchronous=OFF")
        view_tables(beside)
        beside.execute("BEGIN")
        return _check(connection, beside, stack)


def _check(connection: sqlite3.Connection, beside: sqlite3.Connection, stack: ExitStack) -> int:
    def rows(sql: str) -> sqlite3.Cursor:
        return stack.enter_context(closing(connection.execute(sql)))

    kept = _Sum()
    check = JournalCheck(kept.checkpoints(rows("SELECT size, note FROM checkpoint ORDER BY size")))
    tiles = _Tiles(connection)
    openings = _Openings(stack.enter_context(closing(all_openings(connection))), kept)
    views = SqliteViews(beside, journal=False)
    for entry, body in stack.enter_context(closing(all_entries(connection))):
        own = openings.of(entry.seq)
        tiles.add(check.entry(entry, body, own))
        if concerns_views(entry.kind):
            _follow(views, entry, own)
    check.end(kept.texts(rows("SELECT digest, body FROM text ORDER BY digest")))
    openings.end()
    tiles.end(rows("SELECT level, idx FROM tile"))
    _check_edge(connection, check, kept.total)
    for view in VIEWS:
        due = stack.enter_context(closing(view_rows(beside, view)))
        _check_view(view, stack.enter_context(closing(view_rows(connection, view))), due)
    return check.edge.size


def _follow(views: SqliteViews, entry: Entry, openings: list[Opening]) -> None:
    try:
        apply(views, entry, openings)
    except TallystickError as error:
        raise damage(
            f"journal entry {entry.seq} could not follow those before it: {error.message}", seq=entry.seq
        ) from error


def _check_edge(connection: sqlite3.Connection, check: JournalCheck, total: int) -> None:
    edge, kept = read_edge(connection)
    rows = connection.execute("SELECT only FROM tree").fetchall()
    if edge.size != check.edge.size:
        raise damage(
            f"the journal has {check.edge.size} entries, and its tree was made over {edge.size}",
            seq=min(edge.size, check.edge.size) + 1,
        )
    if edge.peaks != check.edge.peaks or rows not in ([], [(0,)]):
        raise damage("the right edge of the journal's tree was changed", table="tree")
    if kept != total:
        raise damage(
            "what is kept beside the journal is not what was written: an opening, a text or a checkpoint was changed,"
            " taken out or put in, or the sum over them was",
            table="tree",
        )


def _check_view(view: str, found: Iterator[Any], due: Iterator[Any]) -> None:
    for one, other in zip_longest(found, due):
        if one != other:
            key = " ".join(map(str, (one or other)[: VIEWS[view]]))
            raise damage(
                f"the view {view!r} does not show what the journal says, from {key!r} on",
                hint="tally store rebuild; and find out who changed it", view=view,
            )  # fmt: skip


class _Sum:
    """Adds up the marks of the rows beside the journal as they go by."""

    def __init__(self) -> None:
        self.total = 0

    def checkpoints(self, rows: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        for size, note in rows:
            self.total ^= mark("checkpoint", size, note)
            yield size, note

    def texts(self, rows: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        for digest, text in rows:
            self.total ^= mark("text", digest)
            yield digest, text


class _Openings:
    """The openings of one entry after the other."""

    def __init__(self, rows: Iterator[tuple[int, int, Opening]], kept: _Sum) -> None:
        self._kept = kept
        self._groups = groupby(rows, key=itemgetter(0))
        self._next: tuple[int, Iterator[tuple[int, int, Opening]]] | None = next(self._groups, None)

    def of(self, seq: int) -> list[Opening]:
        """Those of entry ``seq``; entries must be asked for in order."""
        if self._next is None or self._next[0] > seq:
            return []
        self.end(seq)
        found = []
        for due, (_, place, one) in enumerate(self._next[1]):
            if place != due:
                raise damage(f"the openings kept for entry {seq} are not those of its commitments", seq=seq)
            self._kept.total ^= opening_mark(seq, place, one)
            found.append(one)
        self._next = next(self._groups, None)
        return found

    def end(self, seq: int = 0) -> None:
        """Nothing but openings of entry ``seq`` may be next."""
        if self._next is not None and self._next[0] != seq:
            raise damage(
                f"openings are kept for entry {self._next[0]}, which there is not", seq=self._next[0]
            )


class _Tiles:
    """Makes the tiles anew from the leaves and compares them with those in the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._levels: list[list[bytes]] = [[]]
        self._counts = [0]

    def add(self, leaf: bytes) -> None:
        """The hash of the next leaf."""
        level = 0
        while True:
            self._levels[level].append(leaf)
            self._counts[level] += 1
            if len(self._levels[level]) < TILE:
                return
            self._compare(level)
            leaf = root_of(self._levels[level])
            self._levels[level].clear()
            level += 1
            if level == len(self._levels):
                self._levels.append([])
                self._counts.append(0)

    def _compare(self, level: int) -> None:
        index = (self._counts[level] - 1) // TILE
        sql = "SELECT hashes FROM tile WHERE level = ? AND idx = ?"
        row = self._connection.execute(sql, (level, index)).fetchone()
        if row is None or row[0] != b"".join(self._levels[level]):
            raise damage(
                f"tile {level}/{index} of the journal's tree was changed or is missing",
                level=level,
                index=index,
            )

    def end(self, places: Iterator[tuple[int, int]]) -> None:
        """Tiles that still grow, and tiles that should not be there."""
        for level in range(1, len(self._levels)):
            if self._levels[level]:
                self._compare(level)
        due = [count // TILE if level == 0 else -(-count // TILE) for level, count in enumerate(self._counts)]
        for level, index in places:
            if not 0 <= level < len(due) or not 0 <= index < due[level]:
                raise damage(
                    f"the journal's tree has a tile {level}/{index} too many", level=level, index=index
                )
