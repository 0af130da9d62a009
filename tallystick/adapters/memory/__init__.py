"""Stores that live in one process, for tests and short-lived programs."""

from tallystick.adapters.memory.control import MemoryControl
from tallystick.adapters.memory.traces import MemoryTraces

__all__ = ["MemoryControl", "MemoryTraces"]
