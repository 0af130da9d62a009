"""The cost of one traced call, measured by bench/sdk_call.py in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def sdk_call(root: Path) -> str | None:
    """What bench/sdk_call.py printed, or None when it is not there. A failure is returned as its text."""
    script = root / "bench" / "sdk_call.py"
    if not script.exists():
        return None
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=root, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else f"failed: {done.stderr.strip()[-400:]}"
