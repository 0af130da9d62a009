"""Losses of the SDK's processes as their spool folder tells them; faults of the SDK are kept there too.

A fault at the edge (edge.py) is contained and counted in its process. So that ``tally doctor`` can tell of it, each
process adds what it counted to one small file in the spool folder now and then, and when recording ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tallystick.sdk.adoption import REJECTED_NAME, owners
from tallystick.sdk.edge import faults, last_faults
from tallystick.sdk.rejects import Rejects
from tallystick.sdk.spool import COUNTS, LOST_NAME

FAULTS_NAME: Final = "faults.json"
_MOST: Final = 64  # places
_told: dict[str, int] = {}  # what of this process's faults is in a file already


def keep_faults(folder: Path, *, now: int) -> None:
    """Add the faults counted since the last time to the folder's file; ``now`` is nanoseconds. Raises OSError."""
    counted = faults()
    fresh = {place: number - _told.get(place, 0) for place, number in counted.items()}
    fresh = {place: number for place, number in fresh.items() if number > 0}
    if not fresh or not folder.is_dir():
        return
    last = last_faults()
    descriptor = os.open(folder / FAULTS_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        held = _decoded(file.read())
        for place, number in fresh.items():
            if place in held or len(held) < _MOST:
                row = held.setdefault(place, {"count": 0, "since": now})
                row["count"] += number
                row["last"] = last.get(place, "")[:300]
        file.seek(0)
        file.truncate()
        file.write(msgspec.json.encode(held))
    _told.update(counted)


def _decoded(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any]) if content else {}
    except msgspec.MsgspecError:
        return {}  # a write that was cut short; what comes is counted anew


def kept_faults(folder: Path) -> Mapping[str, Any]:
    """Faults by place: ``{"count", "since", "last"}``."""
    path = folder / FAULTS_NAME
    return _decoded(path.read_bytes()) if path.is_file() else {}


def spool_losses(folder: Path) -> list[tuple[str, str, int, int]]:
    """(where, why, count, since in nanoseconds) of what was lost in spools and could not be reported, was refused, or
    went wrong in the SDK."""
    found: list[tuple[str, str, int, int]] = []
    lost = since = 0
    for owner in owners(folder):
        counts = owner / LOST_NAME
        if counts.is_file() and counts.stat().st_size == COUNTS.size:
            total, reported = COUNTS.unpack(counts.read_bytes())
            if total > reported:
                lost += total - reported
                since = since or counts.stat().st_mtime_ns
    if lost:
        found.append(("spool", "there was no room for a record", lost, since))
    refused = Rejects(folder / REJECTED_NAME).listed()
    if refused:
        found.append(("spool", f"refused and set aside, the last: {refused[-1][0]}"[:300], len(refused), 0))
    for place, row in kept_faults(folder).items():
        why = f"a fault in {place} was contained: {row.get('last', '')}"
        found.append(("sdk", why[:300], int(row.get("count", 0)), int(row.get("since", 0))))
    return found
