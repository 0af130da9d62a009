"""Ties in ``traces.db``: what traces say of each other (observe/ties.py), and which belongs to which by that."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

from tallystick.adapters.sqlite.runs import pairs_in
from tallystick.model.tie import CREATED, GIVES, GUEST, HOST, INVOKED, TAKES, Tie

_TIES = "SELECT t.key, t.role, t.at, t.until, x.id FROM tie t JOIN trace x ON x.no = t.trace WHERE "
_FIRST = _TIES + "t.key=? AND t.role=? AND t.at>=? AND t.at<=? ORDER BY t.at, x.id, t.until LIMIT ?"
_LAST = (
    _TIES + "t.key=? AND t.role=? AND t.at>=? AND t.at<=? ORDER BY t.at DESC, x.id DESC, t.until DESC LIMIT ?"
)
_OF = _TIES + "t.trace = (SELECT no FROM trace WHERE id=?) ORDER BY t.at, t.role, t.key, t.until"
# A tie of this role decides nothing while no other of its key has that role.
_NEEDS = {HOST: GUEST, INVOKED: CREATED, GIVES: TAKES}


class TieTable:
    """The ties of one file, inside a write transaction (``observe.tying.Look``)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, ties: Iterable[Tie], traces: Mapping[str, int]) -> None:
        """Write ties; ``traces`` has the row number of each trace."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO tie (key, role, at, until, trace) VALUES (?,?,?,?,?)",
            [(key, role, at, until, traces[trace]) for key, role, at, until, trace in ties],
        )

    def telling(self, ties: Sequence[Tie]) -> list[Tie]:
        """Those of some ties that may decide something."""
        asked = sorted({tie.key for tie in ties if tie.role in _NEEDS})
        sql = f"SELECT DISTINCT key, role FROM tie WHERE key IN ({{}}) AND role IN ({GUEST}, {CREATED}, {TAKES})"
        met = set(pairs_in(self._connection, sql, asked))
        return [tie for tie in ties if tie.role not in _NEEDS or (tie.key, _NEEDS[tie.role]) in met]

    def near(
        self, key: int, role: int, since: int, until: int, limit: int | None = None, *, newest: bool = False
    ) -> Sequence[Tie]:
        """See ``observe.tying.Look``."""
        sql = _LAST if newest else _FIRST
        return _read(self._connection.execute(sql, (key, role, since, until, -1 if limit is None else limit)))

    def of(self, trace: str) -> Sequence[Tie]:
        """The ties of a trace."""
        return _read(self._connection.execute(_OF, (bytes.fromhex(trace),)))

    def tied(self, traces: Collection[str]) -> dict[str, str]:
        """Which of these traces belong to others, and to which."""
        found = pairs_in(
            self._connection,
            "SELECT x.id, y.id FROM tied d JOIN trace x ON x.no=d.trace JOIN trace y ON y.no=d.host WHERE x.id IN ({})",
            [bytes.fromhex(trace) for trace in traces],
        )
        return {one.hex(): other.hex() for one, other in found}

    def tied_in(self, run: int) -> list[tuple[str, str]]:
        """The traces of a run (row number) that belong to others, each with that."""
        return [(one.hex(), other.hex()) for one, other in self._connection.execute(
            "SELECT x.id, y.id FROM trace x JOIN tied d ON d.trace=x.no JOIN trace y ON y.no=d.host WHERE x.run=?",
            (run,),
        )]  # fmt: skip

    def tie(self, decided: Mapping[str, str | None]) -> None:
        """Write which trace belongs to which; None: to none."""
        self._connection.executemany(
            "DELETE FROM tied WHERE trace = (SELECT no FROM trace WHERE id=?)",
            [(bytes.fromhex(trace),) for trace in decided],
        )
        self._connection.executemany(
            "INSERT INTO tied (trace, host) SELECT x.no, y.no FROM trace x, trace y WHERE x.id=? AND y.id=?",
            [(bytes.fromhex(trace), bytes.fromhex(host)) for trace, host in decided.items() if host],
        )


def untie(connection: sqlite3.Connection, run: int) -> None:
    """The contents of a run (row number) go: nothing is decided by what its traces said any more."""
    mine = "(SELECT no FROM trace WHERE run=?)"
    connection.execute(f"DELETE FROM tie WHERE trace IN {mine}", (run,))
    connection.execute(f"DELETE FROM tied WHERE trace IN {mine} OR host IN {mine}", (run, run))


def _read(found: Iterable[tuple[int, int, int, int, bytes]]) -> list[Tie]:
    return [Tie(key, role, at, until, trace.hex()) for key, role, at, until, trace in found]
