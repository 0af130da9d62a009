"""Blobs in memory (``ports.Blobs``)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable


class MemoryBlobs:
    """Bytes by digest."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[bytes, int]] = {}
        self._lock = threading.Lock()

    def put(self, sha256: str, raw: bytes) -> None:
        """Keep bytes."""
        with self._lock:
            self._held[sha256] = (raw, time.time_ns())

    def read(self, sha256: str) -> bytes | None:
        """The bytes, or None."""
        held = self._held.get(sha256)
        return None if held is None else held[0]

    def size(self, sha256: str) -> int | None:
        """How many bytes, or None."""
        held = self._held.get(sha256)
        return None if held is None else len(held[0])

    def remove(self, sha256: str) -> None:
        """Take bytes away."""
        with self._lock:
            self._held.pop(sha256, None)

    def found(self) -> Iterable[tuple[str, int]]:
        """Every digest, and when its bytes were put last."""
        with self._lock:
            return [(sha256, at) for sha256, (_, at) in sorted(self._held.items())]

    def strangers(self) -> Iterable[str]:
        """None: nobody else can put anything here."""
        return ()
