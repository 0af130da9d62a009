"""Sums over runs by version or by time; a part of the trace store in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager

from tallystick.adapters.sqlite.searching import Pairs, choose, settled
from tallystick.adapters.sqlite.text_index import TextIndex
from tallystick.model.errors import BadInput
from tallystick.model.query import Query
from tallystick.observe.summary import PART_TYPES
from tallystick.ports import TALLY_KEYS, TallyRow
from tallystick.ports.tallies import DAY_NS

_DAY = f"r.sort / {DAY_NS}"
_KEYS = {"agent": "r.agent", "version": "r.version", "day": _DAY, "week": f"({_DAY} + 3) / 7 * 7 - 3"}
_ENDED = "r.status IN ('ok', 'failed', 'stopped', 'crashed')"
_PRICED = f"({_ENDED} AND r.cost_gaps = 0)"
_RUNS = f"""
SELECT {{key}} AS key, min(r.sort), max(r.sort), count(*), sum({_ENDED}), sum(r.status = 'ok'), sum(r.denials),
    sum({_PRICED}), sum(CASE WHEN {_PRICED} THEN r.cost_nano ELSE 0 END),
    total(CASE WHEN {_PRICED} THEN 1.0 * r.cost_nano * r.cost_nano END),
    sum(r.status = 'ok' AND r.cost_gaps = 0),
    sum(CASE WHEN r.status = 'ok' AND r.cost_gaps = 0 THEN r.cost_nano ELSE 0 END)
FROM run r WHERE {{where}} GROUP BY 1 ORDER BY key IS NULL, key
"""
_CALLS = f"""
SELECT {{key}} AS key, sum(p.steps), sum(p.errors) FROM run r
CROSS JOIN part p ON p.type = {PART_TYPES.index("tool")} AND p.run = r.no WHERE {{where}} GROUP BY 1
"""


class TallyReader:
    """Reads run rows and their parts only; mixed into the store."""

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def _sweep(self, now: int) -> None:
        raise NotImplementedError

    def text_index(self) -> TextIndex:
        """The index of what runs said, which a query may ask."""
        raise NotImplementedError

    pairs_of: Pairs

    def tallies(self, by: str, query: Query, *, now: int, owner: str | None = None) -> Sequence[TallyRow]:
        """Sums over the runs that match (with ``owner``: that belong to this agent), by key, none last."""
        if by not in TALLY_KEYS:
            raise BadInput(f"runs cannot be summed up by {by!r}", hint="by: " + ", ".join(TALLY_KEYS))
        self._sweep(now)
        choice = choose(query, self.text_index)
        with self._reading() as connection:
            where, values = settled(connection, choice, self.pairs_of, now=now)
            if owner is not None:
                where, values = f"r.agent = ? AND {where}", [owner, *values]
            connection.execute("SAVEPOINT tallies")  # both questions see the same runs
            try:
                rows = connection.execute(_RUNS.format(key=_KEYS[by], where=where), values).fetchall()
                calls = {
                    row[0]: row[1:]
                    for row in connection.execute(_CALLS.format(key=_KEYS[by], where=where), values)
                }
            finally:
                connection.execute("RELEASE tallies")
        return [TallyRow(*row[:7], *calls.get(row[0], (0, 0)), *row[7:]) for row in rows]
