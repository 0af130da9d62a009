"""Which steps of a run may hold a text: looked for in the bytes as they lie in frames, before any step is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tallystick.adapters.sqlite.frames import FrameReader


def may_hold(
    connection: sqlite3.Connection, frames: FrameReader, run: int, text: str
) -> Sequence[str] | None:
    """Span ids in order of arrival; None where the bytes do not tell."""
    return None
