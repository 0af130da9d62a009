"""``tally run -- python my_agent.py``: recording without a change to the program.

The folder of this package is put first on the child's PYTHONPATH; Python imports the ``sitecustomize`` module it finds
there before the program starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SWITCH = "TALLYSTICK_AUTOSTART"


def autostart_env(base: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process that records itself; settings travel as TALLYSTICK_* in ``base``."""
    here = str(Path(__file__).resolve().parent)
    rest = [part for part in base.get("PYTHONPATH", "").split(os.pathsep) if part and part != here]
    return {**base, "PYTHONPATH": os.pathsep.join([here, *rest]), SWITCH: "1"}
