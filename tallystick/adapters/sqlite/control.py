"""The embedded control store: journal and views in one SQLite file (``ports.ControlStore``).

``synchronous=FULL``: an entry is on the disk before ``append`` returns. Writers of several processes take turns by
BEGIN IMMEDIATE, so the chain of digests has one order and a check inside the transaction stays true until it commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tallystick.adapters.projections import apply, lapsed, the_one
from tallystick.adapters.sealing import body_bytes, checked_chain, sealed
from tallystick.adapters.sqlite.control_schema import APPLICATION, MIGRATIONS, VIEWS
from tallystick.adapters.sqlite.control_views import (
    APPROVAL_COLUMNS,
    BUDGET_COLUMNS,
    DECLARED_COLUMNS,
    SqliteViews,
    approval_of,
    declared_of,
)
from tallystick.adapters.sqlite.database import BUSY_SECONDS, Database
from tallystick.model.control import Approval, Budget, Declared
from tallystick.model.journal import GENESIS, Draft, Entry
from tallystick.ports import Clock, Ids

_COLUMNS: Final = "seq, id, at, kind, subject, run, actor, body, previous, digest"


def _entry_of(row: Sequence[Any]) -> Entry:
    seq, name, at, kind, subject, run, actor, body, previous, digest = row
    return Entry(seq, name, at, kind, subject, run, actor, msgspec.json.decode(body), previous, digest)


class SqliteControl:
    """The journal in ``path``. Threads and processes may share the file; each process opens its own store."""

    def __init__(self, path: Path, *, clock: Clock, ids: Ids, busy_seconds: float = BUSY_SECONDS) -> None:
        self._clock = clock
        self._ids = ids
        self._database = Database(
            path,
            application=APPLICATION,
            migrations=MIGRATIONS,
            synchronous="FULL",
            busy_seconds=busy_seconds,
        )

    def append(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        """Write entries and their effect on the views in one transaction, or nothing (see ``ports.ControlStore``)."""
        if not drafts:
            return ()
        with self._database.writing() as connection:
            at = self._clock.now()
            views = SqliteViews(connection)
            seq, previous = _head(connection)
            made: list[Entry] = []
            for draft in [*lapsed(views, drafts, at), *drafts]:
                seq += 1
                entry = sealed(draft, seq=seq, entry_id=self._ids.new("ent"), at=at, previous=previous)
                _insert(connection, entry)
                apply(views, entry)
                made.append(entry)
                previous = entry.digest
        return tuple(made[len(made) - len(drafts) :])

    def entries(
        self, *, after: int = 0, limit: int = 1000, kind: str | None = None, run: str | None = None,
        subject: str | None = None,
    ) -> Sequence[Entry]:  # fmt: skip
        """Entries in order of ``seq``."""
        where, values = ["seq > ?"], [after]  # type: list[str], list[Any]
        if kind is not None:
            where.append("kind >= ? AND kind < ?" if kind.endswith(".*") else "kind = ?")
            values += [kind[:-1], kind[:-2] + "/"] if kind.endswith(".*") else [kind]  # "/" follows "."
        for column, value in (("run", run), ("subject", subject)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        sql = f"SELECT {_COLUMNS} FROM journal WHERE {' AND '.join(where)} ORDER BY seq LIMIT ?"
        with self._database.reading() as connection:
            return [_entry_of(row) for row in connection.execute(sql, (*values, limit))]

    def head(self) -> tuple[int, str]:
        """The last ``seq`` and its digest."""
        with self._database.reading() as connection:
            return _head(connection)

    def declared(self, type: str | None = None) -> Sequence[Declared]:
        """Declared objects that are not retired, by type and name."""
        sql = (
            f"SELECT {DECLARED_COLUMNS} FROM declared"
            " WHERE NOT retired AND (?1 IS NULL OR type = ?1) ORDER BY type, name"
        )
        with self._database.reading() as connection:
            return [declared_of(row) for row in connection.execute(sql, (type,))]

    def approvals(
        self, *, state: str | None = None, run: str | None = None, limit: int = 200
    ) -> Sequence[Approval]:
        """Approvals, newest first."""
        sql = (
            f"SELECT {APPROVAL_COLUMNS} FROM approval WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR run = ?2)"
            " ORDER BY requested DESC, id LIMIT ?3"
        )
        with self._database.reading() as connection:
            return [approval_of(row) for row in connection.execute(sql, (state, run, limit))]

    def approval(self, approval: str) -> Approval:
        """One approval by id or unambiguous prefix."""
        sql = f"SELECT {APPROVAL_COLUMNS} FROM approval WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 2"
        with self._database.reading() as connection:
            rows = connection.execute(sql, (approval, approval + "\U0010ffff")).fetchall() if approval else []
        found = [approval_of(row) for row in rows]
        exact = [one for one in found if one.id == approval]
        return the_one(exact or found, approval)

    def budgets(self, scope: str | None = None) -> Sequence[Budget]:
        """Budgets with what is spent and held, by scope and name."""
        sql = f"SELECT {BUDGET_COLUMNS} FROM budget WHERE (?1 IS NULL OR scope = ?1) ORDER BY scope, name"
        with self._database.reading() as connection:
            return [Budget(*row) for row in connection.execute(sql, (scope,))]

    def stopped(self, run: str) -> Entry | None:
        """The entry that stopped a run, if one did."""
        sql = f"SELECT {_COLUMNS} FROM journal WHERE seq = (SELECT seq FROM stopped WHERE run = ?)"
        with self._database.reading() as connection:
            row = connection.execute(sql, (run,)).fetchone()
        return _entry_of(row) if row else None

    def verify(self) -> int:
        """Recompute the chain of digests; the number of entries."""
        with self._database.reading() as connection:
            return checked_chain(_all(connection))

    def rebuild(self) -> Mapping[str, int]:
        """Make the views anew from the journal; ``changed`` counts the views that were not true."""
        with self._database.writing() as connection:
            before = {view: _rows(connection, view) for view in VIEWS}
            for view in VIEWS:
                connection.execute(f"DELETE FROM {view}")
            views = SqliteViews(connection)
            for entry in _all(connection):
                apply(views, entry)
            after = {view: _rows(connection, view) for view in VIEWS}
        sizes = {view: len(rows) for view, rows in after.items()}
        return {**sizes, "changed": sum(before[view] != after[view] for view in VIEWS)}

    def info(self) -> Mapping[str, Any]:
        """Facts for ``tally store info``."""
        with self._database.reading() as connection:
            seq, digest = _head(connection)
            counts = {
                view: connection.execute(f"SELECT count(*) FROM {view}").fetchone()[0] for view in VIEWS
            }
        files = [self._database.path, *self._database.path.parent.glob(self._database.path.name + "-*")]
        size = sum(file.stat().st_size for file in files if file.exists())
        return {
            "path": str(self._database.path), "schema": self._database.version, "entries": seq, "head": digest,
            "bytes": size, **counts,
        }  # fmt: skip

    def close(self) -> None:
        """Close every connection. Closing twice is allowed."""
        self._database.close()


def _head(connection: sqlite3.Connection) -> tuple[int, str]:
    row = connection.execute("SELECT seq, digest FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else (0, GENESIS)


def _insert(connection: sqlite3.Connection, entry: Entry) -> None:
    connection.execute(
        f"INSERT INTO journal ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            entry.seq, entry.id, entry.at, entry.kind, entry.subject, entry.run, entry.actor,
            body_bytes(entry.body), entry.previous, entry.digest,
        ),
    )  # fmt: skip


def _all(connection: sqlite3.Connection) -> Iterator[Entry]:
    for row in connection.execute(f"SELECT {_COLUMNS} FROM journal ORDER BY seq"):
        yield _entry_of(row)


def _rows(connection: sqlite3.Connection, view: str) -> list[Any]:
    return connection.execute(f"SELECT * FROM {view} ORDER BY 1, 2").fetchall()
