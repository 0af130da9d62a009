"""Which runs have something in which frames and in which files of the archive, and which blobs they name.

What the writer of a batch puts into frames is noted by ``FrameWriter.track``; here is what happens to runs later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable


def follow(connection: sqlite3.Connection, old: int, new: int, *, moving: bool = False) -> None:
    """Steps of run number ``old`` went to ``new``: so do their frames, blobs and what the archive has of them.

    ``moving``: all went, and ``old`` is no more.
    """
    connection.execute(
        "INSERT OR IGNORE INTO frame_run (frame, run) SELECT frame, ? FROM frame_run WHERE run=?", (new, old)
    )
    connection.execute(
        "INSERT OR IGNORE INTO left_behind SELECT segment, ? FROM left_behind WHERE run=?", (new, old)
    )
    connection.execute(
        "INSERT OR IGNORE INTO blob_run (blob, run) SELECT blob, ? FROM blob_run WHERE run=?", (new, old)
    )
    if moving:
        connection.execute("DELETE FROM frame_run WHERE run=?", (old,))
        connection.execute("DELETE FROM left_behind WHERE run=?", (old,))
        connection.execute("DELETE FROM blob_run WHERE run=?", (old,))


def frames_of(connection: sqlite3.Connection, runs: Iterable[int]) -> set[int]:
    """The frames in which runs (row numbers) have or had bodies or contents. ``fill`` must be through."""
    return {
        row[0]
        for run in runs
        for row in connection.execute("SELECT frame FROM frame_run WHERE run=?", (run,))
    }


def leave_behind(connection: sqlite3.Connection, run: int) -> None:
    """A run is about to be brought back: its segment's file has its steps for as long as other runs need it."""
    connection.execute(
        "INSERT OR IGNORE INTO left_behind SELECT segment, run FROM archived_run WHERE run=?", (run,)
    )


def purge(connection: sqlite3.Connection, run: int) -> None:
    """A run's contents go: so must every segment that has or had its steps, and one that is being written now."""
    connection.execute(
        "UPDATE segment SET purge=1 WHERE state=0 OR no IN (SELECT segment FROM archived_run WHERE run=?1"
        " UNION SELECT segment FROM left_behind WHERE run=?1)",
        (run,),
    )
    connection.execute("DELETE FROM left_behind WHERE run=?", (run,))
