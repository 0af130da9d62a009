"""Make ``.venv`` with Tallystick and everything its tests and demo need; ``make`` calls this once.

Needs nothing but Python 3.11+: uv is used where it is on PATH, else venv and pip. Some distributions split pip's
bootstrap (``ensurepip``) off into a package of their own; it is installed where that can be done, and named where not.
Run it again at any time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
WANTED = [f"{ROOT}[server,demo]"]
NEEDS = (3, 11)


def main() -> None:
    """Set everything up, or stop with one line that says what is missing."""
    uv = shutil.which("uv")
    if uv:
        _run(uv, "venv", "--quiet", "--allow-existing", "--python", f">={NEEDS[0]}.{NEEDS[1]}", str(VENV))
        _run(
            uv,
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--python",
            str(PYTHON),
            "--group",
            "dev",
            "-e",
            *WANTED,
        )
    else:
        _with_pip()
    sys.stderr.write("set up: .venv is ready\n")


def _with_pip() -> None:
    python = _new_enough()
    if not PYTHON.exists():
        sys.stderr.write("setting up .venv (once; a minute or two)\n")
        if not _has_ensurepip(python):
            _install_ensurepip(python)
        _run(python, "-m", "venv", str(VENV))
    if subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True).returncode != 0:
        _run(str(PYTHON), "-m", "ensurepip", "--upgrade")  # an environment that uv made has no pip
    # Dependency groups came with pip 25.1; the one that ships with Python may be older.
    _run(
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--upgrade",
        "pip>=25.1",
    )
    _run(
        str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--group", f"{ROOT / 'pyproject.toml'}:dev", "-e", *WANTED,
    )  # fmt: skip


def _new_enough() -> str:
    if sys.version_info >= NEEDS:
        return sys.executable
    for minor in range(20, NEEDS[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    sys.exit(f"Python {NEEDS[0]}.{NEEDS[1]} or newer is needed; this is {sys.version.split()[0]}")


def _has_ensurepip(python: str) -> bool:
    return subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True).returncode == 0


def _install_ensurepip(python: str) -> None:
    """Debian and its kin keep it in python3-venv; anybody but the superuser is told what to install."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv")
    if not _has_ensurepip(python):
        sys.exit(
            f"{python} comes without ensurepip: install your system's python3-venv, or uv, and run make again"
        )


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"set-up stopped: {' '.join(command)} failed with {done.returncode}")


if __name__ == "__main__":
    main()
