"""The peers' own virtual environments: found in TALLYSTICK_BENCH_ENVS, or made under bench/.work/."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

WORK = Path(__file__).resolve().parent / ".work"
PINS = {
    "phoenix": "arize-phoenix==20.26.1",
    "mlflow": "mlflow==3.17.2",
    "agentdojo": "agentdojo==0.1.35",
}


def folder_of(peer: str, *also: str) -> Path:
    """The environment of a peer; made on first use, which takes minutes and about a gigabyte.

    ``also`` are further arguments to pip's install command, such as ``-e`` and a folder.
    """
    base = Path(os.environ.get("TALLYSTICK_BENCH_ENVS", WORK / "envs"))
    folder = base / peer
    if not (folder / "bin" / "python").exists():
        print(f"installing {PINS[peer]} into {folder} …", file=sys.stderr, flush=True)
        _make(folder, PINS[peer], *also)
    return folder


def _make(folder: Path, *requirements: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv")
    if uv:
        subprocess.run([uv, "venv", "-q", str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "-p", str(folder), *requirements], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", *requirements], check=True)


def version_of(environment: Path, package: str) -> str:
    """The installed version of a package, asked of that environment's own interpreter."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    out = subprocess.run(
        [str(environment / "bin" / "python"), "-c", code], capture_output=True, text=True, check=True
    )
    return out.stdout.strip()


def packages_of(environment: Path) -> int:
    """How many distributions an environment holds, the installers themselves not counted."""
    code = (
        "import importlib.metadata as m;"
        "print(len({d.metadata['Name'].lower() for d in m.distributions()} - {'pip', 'setuptools', 'wheel'}))"
    )
    out = subprocess.run(
        [str(environment / "bin" / "python"), "-c", code], capture_output=True, text=True, check=True
    )
    return int(out.stdout)


def install_bytes(environment: Path) -> int:
    """Bytes on disk of an environment's site-packages, compiled files included."""
    total = 0
    for path in (environment / "lib").rglob("*"):
        if path.is_file() and not path.is_symlink():
            total += path.stat().st_size
    return total
