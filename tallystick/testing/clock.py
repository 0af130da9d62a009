"""A clock that moves only when it is told to."""

from __future__ import annotations

import threading

_NANO = 1_000_000_000
_NOON = 1_795_435_200 * _NANO  # 2026-11-23 12:00:00 UTC: any fixed moment would do


class FakeClock:
    """Meets ``ports.Clock``. ``tick`` nanoseconds pass at each reading (0: time stands still)."""

    def __init__(self, now: int = _NOON, *, tick: int = 0) -> None:
        self._now = now
        self._tick = tick
        self._lock = threading.Lock()

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        with self._lock:
            value = self._now
            self._now += self._tick
            return value

    def advance(self, nanoseconds: int = 0, *, seconds: int = 0) -> None:
        """Move forward (or back, with negative numbers)."""
        with self._lock:
            self._now += nanoseconds + seconds * _NANO
