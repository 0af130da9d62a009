"""Which runs have something in which frames, beyond what the writer of a batch notes (``FrameWriter.track``); and what
blobs they name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable


def follow(connection: sqlite3.Connection, old: int, new: int, *, moving: bool = False) -> None:
    """Steps of run number ``old`` went to ``new``: so do their frames and blobs; ``moving``: all, ``old`` is gone."""
    connection.execute(
        "INSERT OR IGNORE INTO frame_run (frame, run) SELECT frame, ? FROM frame_run WHERE run=?", (new, old)
    )
    connection.execute(
        "INSERT OR IGNORE INTO blob_run (blob, run) SELECT blob, ? FROM blob_run WHERE run=?", (new, old)
    )
    if moving:
        connection.execute("DELETE FROM frame_run WHERE run=?", (old,))
        connection.execute("DELETE FROM blob_run WHERE run=?", (old,))


def frames_of(connection: sqlite3.Connection, runs: Iterable[int]) -> set[int]:
    """The frames in which runs (row numbers) have or had bodies or contents. ``fill`` must be through."""
    return {
        row[0]
        for run in runs
        for row in connection.execute("SELECT frame FROM frame_run WHERE run=?", (run,))
    }
