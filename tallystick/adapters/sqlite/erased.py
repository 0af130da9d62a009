"""Which runs were erased, and whether an erasure was begun and did not come to its end."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from tallystick.adapters.sqlite.runs import pairs_in

_BEGUN, _RUNS = (
    "erasing",
    "erased",
)  # rows of the table meta: only stores in which something was erased have them


def any_erased(connection: sqlite3.Connection) -> bool:
    """Whether any run was ever erased: a writer asks nothing else of a store that has none."""
    return connection.execute("SELECT 1 FROM meta WHERE key=?", (_RUNS,)).fetchone() is not None


def erased_among(
    connection: sqlite3.Connection, numbers: Collection[int], ids: Collection[str]
) -> tuple[set[int], set[str]]:
    """Those of some runs that were erased: by number, and by id or earlier id."""
    by_number = pairs_in(connection, "SELECT no FROM run WHERE erased AND no IN ({})", sorted(numbers))
    by_id = pairs_in(connection, "SELECT id FROM run WHERE erased AND id IN ({})", sorted(ids))
    earlier = pairs_in(
        connection,
        "SELECT a.id FROM alias a JOIN run r ON r.no = a.run WHERE r.erased AND a.id IN ({})",
        sorted(ids),
    )
    return {row[0] for row in by_number}, {row[0] for row in (*by_id, *earlier)}


def begin(connection: sqlite3.Connection) -> None:
    """Note, with the first change, that bytes of what was erased are in the files until ``end``."""
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, 1)", [(_BEGUN,), (_RUNS,)])


def end(connection: sqlite3.Connection) -> None:
    """No file holds what was erased any more."""
    connection.execute("DELETE FROM meta WHERE key=?", (_BEGUN,))


def unfinished(connection: sqlite3.Connection) -> list[str]:
    """The erased runs, where an erasure did not come to its end."""
    if connection.execute("SELECT 1 FROM meta WHERE key=?", (_BEGUN,)).fetchone() is None:
        return []
    return [row[0] for row in connection.execute("SELECT id FROM run WHERE erased ORDER BY no")]
