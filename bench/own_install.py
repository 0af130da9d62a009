"""What an install of Tallystick costs: a fresh environment with ``tallystick[server]``, and one with the SDK alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.environments import install_bytes, packages_of


def own_install(root: Path, extra: str = "[server]") -> tuple[int | None, int | None]:
    """Packages and bytes of a fresh install from the repository; (None, None) when no installer gets through."""
    with tempfile.TemporaryDirectory(prefix="tally-install-") as name:
        folder = Path(name) / "env"
        uv = shutil.which("uv")
        wanted = f"{root}{extra}"
        try:
            if uv:
                subprocess.run([uv, "venv", "-q", str(folder)], check=True)
                subprocess.run([uv, "pip", "install", "-q", "-p", str(folder), wanted], check=True)
            else:
                subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
                subprocess.run([str(folder / "bin" / "pip"), "install", "-q", wanted], check=True)
                subprocess.run(
                    [str(folder / "bin" / "pip"), "uninstall", "-q", "-y", "setuptools"], check=True
                )
        except subprocess.CalledProcessError as error:
            print(f"install not measured: {error}", file=sys.stderr)
            return None, None
        return packages_of(folder), install_bytes(folder)
