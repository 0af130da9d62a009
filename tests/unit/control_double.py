"""A control store for tests of the guard: the one in memory, with a journal to look into and faults to order."""

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
        return self.new("salt").encode().ljust(16, b"-")


class Control(MemoryControl):
    """``broken`` is raised instead of writing; ``transactions`` are the kinds of what was appended together."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock, ids=Ids())
        self.clock = clock
        self.transactions: list[list[str]] = []
        self.broken: Exception | None = None

    @property
    def journal(self) -> list[Entry]:
        return list(self._journal)

    def append(self, drafts: Sequence[Draft], *, expecting: int | None = None) -> tuple[Entry, ...]:
        with self._lock:
            if self.broken is not None:
                raise self.broken
            made = super().append(drafts, expecting=expecting)
            self.transactions.append([draft.kind for draft in drafts])
            return made
