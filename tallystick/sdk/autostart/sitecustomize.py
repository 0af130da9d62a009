"""Switches recording on in a program started by ``tally run``, then hands over to the sitecustomize that was hidden."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path


def _next_sitecustomize() -> None:
    """Run the sitecustomize module that this one hides, if there is one further down the path."""
    own = Path(__file__).resolve().parent
    for entry in sys.path:
        candidate = Path(entry or ".") / "sitecustomize.py"
        if not candidate.is_file() or candidate.resolve().parent == own:
            continue
        spec = importlib.util.spec_from_file_location("sitecustomize", candidate)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)
        return


def _switch_on() -> None:
    """Start recording; a fault is told on stderr and never stops the program."""
    if os.environ.get("TALLYSTICK_AUTOSTART") != "1":
        return
    try:
        # By name, at run time: the door may not know the front of the house, but the program's user asked for it.
        importlib.import_module("tallystick").init()
    except Exception as error:  # noqa: BLE001 - the program must run, recorded or not
        sys.stderr.write(f"tallystick: recording is off: {type(error).__name__}: {error}\n")


_switch_on()
_next_sitecustomize()
