"""Sums over all runs, remembered by blocks of runs, so that asking again costs what changed and not what is there.

A block is the runs with ``BLOCK`` numbers that follow each other. Every change of a run gives it a new revision, so
what changed since a sum was made is known: the blocks of those runs are summed anew. Where runs went (merged, deleted
or erased) nothing says which block they were in, and all are summed anew. Nothing is kept in the file: each process
remembers for itself, and what it says belongs to the transaction it is asked in.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

BLOCK: Final = 1_024  # runs
MOST: Final = 64  # questions that are remembered
MOST_ROWS: Final = 100_000  # rows that are remembered of one question
_ALL: Final = "r.no BETWEEN ? AND ?"

_MARK = "SELECT value FROM meta WHERE key IN ('revision', 'scrubs', 'steps_deleted') ORDER BY key"
_GONE = "SELECT count(*), (SELECT max(revision) FROM alias) FROM alias"

Row = tuple[Any, ...]


@dataclass(slots=True)
class _Known:
    """The answers of blocks as they stood at ``revision``."""

    revision: int = -1
    gone: tuple[int | None, ...] = ()
    blocks: dict[int, list[Row]] = field(default_factory=dict)


class Remembered:
    """Answers of questions to blocks of runs. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def ask(self, connection: sqlite3.Connection, sql: str) -> list[Row]:
        """Rows of ``sql`` over all runs, in any order, the same keys once for each block.

        ``sql`` has ``{where}`` once, where a condition on a run ``r`` can stand, and no other values.
        """
        revision, *others = (row[0] for row in connection.execute(_MARK))
        gone = (*others, *connection.execute(_GONE).fetchone())
        with self._lock:
            known = self._known.get(sql)
            blocks = dict(known.blocks) if known is not None and known.gone == gone else {}
            since = known.revision if known is not None and blocks else -1
        if since > revision:  # a transaction that began before somebody else's
            blocks, since = {}, -1
        changed = "SELECT DISTINCT no / ? FROM run WHERE revision > ?"
        for (block,) in connection.execute(changed, (BLOCK, since)).fetchall():
            first = block * BLOCK
            blocks[block] = connection.execute(sql.format(where=_ALL), (first, first + BLOCK - 1)).fetchall()
        with self._lock:
            if sum(map(len, blocks.values())) <= MOST_ROWS:
                known = self._known.pop(sql, _Known())
                newer = known if known.revision > revision else _Known(revision, gone, blocks)
                self._known[sql] = newer  # the last one asked is the last to go
                while len(self._known) > MOST:
                    del self._known[next(iter(self._known))]
        return [row for rows in blocks.values() for row in rows]


def merged(rows: Sequence[Row], keys: int, *, least: int = -1, most: int = -1) -> list[Row]:
    """Rows with the same first ``keys`` values as one: their other values added up, but for the columns ``least`` and
    ``most``, of which the smallest and the greatest stay. Nothing and a number make the number."""
    found: dict[Row, list[Any]] = {}
    for row in rows:
        held = found.get(row[:keys])
        if held is None:
            found[row[:keys]] = list(row[keys:])
            continue
        for place, value in enumerate(row[keys:]):
            if value is None or held[place] is None:
                held[place] = value if held[place] is None else held[place]
            elif place + keys == least:
                held[place] = min(held[place], value)
            elif place + keys == most:
                held[place] = max(held[place], value)
            else:
                held[place] += value
    return [(*key, *values) for key, values in found.items()]
