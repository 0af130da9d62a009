"""The in-memory pair of stores, for tests that need a real store and no files."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.ports import Clock, ControlStore, Ids, TraceStore
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds


@dataclass(frozen=True, slots=True)
class MemoryStores:
    """A trace store and a control store that share a clock and ids."""

    traces: TraceStore
    control: ControlStore
    clock: Clock
    ids: Ids


def memory_stores(clock: Clock | None = None, ids: Ids | None = None) -> MemoryStores:
    """Fresh in-memory stores; clock and ids default to a FakeClock and CountingIds."""
    from tallystick.adapters.memory.control import MemoryControl  # only those who ask pay for the import
    from tallystick.adapters.memory.traces import MemoryTraces

    clock = clock or FakeClock()
    ids = ids or CountingIds()
    return MemoryStores(MemoryTraces(), MemoryControl(clock=clock, ids=ids), clock, ids)
