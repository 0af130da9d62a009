"""Make ``.venv`` with Tallystick and everything its tests and demo need; ``make`` calls this once.

Needs nothing but Python 3.11+: uv is used where it is on PATH; else venv and pip, and where a distribution ships Python
without pip (``ensurepip`` split off into another package), pip's own wheel is fetched from the package index.
Honours PIP_INDEX_URL / UV_INDEX_URL. Run it again at any time.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
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
        _run(uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--group", "dev", "-e", *WANTED)
    else:
        _with_pip()
    sys.stderr.write("set up: .venv is ready\n")


def _with_pip() -> None:
    python = _new_enough()
    if not PYTHON.exists():
        sys.stderr.write("setting up .venv (once; a minute or two)\n")
        own_pip = (
            subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True).returncode == 0
        )
        _run(python, "-m", "venv", *(() if own_pip else ("--without-pip",)), str(VENV))
    if subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True).returncode != 0:
        _fetch_pip()
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


def _fetch_pip() -> None:
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    try:
        with urllib.request.urlopen(index, timeout=60) as answer:
            page = answer.read().decode("utf-8")
        links = re.findall(r'href="([^"]+/pip-[\d.]+-py3-none-any\.whl[^"]*)"', page)
        newest = max(
            links,
            key=lambda link: [int(part) for part in re.findall(r"/pip-([\d.]+)-py3", link)[0].split(".")],
        )
        address, _, fragment = urllib.parse.urljoin(index, newest).partition("#")
        with urllib.request.urlopen(address, timeout=120) as answer:
            wheel = answer.read()
    except (OSError, ValueError, IndexError) as error:
        sys.exit(f"pip is missing and cannot be fetched ({error}); install your system's python3-venv or uv")
    if fragment.startswith("sha256=") and hashlib.sha256(wheel).hexdigest() != fragment[7:]:
        sys.exit("the pip that the package index sent is not the one it promised")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / address.rsplit("/", 1)[1]
        path.write_bytes(wheel)
        _run(str(PYTHON), f"{path}/pip", "install", "--quiet", "--disable-pip-version-check", "pip")


def _version(link: str) -> list[int]:
    return [int(part) for part in re.findall(r"/pip-([\d.]+)-py3", link)[0].split(".")]


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"set-up stopped: {' '.join(command)} failed with {done.returncode}")


if __name__ == "__main__":
    main()
