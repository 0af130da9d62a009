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
from tallystick.adapters.sealing import Sealed, body_bytes, checked_leaves, checked_root, sealed, values_of
from tallystick.adapters.sqlite.control_schema import APPLICATION, MIGRATIONS, VIEWS
from tallystick.adapters.sqlite.control_tree import add_leaf, read_edge, read_nodes, read_tile, save_edge
from tallystick.adapters.sqlite.control_views import (
    APPROVAL_COLUMNS,
    BUDGET_COLUMNS,
    DECLARED_COLUMNS,
    SqliteViews,
    approval_of,
    declared_of,
)
from tallystick.adapters.sqlite.database import BUSY_SECONDS, Database
from tallystick.model.commitment import Opening
from tallystick.model.control import Approval, Budget, Declared
from tallystick.model.errors import Conflict, StoreFault, UnknownThing
from tallystick.model.journal import Draft, Entry, opened
from tallystick.ports import Clock, Ids

_COLUMNS: Final = "seq, id, at, kind, subject, run, actor, body, previous, digest, nth"


def _entry_of(row: Sequence[Any]) -> Entry:
    seq, name, at, kind, subject, run, actor, body, previous, digest, nth = row
    plain = msgspec.json.decode(body)
    return Entry(seq, name, at, kind, subject, run, actor, plain, digest, nth, previous or None)


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
            edge = read_edge(connection)
            counts: dict[str, int] = {}
            made: list[Entry] = []
            for draft in [*lapsed(views, drafts, at), *drafts]:
                nth = _next_of(connection, draft.run, counts)
                one = sealed(draft, seq=edge.size + 1, entry_id=self._ids.new("ent"), at=at, nth=nth)
                _insert(connection, one, draft)
                add_leaf(connection, edge, bytes.fromhex(one.entry.digest))
                apply(views, one.entry, one.open_body)
                made.append(one.entry)
            save_edge(connection, edge)
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

    def head(self) -> tuple[int, bytes]:
        """The number of entries and the root over them."""
        with self._database.reading() as connection:
            edge = read_edge(connection)
        return edge.size, edge.root()

    def nodes(self, wanted: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Hashes of complete subtrees, in the order asked for."""
        with self._database.reading() as connection:
            return read_nodes(connection, wanted)

    def tile(self, level: int, index: int, width: int = 256) -> bytes:
        """Hashes of one tile. Raises UnknownThing."""
        with self._database.reading() as connection:
            return read_tile(connection, level, index, width)

    def openings(self, seqs: Sequence[int]) -> Mapping[int, Sequence[Opening]]:
        """What opens the commitments of entries, by seq."""
        found: dict[int, list[Opening]] = {}
        with self._database.reading() as connection:
            for seq in seqs:
                rows = _openings(connection, seq)
                if rows:
                    found[seq] = rows
        return found

    def text(self, digest: str) -> str:
        """A text that an entry names by digest. Raises UnknownThing."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT body FROM text WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            raise UnknownThing(f"the journal has no text {digest[:12]}")
        return str(row[0])

    def erase(self, seqs: Sequence[int]) -> Sequence[str]:
        """Erase the openings of entries; the commitments that were opened until now."""
        gone: list[str] = []
        with self._database.writing() as connection:
            for seq in seqs:
                gone += [row[0] for row in connection.execute(
                    "SELECT commitment FROM opening WHERE seq = ? AND content IS NOT NULL ORDER BY place", (seq,)
                )]  # fmt: skip
                connection.execute(
                    "UPDATE opening SET salt = NULL, content = NULL, why = 'erased'"
                    " WHERE seq = ? AND content IS NOT NULL",
                    (seq,),
                )
        return gone

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a signed checkpoint. Raises Conflict where another root of that size was signed before."""
        with self._database.writing() as connection:
            row = connection.execute("SELECT note FROM checkpoint WHERE size = ?", (size,)).fetchone()
            if row is not None and row[0].split("\n")[:3] != note.split("\n")[:3]:
                raise Conflict(f"a checkpoint of {size} entries with another root was signed before")
            connection.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?)", (size, note))

    def checkpoints(self, *, limit: int = 50) -> Sequence[tuple[int, str]]:
        """Checkpoints as (size, note), newest first."""
        sql = "SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT ?"
        with self._database.reading() as connection:
            return [(size, note) for size, note in connection.execute(sql, (limit,))]

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
        """Recompute every leaf, tile and the root; the number of entries."""
        with self._database.reading() as connection:
            edge = checked_root(checked_leaves(_all(connection)))
            kept = read_edge(connection)
            if (edge.size, edge.peaks) != (kept.size, kept.peaks):
                raise StoreFault(
                    f"the journal has {edge.size} entries, and its tree was made over {kept.size}",
                    hint="put a backup in its place, and find out who changed it", seq=min(edge.size, kept.size) + 1,
                )  # fmt: skip
            return edge.size

    def rebuild(self) -> Mapping[str, int]:
        """Make the views anew from the journal; ``changed`` counts the views that were not true."""
        with self._database.writing() as connection:
            before = {view: _rows(connection, view) for view in VIEWS}
            for view in VIEWS:
                connection.execute(f"DELETE FROM {view}")
            views = SqliteViews(connection)
            for entry in _all(connection):
                apply(views, entry, opened(entry.body, values_of(_openings(connection, entry.seq))))
            after = {view: _rows(connection, view) for view in VIEWS}
        sizes = {view: len(rows) for view, rows in after.items()}
        return {**sizes, "changed": sum(before[view] != after[view] for view in VIEWS)}

    def info(self) -> Mapping[str, Any]:
        """Facts for ``tally store info``."""
        with self._database.reading() as connection:
            edge = read_edge(connection)
            counts = {
                view: connection.execute(f"SELECT count(*) FROM {view}").fetchone()[0] for view in VIEWS
            }
        files = [self._database.path, *self._database.path.parent.glob(self._database.path.name + "-*")]
        size = sum(file.stat().st_size for file in files if file.exists())
        return {
            "path": str(self._database.path), "schema": self._database.version, "entries": edge.size,
            "root": edge.root().hex(), "bytes": size, **counts,
        }  # fmt: skip

    def close(self) -> None:
        """Close every connection. Closing twice is allowed."""
        self._database.close()


def _next_of(connection: sqlite3.Connection, run: str | None, counts: dict[str, int]) -> int | None:
    """The number that the next entry of a run has among the run's entries."""
    if run is None:
        return None
    if run not in counts:
        row = connection.execute(
            "SELECT nth FROM journal WHERE run = ? ORDER BY seq DESC LIMIT 1", (run,)
        ).fetchone()
        if row is not None and row[0] is None:  # entries of the first version were not numbered
            row = connection.execute("SELECT count(*) FROM journal WHERE run = ?", (run,)).fetchone()
        counts[run] = row[0] if row else 0
    counts[run] += 1
    return counts[run]


def _insert(connection: sqlite3.Connection, one: Sealed, draft: Draft) -> None:
    entry = one.entry
    connection.execute(
        f"INSERT INTO journal ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?)",
        (
            entry.seq, entry.id, entry.at, entry.kind, entry.subject, entry.run, entry.actor,
            body_bytes(entry.body), entry.digest, entry.nth,
        ),
    )  # fmt: skip
    for place, content in enumerate(one.contents):
        kept = (content.salt, content.bytes, None) if content.keep else (None, None, content.why)
        connection.execute(
            "INSERT INTO opening VALUES (?, ?, ?, ?, ?, ?)", (entry.seq, place, content.commitment, *kept)
        )
    for digest, text in draft.texts.items():
        connection.execute("INSERT OR IGNORE INTO text VALUES (?, ?)", (digest, text))


def _openings(connection: sqlite3.Connection, seq: int) -> list[Opening]:
    sql = "SELECT commitment, salt, content, why FROM opening WHERE seq = ? ORDER BY place"
    return [Opening(*row) for row in connection.execute(sql, (seq,))]


def _all(connection: sqlite3.Connection) -> Iterator[Entry]:
    for row in connection.execute(f"SELECT {_COLUMNS} FROM journal ORDER BY seq"):
        yield _entry_of(row)


def _rows(connection: sqlite3.Connection, view: str) -> list[Any]:
    return connection.execute(f"SELECT * FROM {view} ORDER BY 1, 2").fetchall()
