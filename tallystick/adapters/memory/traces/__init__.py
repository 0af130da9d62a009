"""The trace store in memory: what it stands on (``held_runs``), one class per port, and the store of them."""

from tallystick.adapters.memory.traces.store import MemoryTraces

__all__ = ["MemoryTraces"]
