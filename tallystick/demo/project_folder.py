"""The demo's project on disk: declarations, policies and pages copied from the package, and a fresh order database."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from tallystick.demo.orders import Orders

DESK = "desk"  # the project's folder inside the store


def lay_out(folder: Path) -> Path:
    """Write the project into ``folder`` (made if needed; files of an earlier demo are replaced) and return it."""
    with as_file(files("tallystick.demo") / "project") as source:
        shutil.copytree(source, folder, dirs_exist_ok=True)
    Orders.create(folder / "orders.db")
    return folder
