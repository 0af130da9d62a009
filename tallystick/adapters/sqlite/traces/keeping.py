"""How long runs are kept, and where (``ports.archive.ArchivingTraces``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tallystick.adapters import process
from tallystick.adapters.sqlite.archiving import Archiver
from tallystick.adapters.sqlite.bringing import bring_back
from tallystick.adapters.sqlite.deleting import deletable, delete_run, deleted_logs
from tallystick.adapters.sqlite.frames import Recent, compressor
from tallystick.adapters.sqlite.scrubbing import erasing, fill, scrub
from tallystick.adapters.sqlite.traces.blobs import SqliteBlobs
from tallystick.adapters.sqlite.traces.texts import SqliteTexts
from tallystick.ports.archive import Archived, Deleted


def _quiet(_text: str) -> None:
    """Nobody is told."""


class SqliteKeeping(SqliteTexts, SqliteBlobs):
    """Archives runs, brings them back, and deletes them; what was deleted is forgotten by the index of texts too."""

    def archive(
        self, *, before: int, now: int, dry_run: bool = False, say: Callable[[str], None] = _quiet
    ) -> Archived:
        """Move runs that ended before ``before`` into the archive."""
        return self._archiver(say).archive(before=before, now=now, dry_run=dry_run)

    def tidy(self, *, now: int) -> None:
        """Take away what no run needs from the archive, and wipe what is noted out of the frames."""
        self._archiver(_quiet).tidy(now=now)
        self.sweep_blobs(now=now)
        with self._reading() as connection:
            noted = connection.execute("SELECT 1 FROM unscrubbed LIMIT 1").fetchone() is not None
        if noted:
            scrub(self._database)

    def bring_back(self, runs: Sequence[str]) -> None:
        """Take runs out of the archive, for whoever changes what they hold; their segments lose them with ``tidy``."""
        compress = compressor()
        for run in runs:
            with self._writing() as connection:
                number = self._number(connection, run)
                if self._shelf.place(connection, number) is None:
                    continue
                bring_back(connection, self._shelf, number, compress, Recent())

    def deletable(self, runs: Sequence[str]) -> Sequence[str]:
        """Those of some runs that ended and are in the journal as they stand."""
        with self._reading() as connection:
            return [run for _, run in deletable(connection, self._shelf, runs)]

    def delete_runs(self, runs: Sequence[str], *, now: int) -> Deleted:
        """Delete the runs that may be deleted, each in a transaction of its own."""
        fill(self._database)
        gone: list[str] = []
        steps = 0
        for run in runs:
            with self._lock, erasing(self._database) as connection:
                for number, name in deletable(connection, self._shelf, [run]):
                    steps += delete_run(connection, number, name, at=now)
                    gone.append(name)
        if gone:
            scrub(self._database)
            self._archiver(_quiet).tidy(now=now)
            self.sweep_blobs(now=now)
            self.forget_texts(gone)
        return Deleted(tuple(gone), steps)

    def deleted_runs(self) -> Mapping[str, int]:
        """Logs of runs that were deleted, with the number of records they had."""
        with self._reading() as connection:
            return deleted_logs(connection)

    def _archiver(self, say: Callable[[str], None]) -> Archiver:
        return Archiver(
            self._database, self._shelf, self._lock, owner=process.identity(), alive=self._alive, say=say
        )
