"""Tallystick: the operating layer for AI agents in production.

The front door. Names are loaded when they are first used, so that importing the package costs an agent's process
almost nothing; only ``init`` opens a store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallystick.model.errors import Denied, OverBudget, Stopped, TallystickError
    from tallystick.sdk.agents import agent
    from tallystick.sdk.marks import handoff, score
    from tallystick.sdk.models import model_call
    from tallystick.sdk.place import carry
    from tallystick.sdk.propagation import inject, joined
    from tallystick.sdk.running import run
    from tallystick.sdk.tools import guard, outcome, tool
    from tallystick.wiring import flush, init, shutdown

__version__ = "0.1.0"

__all__ = [
    "Denied",
    "OverBudget",
    "Stopped",
    "TallystickError",
    "__version__",
    "agent",
    "carry",
    "flush",
    "guard",
    "handoff",
    "init",
    "inject",
    "joined",
    "model_call",
    "outcome",
    "run",
    "score",
    "shutdown",
    "tool",
]

_HOMES = {
    "Denied": "model.errors",
    "OverBudget": "model.errors",
    "Stopped": "model.errors",
    "TallystickError": "model.errors",
    "agent": "sdk.agents",
    "carry": "sdk.place",
    "flush": "wiring",
    "guard": "sdk.tools",
    "handoff": "sdk.marks",
    "init": "wiring",
    "inject": "sdk.propagation",
    "joined": "sdk.propagation",
    "model_call": "sdk.models",
    "outcome": "sdk.tools",
    "run": "sdk.running",
    "score": "sdk.marks",
    "shutdown": "wiring",
    "tool": "sdk.tools",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tallystick' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"tallystick.{home}"), name)
    globals()[name] = value  # the next use finds it directly
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
