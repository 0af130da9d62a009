"""Large binaries that runs name (``ports.BlobTraces``): read from their spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tallystick.adapters.memory.held import Held
from tallystick.adapters.memory.traces.held_runs import HeldRuns
from tallystick.adapters.naming import unknown_blob
from tallystick.model.attributes import BLOBS
from tallystick.model.blob import Blob, references

_HOUR_NS: Final = 3_600_000_000_000


class MemoryBlobbing(HeldRuns):
    """Says which blobs runs name, gives their bytes, and takes away those that no run names any more."""

    def blobs(self, run: str) -> Sequence[Blob]:
        """The blobs that a run names, by digest."""
        with self._lock:
            return sorted(_named(self._get(run)).values(), key=lambda blob: blob.sha256)

    def blob(self, sha256: str) -> tuple[Blob, bytes]:
        """A blob that some run names."""
        with self._lock:
            found = next(
                (named[sha256] for named in map(_named, self._runs.values()) if sha256 in named), None
            )
            raw = None if found is None or self._blobs is None else self._blobs.read(sha256)
        if found is None or raw is None:
            raise unknown_blob(sha256, kept=found is None or found.kept)
        return found, raw

    def sweep_blobs(self, *, now: int) -> int:
        """Take away bytes that no run names."""
        if self._blobs is None:
            return 0
        with self._lock:
            named = {sha256 for held in self._runs.values() for sha256 in _named(held)}
            gone = [
                sha256 for sha256, at in self._blobs.found() if sha256 not in named and at < now - _HOUR_NS
            ]
            for sha256 in gone:
                self._blobs.remove(sha256)
        return len(gone)

    def drop_unnamed(self, digests: Iterable[str]) -> int:
        """Take away those of some bytes that no run names."""
        if self._blobs is None:
            return 0
        with self._lock:
            gone = set(digests) - {sha256 for held in self._runs.values() for sha256 in _named(held)}
            for sha256 in gone:
                self._blobs.remove(sha256)
        return len(gone)


def _named(held: Held) -> dict[str, Blob]:
    found: dict[str, Blob] = {}
    for _, _, span in held.steps.values():
        if BLOBS in span.attributes:
            said = [
                span.attributes,
                *(one.attributes for one in span.events),
                *(one.attributes for one in span.links),
            ]
            found |= {blob.sha256: blob for blob in references(said)}
    return found
