"""Counts of what came in, in memory (``ports.Counts``)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tallystick.adapters.counts_file import counted, losses
from tallystick.ports import Loss, Tidings


class MemoryCounts:
    """Counts of this process."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {}

    def add(self, news: Tidings) -> None:
        """Count."""
        with self._lock:
            counted(self._state, news, self._clock())

    def read(self) -> tuple[Tidings, tuple[Loss, ...]]:
        """Everything counted so far."""
        with self._lock:
            state = self._state
            whole = Tidings(
                state.get("accepted", 0), state.get("repeats", 0), dict(state.get("rejected", {}))
            )
            return whole, losses(state)

    def flush(self) -> None:
        """Nothing waits."""
