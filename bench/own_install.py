"""A fresh environment with ``tallystick[server]``: what a user installs, and what the server is measured in.

The development environment would not do: it holds packages that a user does not have, and some of them (pydantic) are
imported by others only because they are there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def own_install(root: Path, folder: Path, extra: str = "[server]") -> Path:
    """Install the repository into a new environment at ``folder`` (an old one is removed) and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv")
    wanted = f"{root}{extra}"
    if uv:
        subprocess.run([uv, "venv", "-q", "-p", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "-p", str(folder), wanted], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", wanted], check=True)
        subprocess.run(
            [str(folder / "bin" / "pip"), "uninstall", "-q", "-y", "setuptools", "pip"], check=True
        )
    compiled = [str(folder / "bin" / "python"), "-m", "compileall", "-q", str(folder / "lib")]
    subprocess.run(
        compiled, check=False, capture_output=True
    )  # templates of some packages are no valid Python
    return folder
