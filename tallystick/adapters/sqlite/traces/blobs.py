"""Large binaries that runs name (``ports.BlobTraces``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tallystick.adapters.naming import unknown_blob
from tallystick.adapters.sqlite.blobs import blob_named, blobs_of, drop_unnamed, sweep
from tallystick.adapters.sqlite.traces.file import TraceFile
from tallystick.model.blob import Blob


class SqliteBlobs(TraceFile):
    """Says which blobs runs name, gives their bytes, and takes away those that no run names any more."""

    def blobs(self, run: str) -> Sequence[Blob]:
        """The blobs that a run names, by digest."""
        with self._reading() as connection:
            return blobs_of(connection, self._number(connection, run))

    def blob(self, sha256: str) -> tuple[Blob, bytes]:
        """A blob that some run names."""
        with self._reading() as connection:
            found = blob_named(connection, sha256)
        raw = None if self._blobs is None else self._blobs.read(found.sha256)
        if raw is None:
            raise unknown_blob(sha256, kept=found.kept)
        return found, raw

    def drop_unnamed(self, digests: Iterable[str]) -> int:
        """Take away those of some bytes that no run names."""
        return drop_unnamed(self._database, self._lock, self._blobs, digests)

    def sweep_blobs(self, *, now: int) -> int:
        """Take away bytes that no run names."""
        return sweep(self._database, self._lock, self._blobs, now=now)
