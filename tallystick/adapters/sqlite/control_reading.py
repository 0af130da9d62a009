"""What is asked of control.db without changing it (the reading half of ``ports.ControlStore``)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tallystick.adapters.effect_projections import the_effect
from tallystick.adapters.people_projections import RIGHTS_KINDS
from tallystick.adapters.projections import HEARD_KINDS, the_one
from tallystick.adapters.sqlite.control_check import check_control
from tallystick.adapters.sqlite.control_entries import COLUMNS, entry_of
from tallystick.adapters.sqlite.control_kept import read_openings
from tallystick.adapters.sqlite.control_tree import read_edge, read_nodes, read_tile
from tallystick.adapters.sqlite.control_views import (
    APPROVAL_COLUMNS,
    BUDGET_COLUMNS,
    EFFECT_COLUMNS,
    SWITCH_COLUMNS,
    VIEWS,
    VOUCHED_COLUMNS,
    approval_of,
    effect_of,
    vouched_of,
)
from tallystick.adapters.sqlite.database import Database
from tallystick.adapters.sqlite.people_views import delegation_of, person_of, token_of
from tallystick.adapters.sqlite.registry_views import (
    ALIAS_COLUMNS,
    SHOWN_COLUMNS,
    VERSION_COLUMNS,
    declared_of,
    shown_of,
    version_of,
)
from tallystick.govern.people import People
from tallystick.model.commitment import Opening
from tallystick.model.control import Approval, Budget, Deed, Switch, Vouched
from tallystick.model.errors import UnknownThing
from tallystick.model.journal import Entry
from tallystick.model.registry import Alias, Declared, Shown, Version


# The index of kinds ends in the entry's number: one step into it for each kind, however long the journal is.
def _newest(kinds: Iterable[str]) -> str:
    each = (f"ifnull((SELECT max(seq) FROM journal WHERE kind = '{kind}'), 0)" for kind in kinds)
    return f"SELECT max({', '.join(each)})"


_REVISION: Final = _newest(HEARD_KINDS)
_PEOPLE_REVISION: Final = _newest(RIGHTS_KINDS)


def revision_of(connection: sqlite3.Connection) -> int:
    """The number of the newest entry about the registry, as this connection sees it now."""
    return int(connection.execute(_REVISION).fetchone()[0])


class ControlReader:
    """Questions to the journal, its tree and its views; each answer belongs to one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(
        self, *, after: int = 0, limit: int = 1000, kind: str | None = None, run: str | None = None,
        subject: str | None = None, actor: str | None = None, newest: bool = False,
    ) -> Sequence[Entry]:  # fmt: skip
        """Entries in order of ``seq``, or newest first."""
        # One index answers: the subject's, else the run's, else the actor's, else the kind's. A "+" keeps SQLite from
        # another one, of which it cannot know that it has thousands of entries for each that is wanted.
        where, values = ["seq > ?"], [after]  # type: list[str], list[Any]
        found = False
        for column, value in (("subject", subject), ("run", run), ("actor", actor)):
            if value is not None:
                where.append(f"+{column} = ?" if found else f"{column} = ?")
                values.append(value)
                found = True
        if actor is not None and actor != "tallystick":
            where.append("actor <> 'tallystick'")  # the index has only those
        if kind is not None and kind.endswith(".*"):
            where.append("+kind >= ? AND +kind < ?")
            values += [kind[:-1], kind[:-2] + "/"]  # "/" follows "."
        elif kind is not None:
            where.append("+kind = ?" if found else "kind = ?")
            values.append(kind)
        order = "seq DESC" if newest else "seq"
        sql = f"SELECT {COLUMNS} FROM journal WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?"
        with self._database.reading() as connection:
            return [entry_of(row) for row in connection.execute(sql, (*values, limit))]

    def head(self) -> tuple[int, bytes]:
        """The number of entries and the root over them."""
        with self._database.reading() as connection:
            edge, _ = read_edge(connection)
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
                rows = read_openings(connection, seq)
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

    def checkpoints(self, *, limit: int = 50) -> Sequence[tuple[int, str]]:
        """Checkpoints as (size, note), newest first."""
        sql = "SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT ?"
        with self._database.reading() as connection:
            return [(size, note) for size, note in connection.execute(sql, (limit,))]

    def declared(self, type: str | None = None, *, retired: bool = False) -> Sequence[Declared]:
        """Declared objects by type and name; those that are retired only when asked for."""
        wanted = ["type = ?"] if type is not None else []
        if not retired:
            wanted.append("NOT retired")
        where = " WHERE " + " AND ".join(wanted) if wanted else ""
        sql = f"SELECT object FROM declared{where} ORDER BY type, name"
        with self._database.reading() as connection:
            rows = connection.execute(sql, () if type is None else (type,))
            return [declared_of(row[0]) for row in rows]

    def versions(self, type: str, name: str) -> Sequence[Version]:
        """All versions of one object, newest first."""
        sql = f"SELECT {VERSION_COLUMNS} FROM version WHERE type = ? AND name = ? ORDER BY seq DESC"
        with self._database.reading() as connection:
            return [version_of(row) for row in connection.execute(sql, (type, name))]

    def aliases(self, type: str | None = None, name: str | None = None) -> Sequence[Alias]:
        """Aliases, by type, name and alias."""
        given = [(column, value) for column, value in (("type", type), ("name", name)) if value is not None]
        where = " WHERE " + " AND ".join(f"{column} = ?" for column, _ in given) if given else ""
        sql = f"SELECT {ALIAS_COLUMNS} FROM alias{where} ORDER BY type, name, alias"
        with self._database.reading() as connection:
            return [Alias(*row) for row in connection.execute(sql, [value for _, value in given])]

    def shown(self, tool: str | None = None) -> Sequence[Shown]:
        """Definitions that tools showed, by tool, channel and time."""
        where = "" if tool is None else " WHERE tool = ?"
        sql = f"SELECT {SHOWN_COLUMNS} FROM definition{where} ORDER BY tool, channel, first, definition"
        with self._database.reading() as connection:
            return [shown_of(row) for row in connection.execute(sql, () if tool is None else (tool,))]

    def registry_revision(self) -> int:
        """The number of the newest entry about the registry; 0 without any."""
        with self._database.reading() as connection:
            return revision_of(connection)

    def people(self) -> People:
        """All people, tokens and delegations, from one moment."""
        with self._database.reading() as connection:
            revision = int(connection.execute(_PEOPLE_REVISION).fetchone()[0])
            persons = [
                person_of(row[0]) for row in connection.execute("SELECT object FROM person ORDER BY name")
            ]
            tokens = [token_of(row[0]) for row in connection.execute("SELECT object FROM token ORDER BY id")]
            rows = connection.execute("SELECT object FROM delegation ORDER BY id")
            delegations = [delegation_of(row[0]) for row in rows]
        return People(
            {one.name: one for one in persons}, {one.id: one for one in tokens}, delegations, revision
        )

    def people_revision(self) -> int:
        """The number of the newest entry that changed what people may do; 0 without any."""
        with self._database.reading() as connection:
            return int(connection.execute(_PEOPLE_REVISION).fetchone()[0])

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

    def switches(self) -> Sequence[Switch]:
        """What is stopped now, by scope."""
        with self._database.reading() as connection:
            rows = connection.execute(f"SELECT {SWITCH_COLUMNS} FROM switch ORDER BY scope")
            return [Switch(*row) for row in rows]

    def vouched(self, after: int = 0) -> Sequence[Vouched]:
        """What people vouched for, and how long (see ``ports.ControlStore``)."""
        sql = f"SELECT {VOUCHED_COLUMNS} FROM vouched WHERE until > ? ORDER BY at, id"
        with self._database.reading() as connection:
            return [vouched_of(row) for row in connection.execute(sql, (after,))]

    def effects(
        self, *, unsettled: bool = False, run: str | None = None, tool: str | None = None, limit: int = 200
    ) -> Sequence[Deed]:
        """Consequential calls, newest first."""
        wanted = ["(?1 IS NULL OR run = ?1)", "(?2 IS NULL OR tool = ?2)"]
        if unsettled:
            wanted.append("state IN ('started', 'in doubt')")
        order = "ORDER BY started DESC, id DESC LIMIT ?3"
        sql = f"SELECT {EFFECT_COLUMNS} FROM effect WHERE {' AND '.join(wanted)} {order}"
        with self._database.reading() as connection:
            return [effect_of(row) for row in connection.execute(sql, (run, tool, limit))]

    def effect(self, effect: str) -> Deed:
        """One effect by id or unambiguous prefix."""
        sql = f"SELECT {EFFECT_COLUMNS} FROM effect WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 2"
        with self._database.reading() as connection:
            rows = connection.execute(sql, (effect, effect + "\U0010ffff")).fetchall() if effect else []
        found = [effect_of(row) for row in rows]
        exact = [one for one in found if one.effect == effect]
        return the_effect(exact or found, effect)

    def stopped(self, run: str) -> Entry | None:
        """The entry that stopped a run, if one did."""
        sql = f"SELECT {COLUMNS} FROM journal WHERE seq = (SELECT seq FROM stopped WHERE run = ?)"
        with self._database.reading() as connection:
            row = connection.execute(sql, (run,)).fetchone()
        return entry_of(row) if row else None

    def verify(self) -> int:
        """Check every row of the store (see ``ports.ControlStore.verify``); the number of entries."""
        with self._database.reading() as connection:
            return check_control(connection)

    def info(self) -> Mapping[str, Any]:
        """Facts for ``tally store info``."""
        with self._database.reading() as connection:
            edge, _ = read_edge(connection)
            counts = {
                view: connection.execute(f"SELECT count(*) FROM {view}").fetchone()[0] for view in VIEWS
            }
        files = [self._database.path, *self._database.path.parent.glob(self._database.path.name + "-*")]
        size = sum(file.stat().st_size for file in files if file.exists())
        return {
            "path": str(self._database.path), "schema": self._database.version, "entries": edge.size,
            "root": edge.root().hex(), "bytes": size, **counts,
        }  # fmt: skip
