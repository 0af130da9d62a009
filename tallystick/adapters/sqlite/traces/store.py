"""The trace store in one SQLite file (``ports.Traces``): all its ports, and the door that batches come in by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.archiving import archive_facts
from tallystick.adapters.sqlite.traces.blobs import SqliteBlobs
from tallystick.adapters.sqlite.traces.erasing import SqliteErasing
from tallystick.adapters.sqlite.traces.keeping import SqliteKeeping
from tallystick.adapters.sqlite.traces.records import SqliteRecords
from tallystick.adapters.sqlite.traces.runs import SqliteRuns
from tallystick.adapters.sqlite.traces.steps import SqliteSteps
from tallystick.adapters.sqlite.traces.sums import SqliteSums
from tallystick.adapters.sqlite.traces.texts import SqliteTexts
from tallystick.adapters.sqlite.traces.uses import SqliteUses
from tallystick.adapters.sqlite.writing import BatchWriter
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.ports import Written


class SqliteTraces(
    SqliteRuns,
    SqliteSteps,
    SqliteSums,
    SqliteRecords,
    SqliteUses,
    SqliteErasing,
    SqliteKeeping,
    SqliteTexts,
    SqliteBlobs,
):
    """Runs, steps and spans in ``path``. Threads and processes may share the file; each process opens its own store.

    Each of the classes is one port on top of the same ``TraceFile``, whose parameters these are.
    """

    def write(self, batch: Sequence[tuple[Step, Span]], *, at: int) -> Written:
        """Commit a batch, all or nothing (see ``ports.TraceStore.write``)."""
        if not batch:
            return Written(0, (), ())
        with self._lock:
            try:
                return self._write(batch, at)
            except (OverflowError, UnicodeEncodeError):
                return self._write([(rows.sanitise(step), span) for step, span in batch], at)

    def _write(self, batch: Sequence[tuple[Step, Span]], at: int) -> Written:
        try:
            with self._database.writing() as connection:
                writer = BatchWriter(
                    connection,
                    self._memory,
                    self._compress,
                    self._silent_after,
                    self._random_bytes,
                    self._shelf,
                    self._blobs,
                )
                return writer.write(batch, at=at)
        except BaseException:
            self._memory.forget()
            raise

    def info(self) -> Mapping[str, Any]:
        """Path, schema version, counts and bytes."""
        with self._reading() as connection:
            counts = {
                table + "s": connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("run", "step", "frame")
            }
            records, attested = connection.execute(
                "SELECT ifnull(sum(records), 0), ifnull(sum(attested), 0) FROM log"
            ).fetchone()
            counts |= {"records": records, "attested": attested} | archive_facts(
                connection, self._shelf.archive
            )
            counts["steps"] += counts["archived_steps"]
        archive = self._shelf.archive
        counts["can_archive"] = archive is not None and archive.available()
        path = self._database.path
        files = [path, path.with_name(path.name + "-wal")]
        size = sum(file.stat().st_size for file in files if file.exists())
        return {"path": str(path), "schema": self._database.version, **counts, "bytes": size}
