"""What came in and what was refused or dropped on the way, in one small file that the processes of a store share.

They are written once a second at most, and by a server every few seconds in any case; so a process that is killed may
leave its last seconds out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tallystick.adapters.state_file import StateFile
from tallystick.model.errors import TallystickError
from tallystick.ports import Loss, Tidings

_EVERY_NS: Final = 1_000_000_000
MOST: Final = 100  # reasons that are counted by themselves; the rest under one
_REST: Final = "other reasons"
_LONGEST: Final = 160  # characters of a reason


def counted(state: dict[str, Any], news: Tidings, at: int) -> None:
    """Add news to a state; ``at`` is when, in nanoseconds."""
    state["accepted"] = int(state.get("accepted", 0)) + news.accepted
    state["repeats"] = int(state.get("repeats", 0)) + news.repeats
    for reason, number in news.rejected.items():
        held = state.setdefault("rejected", {})
        name = _within(held, reason[:_LONGEST])
        held[name] = int(held.get(name, 0)) + number
    for (where, why), number in news.dropped.items():
        held = state.setdefault("dropped", {})
        name = _within(held, f"{where}\n{why[:_LONGEST]}")
        row = held.setdefault(name, {"count": 0, "since": at})
        row["count"] = int(row["count"]) + number


def _within(held: Mapping[str, Any], name: str) -> str:
    return name if name in held or len(held) < MOST else _REST


def losses(state: Mapping[str, Any]) -> tuple[Loss, ...]:
    """The dropped rows of a state, most first."""
    rows = []
    for name, row in state.get("dropped", {}).items():
        where, _, why = name.partition("\n")
        rows.append(Loss(where, why, int(row["count"]), int(row["since"])))
    return tuple(sorted(rows, key=lambda row: (-row.count, row.where, row.why)))


class CountsFile:
    """Counts of one store (``ports.Counts``). Safe from any thread; many processes may share the file."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], int],
        *,
        on_fault: Callable[[TallystickError], None] | None = None,
    ) -> None:
        """``on_fault`` hears why the file could not be written; the counts wait in memory until it can."""
        self._file = StateFile(path, private=True)
        self._clock = clock
        self._lock = threading.Lock()
        self._news = Tidings()
        self._written = 0
        self._on_fault = on_fault

    def add(self, news: Tidings) -> None:
        """Count; never raises, because counting must not undo what was committed."""
        now = self._clock()
        with self._lock:
            self._news = self._news.plus(news)
            if now - self._written >= _EVERY_NS:
                self._write(now)

    def read(self) -> tuple[Tidings, tuple[Loss, ...]]:
        """Everything counted so far, by all processes. Raises StoreFault for a file that cannot be read."""
        with self._lock:
            self._write(self._clock())
        state = self._file.read()
        whole = Tidings(
            int(state.get("accepted", 0)), int(state.get("repeats", 0)), state.get("rejected", {})
        )
        return whole, losses(state)

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._write(self._clock())

    def _write(self, now: int) -> None:
        if self._news == Tidings():
            return
        news = self._news
        try:
            self._file.change(lambda state: counted(state, news, now))
        except TallystickError as error:
            if self._on_fault is not None:
                self._on_fault(error)
            return
        self._news, self._written = Tidings(), now
