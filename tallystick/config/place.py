"""Where the store is, when nobody says: one rule for every command and every agent."""

from __future__ import annotations

import os
from pathlib import Path

from tallystick.config.settings import find_project_file

STORE_FOLDER = ".tallystick"


def find_store(explicit: Path | None, *, project: Path | None = None) -> Path:
    """The store's folder: what was asked for, else beside the nearest tallystick.toml, else the user's data folder."""
    if explicit is not None:
        return explicit
    if project is None:
        found = find_project_file(Path.cwd())
        project = found.parent if found is not None else None
    if project is not None:
        return project / STORE_FOLDER
    if os.environ.get("XDG_DATA_HOME"):
        return Path(os.environ["XDG_DATA_HOME"]) / "tallystick"
    return Path.home() / ".local" / "share" / "tallystick"
