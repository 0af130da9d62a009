"""What was written is on the disk, whatever becomes of the machine."""

from __future__ import annotations

import os
from pathlib import Path


def to_disk(path: Path) -> None:
    """Bring a file, or the names in a folder, onto the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
