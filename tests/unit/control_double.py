"""A control store for tests of the guard: the one in memory, and what a test needs to see or break besides."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tallystick.adapters.memory import MemoryControl
from tallystick.model.journal import Draft, Entry


class Clock:
    """A clock that tests move."""

    def __init__(self, at: int = 1_790_000_000_000_000_000) -> None:
        self.at = at

    def now(self) -> int:
        return self.at


class Ids:
    """Ids that count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def new(self, prefix: str) -> str:
        with self._lock:
            self._last += 1
            return f"{prefix}_{self._last:06}"

    def salt(self) -> bytes:
        return int(self.new("salt").rpartition("_")[2]).to_bytes(16, "big")


class Control(MemoryControl):
    """Tells what was written together; raises ``broken`` instead of writing where it is set."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock, ids=Ids())
        self.clock = clock
        self.transactions: list[list[str]] = []
        self.broken: Exception | None = None

    def append(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        if self.broken is not None:
            raise self.broken
        entries = super().append(drafts)
        self.transactions.append([draft.kind for draft in drafts])
        return entries

    @property
    def journal(self) -> list[Entry]:
        return list(self.entries(limit=100_000))
