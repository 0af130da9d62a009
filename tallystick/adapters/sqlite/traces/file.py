"""The file that every part of the trace store stands on: transactions, run look-up, and what is due before a read.

An open run whose process died, or that fell silent, is judged anew when somebody reads. So is a large run whose
counting was put off (see ``RunTable.put_off``): whoever reads it sees the whole of it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from tallystick.adapters import process
from tallystick.adapters.naming import unknown_run
from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.checking import UNREADABLE
from tallystick.adapters.sqlite.database import BUSY_SECONDS, Database
from tallystick.adapters.sqlite.frames import compressor
from tallystick.adapters.sqlite.remembering import Remembered
from tallystick.adapters.sqlite.runs import NOT_COUNTED, RunRow, RunTable, pairs_in, summary
from tallystick.adapters.sqlite.scanning import Scanner, Sought
from tallystick.adapters.sqlite.searching import choose, settled
from tallystick.adapters.sqlite.shelf import Shelf
from tallystick.adapters.sqlite.text_index import TextIndex
from tallystick.adapters.sqlite.trace_schema import APPLICATION, MIGRATIONS
from tallystick.adapters.sqlite.writing import WriterMemory
from tallystick.model.errors import StoreFault
from tallystick.model.query import Query
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.completeness import SILENT_AFTER_NS, judge
from tallystick.observe.numbering import lives
from tallystick.ports.archive import Archive
from tallystick.ports.blobs import Blobs

TEXT_INDEX: Final = "text.db"
_OPEN = "SELECT no, id, stamped, state, process, due FROM run WHERE open"
_OPENING = threading.Lock()


class TraceFile:
    """``traces.db``, the archive and the index of texts beside it. Each port of the store is a class on top of this.

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
        self._remembered = Remembered()
        self._shelf = Shelf(archive)
        self._blobs = blobs
        self._lock = threading.Lock()
        self._compress = compressor()
        self._busy_seconds = busy_seconds
        self._text_index: TextIndex | None = None

    def close(self) -> None:
        """Release files and connections. Closing twice is allowed."""
        if self._text_index is not None:
            self._text_index.close()
        self._database.close()

    # ── transactions ────────────────────────────────────────────────────────────────────────────────────────────

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

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction; threads of this process take turns."""
        with self._lock, self._database.writing() as connection:
            yield connection

    # ── which run ───────────────────────────────────────────────────────────────────────────────────────────────

    def _number(self, connection: sqlite3.Connection, run: str) -> int:
        """The row number of a run, by its id or that of a run that was merged into it. Raises UnknownThing."""
        with closing(connection.execute(
            "SELECT no FROM run WHERE id=?1 UNION ALL SELECT run FROM alias WHERE id=?1 LIMIT 1", (run,)
        )) as cursor:  # fmt: skip
            row = cursor.fetchone()
        if row is None:
            raise unknown_run(run)
        return int(row[0])

    def _run_of(self, connection: sqlite3.Connection, run: str) -> tuple[int, str]:
        """Row number and id of a run. Raises UnknownThing."""
        number = self._number(connection, run)
        return number, str(connection.execute("SELECT id FROM run WHERE no=?", (number,)).fetchone()[0])

    @contextmanager
    def _selected(self, query: Query, now: int) -> Iterator[tuple[sqlite3.Connection, str, list[Any]]]:
        """A read transaction, and the condition on runs ``r`` that a query is in it."""
        choice = choose(query, self.text_index)
        with self._reading() as connection:
            yield (connection, *settled(connection, choice, self._pairs_of, now=now))

    def _pairs_of(
        self, connection: sqlite3.Connection, number: int, sought: Sought | None = None
    ) -> Iterator[tuple[Step, Span]]:
        """The steps of a run with their spans, some at a time: all, or those that may say what is sought."""
        run = connection.execute("SELECT id FROM run WHERE no=?", (number,)).fetchone()[0]
        for _, step, span in Scanner(connection, self._shelf, self._shapes).steps(number, run, sought):
            yield step, span

    # ── what is due before a read ───────────────────────────────────────────────────────────────────────────────

    def _sweep(self, now: int) -> None:
        """Find open runs whose process died or that fell silent, and say so in their rows; count what was put off.

        In a store that may only be read their rows stand as they are.
        """
        if self._database.read_only:
            return
        known: dict[str, bool | None] = {}

        def alive(name: str | None) -> bool | None:
            if name is None:
                return None
            if name not in known:
                known[name] = lives(name, self._alive)
            return known[name]

        with self._reading() as connection:
            due = [
                row[0] for row in connection.execute(_OPEN)
                if now > row[5] or (row[4] is not None and alive(row[4]) is False)
            ]  # fmt: skip
        if not due:
            return
        with self._readable(), self._writing() as connection:
            self._count_put_off(connection, due)
            for no, run, stamped, state, owner, _ in pairs_in(connection, _OPEN + " AND no IN ({})", due):
                row = RunRow(no, run, bool(stamped), rows.unpack_tally(state))
                verdict = judge(row.tally, now=now, alive=alive(owner), silent_after=self._silent_after)
                if verdict.missing is None and str(verdict.completeness) == "open":
                    continue
                bump = "UPDATE meta SET value=value+1 WHERE key='revision' RETURNING value"
                revision = connection.execute(bump).fetchone()[0]
                RunTable(connection, self._memory.names, self._memory.shapes, self._silent_after).update(
                    summary(row, verdict, revision, self._silent_after)
                )

    def _settle(self) -> None:
        """Count what was put off, for answers that do not depend on the time."""
        if self._database.read_only:
            return
        with self._reading() as connection:
            due = [
                row[0]
                for row in connection.execute("SELECT no FROM run WHERE open AND due=?", (NOT_COUNTED,))
            ]
        if due:
            with self._readable(), self._writing() as connection:
                self._count_put_off(connection, due)

    def _count_put_off(self, connection: sqlite3.Connection, due: Sequence[int]) -> None:
        table = RunTable(connection, self._memory.names, self._memory.shapes, self._silent_after)
        for no, run, stamped, state, _, at in pairs_in(connection, _OPEN + " AND no IN ({})", due):
            if at != NOT_COUNTED:
                continue
            row = RunRow(no, run, bool(stamped), rows.unpack_tally(state))
            table.recount(row)
            table.save([row], (), at=row.tally.seen)

    # ── the index of texts ──────────────────────────────────────────────────────────────────────────────────────

    def text_index(self) -> TextIndex:
        """The index of what runs said, beside the file; it is opened when somebody asks it or writes to it."""
        with _OPENING:
            if self._text_index is None:
                if self._lacks_index():
                    raise StoreFault(
                        "what runs said is not indexed, and this store may only be read",
                        hint="ask where the store may be written, or make the index there: tally up",
                    )
                index = TextIndex(self._database.path.with_name(TEXT_INDEX), busy_seconds=self._busy_seconds)
                self._check_index(index)
                self._text_index = index
            return self._text_index

    def _lacks_index(self) -> bool:
        return self._database.read_only and not self._database.path.with_name(TEXT_INDEX).exists()

    def _check_index(self, index: TextIndex) -> None:
        """An index of another store (a backup was put in place) is made anew."""
        newest = index.newest()
        with self._reading() as connection:
            revision = connection.execute("SELECT value FROM meta WHERE key='revision'").fetchone()[0]
            row = None if newest is None else connection.execute(
                "SELECT id FROM run WHERE no=?", (newest[0],)
            ).fetchone()  # fmt: skip
        another = index.upto() > revision or (newest is not None and row is not None and row[0] != newest[1])
        if another and not self._database.read_only:
            index.reset()
