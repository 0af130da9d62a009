"""Large binaries that runs name (``ports.BlobTraces``): read from their spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tallystick.adapters.blob_check import HOUR_NS, blob_flaws
from tallystick.adapters.memory.held import Held
from tallystick.adapters.memory.traces.held_runs import HeldRuns
from tallystick.adapters.naming import unknown_blob
from tallystick.model.attributes import BLOBS
from tallystick.model.blob import Blob, named_by
from tallystick.ports import Flaw


class MemoryBlobbing(HeldRuns):
    """Says which blobs runs name, gives their bytes, and takes away those that no run names any more."""

    def blobs(self, run: str) -> Sequence[Blob]:
        """The blobs that a run names, by digest."""
        with self._lock:
            found = sorted(_named(self._get(run)).values(), key=lambda blob: blob.sha256)
            return [self._as_here(blob) for blob in found]

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
                sha256 for sha256, at in self._blobs.found() if sha256 not in named and at < now - HOUR_NS
            ]
            for sha256 in gone:
                self._blobs.remove(sha256)
        return len(gone)

    def settle_blobs(self, digests: Iterable[str]) -> int:
        """Take away those of some bytes that no run names; the others are here."""
        if self._blobs is None:
            return 0
        with self._lock:
            named = {sha256 for held in self._runs.values() for sha256 in _named(held)}
            gone = set(digests) - named
            self._here |= {one for one in set(digests) & named if self._blobs.size(one) is not None}
            self._here -= gone
            for sha256 in gone:
                self._blobs.remove(sha256)
        return len(gone)

    def blob_flaws(self, *, whole: bool, now: int) -> Iterator[Flaw]:
        """What of the blobs is missing, altered or too much."""
        with self._lock:
            named = {
                sha256: (blob, held.id)
                for held in self._runs.values()
                for sha256, blob in _named(held).items()
            }
        known = {sha256: blob.bytes for sha256, (blob, _) in sorted(named.items()) if sha256 in self._here}
        yield from blob_flaws(known, named.get, self._blobs, whole=whole, now=now)

    def _as_here(self, blob: Blob) -> Blob:
        """Kept is what was put here: a reference alone may be anybody's."""
        here = self._blobs is not None and self._blobs.size(blob.sha256) is not None
        return blob if here or blob.sha256 in self._here else replace(blob, kept=False)


def _named(held: Held) -> dict[str, Blob]:
    found: dict[str, Blob] = {}
    for _, _, span in held.steps.values():
        if BLOBS in span.attributes:
            found |= {blob.sha256: blob for blob in named_by(span)}
    return found
