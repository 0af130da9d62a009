"""A real ``tally up`` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def tally_up(store: Path, **settings: str) -> Iterator[int]:
    """The port of a server over ``store``; ``settings`` are environment names without TALLYSTICK_."""
    given = {"PORT": "0", "OTLP_PORT": "0", "GRPC_PORT": "0"} | settings
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | {
        f"TALLYSTICK_{name}": value for name, value in given.items()
    }
    command = [sys.executable, "-m", "tallystick", "up", "--store", str(store)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stderr is not None
        address = next(line for line in process.stderr if "pages" in line).split()[-1]
        yield int(address.rsplit(":", 1)[1].rstrip("/"))
        process.terminate()
        process.wait(20)
