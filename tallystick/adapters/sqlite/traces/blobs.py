"""Large binaries that runs name (``ports.BlobTraces``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tallystick.adapters.blob_check import blob_flaws
from tallystick.adapters.naming import unknown_blob
from tallystick.adapters.sqlite.blobs import blob_named, blobs_of, kept_lengths, one_run, settle, sweep
from tallystick.adapters.sqlite.traces.file import TraceFile
from tallystick.model.blob import Blob
from tallystick.model.errors import UnknownThing
from tallystick.ports import Flaw


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

    def settle_blobs(self, digests: Iterable[str]) -> int:
        """Take away those of some bytes that no run names; the others are here."""
        return settle(self._database, self._lock, self._blobs, digests)

    def blob_flaws(self, *, whole: bool, now: int) -> Iterator[Flaw]:
        """What of the blobs is missing, altered or too much."""
        with self._reading() as connection:
            known = kept_lengths(connection)
        yield from blob_flaws(known, self._named, self._blobs, whole=whole, now=now)

    def _named(self, sha256: str) -> tuple[Blob, str] | None:
        with self._reading() as connection:
            try:
                return blob_named(connection, sha256), one_run(connection, sha256)
            except UnknownThing:
                return None

    def sweep_blobs(self, *, now: int) -> int:
        """Take away bytes that no run names."""
        return sweep(self._database, self._lock, self._blobs, now=now)
