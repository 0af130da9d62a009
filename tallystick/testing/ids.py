"""Ids that count up, so that a test can name them beforehand."""

from __future__ import annotations

import threading


class CountingIds:
    """Meets ``ports.Ids``: ``apr_0001``, ``apr_0002``, ``dec_0001``, … one count for each prefix."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._lock = threading.Lock()

    def new(self, prefix: str) -> str:
        """The next id with this prefix; sorts in the order of making up to 9,999."""
        with self._lock:
            number = self._last.get(prefix, 0) + 1
            self._last[prefix] = number
            return f"{prefix}_{number:04}"

    def salt(self) -> bytes:
        """16 bytes, different at each call and the same in each test."""
        return int(self.new("salt").rpartition("_")[2]).to_bytes(16, "big")
