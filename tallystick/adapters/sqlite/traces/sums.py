"""Sums over runs: money, sightings, how whole they are, and what signals are made of (``ports.RunSums``)."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.adapters.sqlite.ranking import read_dearest
from tallystick.adapters.sqlite.spending import read_sightings, read_spend
from tallystick.adapters.sqlite.traces.file import TraceFile
from tallystick.model.errors import BadInput
from tallystick.model.query import Query
from tallystick.observe.summary import PART_TYPES
from tallystick.ports import TALLY_KEYS, WHOLENESS_KEYS, Dearest, Sighting, Spend, TallyRow, Wholeness
from tallystick.ports.sums import DAY_NS

_DAY = f"r.sort / {DAY_NS}"
_TALLY_KEYS = {"agent": "r.agent", "version": "r.version", "day": _DAY, "week": f"({_DAY} + 3) / 7 * 7 - 3"}
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
_WHOLENESS_KEYS = {"agent": "r.agent", "day": "date(r.sort / 1000000000, 'unixepoch')"}
_WHOLENESS = """
SELECT {key} AS key, count(*), sum(r.completeness = 'complete'), sum(r.completeness = 'lossy'),
    sum(r.completeness = 'open'),
    sum(r.completeness = 'crashed'), sum(ifnull(r.missing, 0)), sum(r.completeness <> 'open' AND r.missing IS NULL)
FROM run r WHERE {where} GROUP BY 1 ORDER BY key IS NULL, key
"""


class SqliteSums(TraceFile):
    """Reads run rows and their parts only, never steps, unless a query needs them."""

    def spend(self, by: str, query: Query, *, now: int) -> Sequence[Spend]:
        """Cost by agent, tool, workflow, run or model, dearest first; the rows add up to the total of the runs."""
        self._sweep(now)
        with self._selected(query, now) as (connection, where, values):
            return read_spend(connection, by, where, values, self._remembered)

    def dearest(self, by: str, query: Query, *, now: int, limit: int, after: int = 0) -> Dearest:
        """Some of the rows of ``spend``, and the sums over all of them."""
        self._sweep(now)
        with self._selected(query, now) as (connection, where, values):
            return read_dearest(connection, by, where, values, self._remembered, limit=limit, after=after)

    def sightings(self, type: str) -> Sequence[Sighting]:
        """What was seen of one type, last seen first."""
        self._settle()
        with self._reading() as connection:
            return read_sightings(connection, type, self._remembered)

    def completeness(self, by: str, query: Query, *, now: int) -> Sequence[Wholeness]:
        """How the runs that match stand, by agent or by day of their start. Raises BadInput for another ``by``."""
        if by not in WHOLENESS_KEYS:
            raise BadInput(
                f"completeness cannot be grouped by {by!r}", hint="by: " + ", ".join(WHOLENESS_KEYS)
            )
        self._sweep(now)
        with self._selected(query, now) as (connection, where, values):
            sql = _WHOLENESS.format(key=_WHOLENESS_KEYS[by], where=where)
            return [Wholeness(*row) for row in connection.execute(sql, values)]

    def tallies(self, by: str, query: Query, *, now: int, owner: str | None = None) -> Sequence[TallyRow]:
        """Sums over the runs that match (with ``owner``: that belong to this agent), by key, none last."""
        if by not in TALLY_KEYS:
            raise BadInput(f"runs cannot be summed up by {by!r}", hint="by: " + ", ".join(TALLY_KEYS))
        self._sweep(now)
        with self._selected(query, now) as (connection, where, values):
            if owner is not None:
                where, values = f"r.agent = ? AND ({where})", [owner, *values]
            rows = connection.execute(_RUNS.format(key=_TALLY_KEYS[by], where=where), values).fetchall()
            calls = {
                row[0]: row[1:]
                for row in connection.execute(_CALLS.format(key=_TALLY_KEYS[by], where=where), values)
            }
        return [TallyRow(*row[:7], *calls.get(row[0], (0, 0)), *row[7:]) for row in rows]
