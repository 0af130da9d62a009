"""Parents that have not come, of runs that wait for many of them: a row each, so that a batch costs what it brings.

A tally that held them all would be read and written whole with every batch of its run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from tallystick.model.step import Step
from tallystick.observe.parents import MOST_HELD
from tallystick.observe.summary import Tally

SCHEMA = """
-- Parents (trace and span id) that steps of a run name and that have not come, where its tally does not hold them.
CREATE TABLE awaited (run INTEGER NOT NULL, step BLOB NOT NULL, PRIMARY KEY (run, step)) WITHOUT ROWID;
"""
_TAKE = "DELETE FROM awaited WHERE run=? AND step=?"
_PUT = "INSERT OR IGNORE INTO awaited (run, step) VALUES (?,?)"


def take(connection: sqlite3.Connection, run: int, tally: Tally, steps: Sequence[Step]) -> None:
    """Give a tally back which of ``steps`` its run waited for."""
    if not tally.beside:
        return
    for step in steps:
        key = step.trace + step.span
        if connection.execute(_TAKE, (run, bytes.fromhex(key))).rowcount:
            tally.missing.add(key)
            tally.beside -= 1


def put(connection: sqlite3.Connection, run: int, tally: Tally) -> None:
    """Take out of a tally what is too much for it."""
    if tally.missing and (tally.beside or len(tally.missing) > MOST_HELD):
        keys = sorted(tally.missing)
        tally.beside += connection.executemany(_PUT, [(run, bytes.fromhex(key)) for key in keys]).rowcount
        tally.missing = set()


def forget(connection: sqlite3.Connection, run: int) -> None:
    """The run is no more, or is counted anew."""
    connection.execute("DELETE FROM awaited WHERE run=?", (run,))


def whole(connection: sqlite3.Connection, run: int, tally: Tally) -> Tally:
    """The tally with all that its run waits for; the tally itself where what is kept beside it is not what it says."""
    found = {row[0].hex() for row in connection.execute("SELECT step FROM awaited WHERE run=?", (run,))}
    if len(found) != tally.beside or found & tally.missing:
        return tally
    return replace(tally, missing=tally.missing | found, beside=0) if found else tally
