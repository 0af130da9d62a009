"""The embedded control store: journal and views in one SQLite file (``ports.ControlStore``).

``synchronous=FULL``: an entry is on the disk before ``append`` returns. Writers of several processes take turns by
BEGIN IMMEDIATE, so the journal has one order and a check inside the transaction stays true until it commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from tallystick.adapters.projections import apply, concerns_views, forget, lapsed
from tallystick.adapters.registry_projections import check_revision
from tallystick.adapters.sealing import Sealed, sealed, unopened
from tallystick.adapters.sqlite.control_entries import COLUMNS, all_entries, entry_of
from tallystick.adapters.sqlite.control_kept import Kept, erase_openings, keep_checkpoint, read_openings
from tallystick.adapters.sqlite.control_reading import ControlReader, revision_of
from tallystick.adapters.sqlite.control_schema import APPLICATION, MIGRATIONS
from tallystick.adapters.sqlite.control_tree import Growth
from tallystick.adapters.sqlite.control_views import VIEWS, SqliteViews, view_rows
from tallystick.adapters.sqlite.database import BUSY_SECONDS, Database
from tallystick.model.journal import Draft, Entry
from tallystick.ports import Clock, Ids

_ERASED: Final = "SELECT seq, run FROM journal WHERE kind='content.erased' AND seq>? ORDER BY seq"
_INSERT: Final = f"INSERT INTO journal ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?)"


class SqliteControl(ControlReader):
    """The journal in ``path``. Threads and processes may share the file; each process opens its own store."""

    def __init__(self, path: Path, *, clock: Clock, ids: Ids, busy_seconds: float = BUSY_SECONDS) -> None:
        self._clock = clock
        self._ids = ids
        self._growth: Growth | None = None
        self._erased: set[str] = set()  # runs, as far as the entries up to this one say
        self._erased_upto = 0
        super().__init__(
            Database(
                path,
                application=APPLICATION,
                migrations=MIGRATIONS,
                synchronous="FULL",
                busy_seconds=busy_seconds,
            )
        )

    def append(self, drafts: Sequence[Draft], *, expecting: int | None = None) -> tuple[Entry, ...]:
        """Write entries and their effect on the views in one transaction, or nothing (see ``ports.ControlStore``)."""
        if not drafts:
            return ()
        made: list[Sealed] = []
        with self._growing() as (connection, growth):
            if expecting is not None:
                check_revision(expecting, revision_of(connection))
            at = self._clock.now()
            views = SqliteViews(connection)
            kept = Kept(connection, growth)
            for draft in [*lapsed(views, drafts, at), *drafts]:
                nth = growth.next_of(draft.run)
                one = sealed(draft, seq=growth.size + 1, entry_id=self._ids.new("ent"), at=at, nth=nth)
                if one.contents and draft.run is not None and self._is_erased(connection, draft.run):
                    one = unopened(one)
                growth.add(one.leaf)
                kept.add(one, draft)
                apply(views, one.entry, one.openings if one.contents else ())
                made.append(one)
            connection.executemany(_INSERT, [_row(one) for one in made])
            kept.save()
        return tuple(one.entry for one in made[len(made) - len(drafts) :])

    def _is_erased(self, connection: sqlite3.Connection, run: str) -> bool:
        """Whether a committed entry says that the contents of a run were erased; asked before entries are written."""
        for seq, name in connection.execute(_ERASED, (self._erased_upto,)):
            self._erased.add(name)
            self._erased_upto = seq
        return run in self._erased

    @contextmanager
    def _growing(self) -> Iterator[tuple[sqlite3.Connection, Growth]]:
        """A write transaction and the tree in it, which is remembered from the last one where nobody wrote since."""
        with self._database.alone:
            with self._database.writing() as connection:
                growth, self._growth = self._growth, None
                if growth is None or not growth.still_true(connection):
                    growth = Growth(connection)
                yield connection, growth
                growth.save()
            self._growth = growth  # committed, and still nobody else's turn

    def erase(self, seqs: Sequence[int]) -> Sequence[str]:
        """Erase the openings of entries, and what the views had of them; the commitments opened until now."""
        with self._growing() as (connection, growth):
            connection.execute("PRAGMA secure_delete=ON")
            gone = erase_openings(connection, growth, seqs)
            views = SqliteViews(connection)
            for seq in gone:
                sql = f"SELECT {COLUMNS} FROM journal WHERE seq = ?"
                entry = entry_of(connection.execute(sql, (seq,)).fetchone())
                forget(views, entry, read_openings(connection, seq))
        return [one for commitments in gone.values() for one in commitments]

    def wipe(self) -> bool:
        """Write the file anew without what was erased, and empty the write-ahead log."""
        with self._database.alone:
            self._database.vacuum()
        return self._database.empty_log()

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a signed checkpoint, or the signatures it did not have (see ``ports.ControlStore``)."""
        with self._growing() as (connection, growth):
            keep_checkpoint(connection, growth, size, note)

    def rebuild(self) -> Mapping[str, int]:
        """Make the views anew from the journal; ``changed`` counts the views that were not true."""
        with self._database.writing() as connection:
            before = {view: list(view_rows(connection, view)) for view in VIEWS}
            for view in VIEWS:
                connection.execute(f"DELETE FROM {view}")
            views = SqliteViews(connection)
            with closing(all_entries(connection)) as entries:
                for entry, _ in entries:
                    if concerns_views(entry.kind):
                        apply(views, entry, read_openings(connection, entry.seq))
            after = {view: list(view_rows(connection, view)) for view in VIEWS}
        sizes = {view: len(rows) for view, rows in after.items()}
        return {**sizes, "changed": sum(before[view] != after[view] for view in VIEWS)}

    def close(self) -> None:
        """Close every connection. Closing twice is allowed."""
        self._database.close()


def _row(one: Sealed) -> tuple[Any, ...]:
    entry = one.entry
    return (
        entry.seq, entry.id, entry.at, entry.kind, entry.subject, entry.run, entry.actor, one.body, entry.digest,
        entry.nth,
    )  # fmt: skip
