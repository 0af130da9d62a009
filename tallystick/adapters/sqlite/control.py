"""The control store in one SQLite file (``ports.ControlStore``): an append-only journal and the views that follow."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tallystick.adapters.journal_rules import (
    VIEWS,
    Row,
    all_budgets,
    apply,
    approval_from,
    budgets_in,
    declared_from,
    plain_body,
    replay,
)
from tallystick.adapters.sealing import check_chain, unknown_approval
from tallystick.adapters.sqlite.control_schema import APPLICATION, MIGRATIONS
from tallystick.adapters.sqlite.database import BUSY_SECONDS, Database
from tallystick.model.control import Approval, Budget, Declared
from tallystick.model.journal import GENESIS, Draft, Entry, seal
from tallystick.ports import Clock, Ids

_COLUMNS = "seq, id, at, kind, subject, run, actor, body, previous, digest"


class SqlViews:
    """The views as tables, read and written inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, view: str, key: str) -> Row | None:
        """One row, or None."""
        columns = VIEWS[view]
        row = self._connection.execute(
            f"SELECT {', '.join(columns)} FROM {view} WHERE key=?", (key,)
        ).fetchone()
        return None if row is None else dict(zip(columns, row, strict=True))

    def put(self, view: str, key: str, row: Row) -> None:
        """Write one row, new or in the place of the old one."""
        columns = VIEWS[view]
        self._connection.execute(
            f"INSERT OR REPLACE INTO {view} (key, {', '.join(columns)}) VALUES (?{', ?' * len(columns)})",
            (key, *[row.get(column) for column in columns]),
        )

    def find(self, view: str, column: str, value: Any) -> list[Row]:
        """Rows with a value in a column, by key."""
        return self.select(view, f"{column}=? ORDER BY key", (value,))

    def select(self, view: str, where: str = "1", values: Sequence[Any] = ()) -> list[Row]:
        """Rows that meet an SQL condition, each with its ``key``."""
        columns = ("key", *VIEWS[view])
        found = self._connection.execute(f"SELECT {', '.join(columns)} FROM {view} WHERE {where}", values)
        return [dict(zip(columns, row, strict=True)) for row in found]


class SqliteControl:
    """Journal and views in ``path``. Every append is on the disk when it returns (``synchronous=FULL``)."""

    def __init__(self, path: Path, clock: Clock, ids: Ids, *, busy_seconds: float = BUSY_SECONDS) -> None:
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
        """Write entries and their effect on the views in one durable transaction, or nothing at all."""
        if not drafts:
            return ()
        plain = [replace(draft, body=plain_body(draft.body)) for draft in drafts]
        written: list[Entry] = []
        with self._database.writing() as connection:
            views = SqlViews(connection)
            seq, previous = _head(connection)
            for draft in plain:
                seq += 1
                entry = seal(
                    draft, seq=seq, entry_id=self._ids.new("ent"), at=self._clock.now(), previous=previous
                )
                apply(views, entry)
                connection.execute(
                    f"INSERT INTO journal ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",
                    (
                        entry.seq, entry.id, entry.at, entry.kind, entry.subject, entry.run, entry.actor,
                        json.dumps(entry.body, ensure_ascii=False), entry.previous, entry.digest,
                    ),
                )  # fmt: skip
                written.append(entry)
                previous = entry.digest
        return tuple(written)

    def entries(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        kind: str | None = None,
        run: str | None = None,
        subject: str | None = None,
    ) -> Sequence[Entry]:
        """Entries in order of ``seq``. ``kind`` may end in ``.*``."""
        where: list[str] = ["seq > ?"]
        values: list[Any] = [after]
        for column, value in (("run", run), ("subject", subject)):
            if value is not None:
                where.append(f"{column}=?")
                values.append(value)
        if kind is not None and kind.endswith(".*"):
            where.append("kind >= ? AND kind < ?")
            values += [kind[:-1], kind[:-2] + "/"]  # "/" follows "." in the order of letters
        elif kind is not None:
            where.append("kind=?")
            values.append(kind)
        with self._database.reading() as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM journal WHERE {' AND '.join(where)} ORDER BY seq LIMIT ?",
                [*values, max(0, limit)],
            ).fetchall()
        return [_entry(row) for row in found]

    def head(self) -> tuple[int, str]:
        """The last ``seq`` and its digest; (0, GENESIS) for an empty journal."""
        with self._database.reading() as connection:
            return _head(connection)

    def declared(self, type: str | None = None) -> Sequence[Declared]:  # noqa: A002
        """Declared objects that are not retired, by type and name."""
        with self._database.reading() as connection:
            rows = SqlViews(connection).select(
                "declared", "retired=0 AND (?1 IS NULL OR type=?1) ORDER BY type, name", (type,)
            )
        return [declared_from(row) for row in rows]

    def approvals(
        self, *, state: str | None = None, run: str | None = None, limit: int = 200
    ) -> Sequence[Approval]:
        """Approvals, newest first."""
        where = " AND ".join(
            [text for text, value in (("state=?", state), ("run=?", run)) if value is not None] or ["1"]
        )
        values = [value for value in (state, run) if value is not None]
        with self._database.reading() as connection:
            rows = SqlViews(connection).select(
                "approvals", f"{where} ORDER BY seq DESC LIMIT ?", [*values, max(0, limit)]
            )
        return [approval_from(row["key"], row) for row in rows]

    def approval(self, approval: str) -> Approval:
        """One approval by id or unambiguous prefix. Raises UnknownThing."""
        with self._database.reading() as connection:
            views = SqlViews(connection)
            rows = views.select("approvals", "key=?", (approval,))
            if not rows and approval:
                rows = views.select(
                    "approvals", "key >= ? AND key < ? LIMIT 2", (approval, approval + chr(0x10FFFF))
                )
        if len(rows) != 1:
            raise unknown_approval(approval, several=len(rows) > 1)
        return approval_from(rows[0]["key"], rows[0])

    def budgets(self, scope: str | None = None) -> Sequence[Budget]:
        """Budgets with what is spent and held, by scope."""
        with self._database.reading() as connection:
            views = SqlViews(connection)
            if scope is not None:
                return budgets_in(views, scope)
            return all_budgets(
                [(row["key"], row) for row in views.select("budgets")], views.select("accounts")
            )

    def stopped(self, run: str) -> Entry | None:
        """The entry that stopped a run, if one did."""
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM journal WHERE seq = (SELECT seq FROM stopped WHERE key=?)", (run,)
            ).fetchone()
        return None if row is None else _entry(row)

    def verify(self) -> int:
        """Recompute the chain of digests; return the number of entries. Raises StoreFault naming the bad entry."""
        with self._database.reading() as connection:
            return check_chain(_all(connection))

    def rebuild(self) -> Mapping[str, int]:
        """Make the views anew from the journal, in one transaction; ``changed`` counts rows that were not true."""
        with self._database.writing() as connection:
            views = SqlViews(connection)
            fresh = replay(_all(connection))
            changed = 0
            for view, rows in fresh.rows.items():
                held = {row.pop("key"): row for row in views.select(view)}
                wrong = [key for key in held.keys() | rows.keys() if held.get(key) != rows.get(key)]
                changed += len(wrong)
                for key in wrong:
                    connection.execute(f"DELETE FROM {view} WHERE key=?", (key,))
                    if key in rows:
                        views.put(view, key, rows[key])
        return {**{view: len(rows) for view, rows in fresh.rows.items()}, "changed": changed}

    def info(self) -> Mapping[str, Any]:
        """Path, schema version, counts and bytes."""
        with self._database.reading() as connection:
            counts = {
                view: connection.execute(f"SELECT count(*) FROM {view}").fetchone()[0]
                for view in ("journal", *VIEWS)
            }
        path = self._database.path
        size = sum(
            file.stat().st_size for file in (path, path.with_name(path.name + "-wal")) if file.exists()
        )
        entries = counts.pop("journal")
        return {
            "path": str(path),
            "schema": self._database.version,
            "entries": entries,
            **counts,
            "bytes": size,
        }

    def close(self) -> None:
        """Release files and connections. Closing twice is allowed."""
        self._database.close()


def _entry(row: tuple[Any, ...]) -> Entry:
    seq, name, at, kind, subject, run, actor, body, previous, digest = row
    return Entry(seq, name, at, kind, subject, run, actor, json.loads(body), previous, digest)


def _head(connection: sqlite3.Connection) -> tuple[int, str]:
    row = connection.execute("SELECT seq, digest FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
    return (0, GENESIS) if row is None else (int(row[0]), str(row[1]))


def _all(connection: sqlite3.Connection) -> Iterator[Entry]:
    for row in connection.execute(f"SELECT {_COLUMNS} FROM journal ORDER BY seq"):
        yield _entry(row)
