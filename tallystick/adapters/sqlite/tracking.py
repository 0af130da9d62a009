"""Which runs have something in which frames, beyond what the writer of a batch notes (``FrameWriter.track``)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable


def follow(connection: sqlite3.Connection, old: int, new: int, *, moving: bool = False) -> None:
    """Steps of run number ``old`` went to ``new``: so do their frames; ``moving``: all went, and ``old`` is no more."""
    connection.execute(
        "INSERT OR IGNORE INTO frame_run (frame, run) SELECT frame, ? FROM frame_run WHERE run=?", (new, old)
    )
    if moving:
        connection.execute("DELETE FROM frame_run WHERE run=?", (old,))


def frames_of(connection: sqlite3.Connection, runs: Iterable[int]) -> set[int]:
    """The frames in which runs (row numbers) have or had bodies or contents. ``fill`` must be through."""
    return {
        row[0]
        for run in runs
        for row in connection.execute("SELECT frame FROM frame_run WHERE run=?", (run,))
    }
