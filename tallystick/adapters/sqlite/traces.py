"""The trace store in one SQLite file (``ports.TraceStore``)."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tallystick.adapters import process
from tallystick.adapters.naming import trace_range, unknown_run
from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.archiving import archive_facts
from tallystick.adapters.sqlite.blobs import SqliteBlobs
from tallystick.adapters.sqlite.checking import UNREADABLE, Checker
from tallystick.adapters.sqlite.database import BUSY_SECONDS, Database
from tallystick.adapters.sqlite.erasing import SqliteErasing
from tallystick.adapters.sqlite.frames import compressor
from tallystick.adapters.sqlite.keeping import SqliteKeeping
from tallystick.adapters.sqlite.outlining import OutlineReader
from tallystick.adapters.sqlite.records import mark_attested, read_unattested
from tallystick.adapters.sqlite.runs import READ_RUN, pairs_in, run_from
from tallystick.adapters.sqlite.searching import choose, page, settled
from tallystick.adapters.sqlite.shelf import Shelf
from tallystick.adapters.sqlite.spending import read_sightings, read_spend
from tallystick.adapters.sqlite.step_reading import StepReading
from tallystick.adapters.sqlite.sweeping import Sweeper
from tallystick.adapters.sqlite.tallying import TallyReader
from tallystick.adapters.sqlite.text_log import SqliteTexts
from tallystick.adapters.sqlite.trace_schema import APPLICATION, MIGRATIONS
from tallystick.adapters.sqlite.uses import read_seen, read_unlisted, read_uses, uses_revision, write_uses
from tallystick.adapters.sqlite.wholeness import WholenessReader
from tallystick.adapters.sqlite.writing import BatchWriter, WriterMemory
from tallystick.model.errors import StoreFault
from tallystick.model.query import Query
from tallystick.model.registry import Use
from tallystick.model.run import Run
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.completeness import SILENT_AFTER_NS
from tallystick.ports import Blobs, Change, Flaw, RunPage, Segment, Sighting, Spend, Written
from tallystick.ports.archive import Archive


class SqliteTraces(
    Sweeper,
    StepReading,
    SqliteTexts,
    SqliteKeeping,
    SqliteErasing,
    SqliteBlobs,
    OutlineReader,
    WholenessReader,
    TallyReader,
):
    """Runs, steps and spans in ``path``. Threads and processes may share the file; each process opens its own store.

    ``alive`` tells whether a process ("host/boot/pid/start") lives, None when unknown; ``silent_after`` is the age in
    nanoseconds after which an open run whose process cannot be asked counts as crashed or lossy; ``random_bytes``
    gives the salts of records; ``archive`` holds the steps of runs that were moved out of the file, ``blobs`` the
    bytes of large binaries.
    """

    def __init__(
        self,
        path: Path,
        *,
        alive: Callable[[str], bool | None] = process.alive,
        silent_after: int = SILENT_AFTER_NS,
        busy_seconds: float = BUSY_SECONDS,
        random_bytes: Callable[[int], bytes] = os.urandom,
        archive: Archive | None = None,
        blobs: Blobs | None = None,
    ) -> None:
        self._database = Database(
            path, application=APPLICATION, migrations=MIGRATIONS, synchronous="NORMAL", busy_seconds=busy_seconds,
        )  # fmt: skip
        self._alive = alive
        self._silent_after = silent_after
        self._random_bytes = random_bytes
        self._memory = WriterMemory()
        self._shapes = rows.Shapes()
        self._shelf = Shelf(archive)
        self._blobs = blobs
        self._frames = self._shelf.frames
        self._compress = compressor()
        self._lock = threading.Lock()
        self._busy_seconds = busy_seconds

    def write(self, batch: Sequence[tuple[Step, Span]], *, at: int) -> Written:
        """Commit a batch, all or nothing (see ``ports.TraceStore.write``)."""
        if not batch:
            return Written(0, 0, ())
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
                )
                return writer.write(batch, at=at)
        except BaseException:
            self._memory.forget()
            raise

    def runs(self, query: Query, *, now: int, limit: int = 50, before: str | None = None) -> RunPage:
        """Runs that match, newest first."""
        self._sweep(now)
        choice = choose(query, self.text_index)
        with self._reading() as connection:
            after = None
            if before is not None:
                after = connection.execute(
                    "SELECT sort, id FROM run WHERE no=?", (self._number(connection, before),)
                ).fetchone()
            return page(connection, choice, self.pairs_of, now=now, limit=limit, after=after)

    def run(self, run: str, *, now: int) -> Run:
        """One run by id. Raises UnknownThing."""
        self._sweep(now)
        with self._reading() as connection:
            row = connection.execute(f"{READ_RUN} WHERE r.no=?", (self._number(connection, run),)).fetchone()
            return run_from(*row)

    def resolve(self, prefix: str) -> str:
        """The one run id that starts with ``prefix``; ids of merged runs and of traces lead to their run."""
        end = prefix + chr(0x10FFFF)
        with self._reading() as connection:
            exact = connection.execute("SELECT id FROM run WHERE id=?", (prefix,)).fetchone()
            if exact is not None:
                return str(exact[0])
            found = {row[0] for row in connection.execute(
                "SELECT id FROM run WHERE id >= ? AND id < ? UNION"
                " SELECT r.id FROM alias a JOIN run r ON r.no = a.run WHERE a.id >= ? AND a.id < ? LIMIT 3",
                (prefix, end, prefix, end),
            )}  # fmt: skip
            if not found:
                found = {row[0] for row in connection.execute(
                    "SELECT DISTINCT r.id FROM trace t JOIN run r ON r.no = t.run"
                        " WHERE t.id >= ? AND t.id <= ? LIMIT 3",
                    trace_range(prefix),
                )}  # fmt: skip
        if len(found) == 1 and prefix:
            return str(found.pop())
        raise unknown_run(prefix, several=len(found) > 1)

    def spend(self, by: str, query: Query, *, now: int) -> Sequence[Spend]:
        """Cost by agent, tool, workflow, run or model, dearest first; the rows add up to the total of the runs."""
        self._sweep(now)
        with self.selected(query, now) as (connection, where, values):
            return read_spend(connection, by, where, values)

    @contextmanager
    def selected(self, query: Query, now: int) -> Iterator[tuple[sqlite3.Connection, str, list[Any]]]:
        """A read transaction, and the condition on runs ``r`` that a query is in it."""
        choice = choose(query, self.text_index)
        with self._reading() as connection:
            yield (connection, *settled(connection, choice, self.pairs_of, now=now))

    def sightings(self, type: str) -> Sequence[Sighting]:
        """What was seen of one type, last seen first."""
        self._settle()
        with self._reading() as connection:
            return read_sightings(connection, type)

    def changes(self, after: int, *, limit: int = 500) -> Sequence[Change]:
        """Runs changed since a cursor, oldest first."""
        with self._reading() as connection:
            if after < 0:
                newest = connection.execute("SELECT value FROM meta WHERE key='revision'").fetchone()[0]
                return [Change(newest, "")]
            return [Change(*row) for row in connection.execute(
                "SELECT revision, id FROM run WHERE revision > ?1 UNION ALL"
                " SELECT revision, id FROM alias WHERE revision > ?1 ORDER BY 1 LIMIT ?2", (after, limit),
            )]  # fmt: skip

    # ── uses ────────────────────────────────────────────────────────────────────────────────────────────────────

    def unlisted(self, *, now: int, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Runs whose uses are not listed as they stand, oldest change first."""
        self._sweep(now)
        with self._reading() as connection:
            return read_unlisted(connection, limit)

    def list_uses(self, run: str, revision: int, uses: Sequence[Use]) -> None:
        """Put the uses of a run in the place of those it had. UnknownThing for a run that is not here."""
        with self._lock, self._database.writing() as connection:
            write_uses(connection, run, revision, uses)

    def uses_revision(self) -> int:
        """A number that grows whenever a run was listed."""
        with self._reading() as connection:
            return uses_revision(connection)

    def seen(self) -> Sequence[tuple[str, str]]:
        """Type and name of every agent, tool, model and workflow that was seen."""
        with self._reading() as connection:
            return read_seen(connection)

    def uses(
        self, *, agent: str | None = None, type: str | None = None, name: str | None = None, since: int | None = None,
        run: str | None = None,
    ) -> Sequence[Use]:  # fmt: skip
        """Uses summed up by agent, type, name and detail, in that order; with ``run`` only that run's."""
        with self._reading() as connection:
            number = None if run is None else self._number(connection, run)
            return read_uses(connection, agent=agent, type=type, name=name, since=since, run=number)

    # ── records ─────────────────────────────────────────────────────────────────────────────────────────────────

    def unattested(self, *, limit: int = 10_000) -> Sequence[Segment]:
        """Records that were not marked as attested, one segment a run at most, oldest runs first."""
        with self._reading() as connection:
            return read_unattested(connection, limit)

    def attested(self, marks: Mapping[str, int]) -> None:
        """Mark the first ``n`` records of each run as attested. Marking fewer than before changes nothing."""
        with self._lock, self._database.writing() as connection:
            mark_attested(connection, marks)

    def unsealed(self, *, now: int, limit: int = 500) -> Sequence[tuple[str, int]]:
        """Runs that have ended and changed since they were sealed, with the revision to seal."""
        self._sweep(now)
        with self._reading() as connection:
            return connection.execute(
                "SELECT id, revision FROM run WHERE NOT open AND sealed < revision ORDER BY no LIMIT ?",
                (limit,),
            ).fetchall()

    def sealed(self, marks: Mapping[str, int]) -> None:
        """Remember the revision at which each run was sealed."""
        with self._lock, self._database.writing() as connection:
            connection.executemany(
                "UPDATE run SET sealed=max(sealed, ?) WHERE id=?", [(at, run) for run, at in marks.items()]
            )

    def logs(self, runs: Iterable[str] | None = None) -> Mapping[str, tuple[int, int]]:
        """Logs by run id (all, or those asked for): how many records each has, and how many are marked as attested."""
        sql = "SELECT id, records, attested FROM log"
        with self._reading() as connection:
            if runs is None:
                found = connection.execute(f"{sql} ORDER BY no").fetchall()
            else:
                found = pairs_in(connection, f"{sql} WHERE id IN ({{}})", list(runs))
        return {row[0]: (row[1], row[2]) for row in found}

    def flaws(self) -> Iterator[Flaw]:
        """What in the tables does not follow from the steps (see ``adapters/sqlite/checking.py``)."""
        self._settle()
        with self._reading() as connection:
            yield from Checker(connection, self._silent_after, self._shelf).flaws()

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
            counts |= {"records": records, "attested": attested} | archive_facts(connection)
            counts["steps"] += counts["archived_steps"]
        archive = self._shelf.archive
        counts["can_archive"] = archive is not None and archive.available()
        path = self._database.path
        files = [path, path.with_name(path.name + "-wal")]
        size = sum(file.stat().st_size for file in files if file.exists())
        return {"path": str(path), "schema": self._database.version, **counts, "bytes": size}

    def close(self) -> None:
        """Release files and connections. Closing twice is allowed."""
        self.close_texts()
        self._database.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One read transaction."""
        with self._readable(), self._database.reading() as connection:
            yield connection

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """A row that cannot be read was damaged or changed: StoreFault, never a traceback."""
        try:
            yield
        except UNREADABLE as error:
            raise StoreFault(
                f"a row of {self._database.path.name} cannot be read: {type(error).__name__}: {error}"[:300],
                hint="tally journal verify says which run it belongs to; put a backup in its place",
            ) from error

    def _number(self, connection: sqlite3.Connection, run: str) -> int:
        with closing(connection.execute(
            "SELECT no FROM run WHERE id=?1 UNION ALL SELECT run FROM alias WHERE id=?1 LIMIT 1", (run,)
        )) as cursor:  # fmt: skip
            row = cursor.fetchone()
        if row is None:
            raise unknown_run(run)
        return int(row[0])
