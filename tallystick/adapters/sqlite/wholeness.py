"""How many runs were recorded whole, by agent or by day; a part of the trace store in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from tallystick.model.errors import BadInput
from tallystick.model.query import Query
from tallystick.ports import WHOLENESS_KEYS, Wholeness

_KEYS = {"agent": "r.agent", "day": "date(r.sort / 1000000000, 'unixepoch')"}
_SQL = """
SELECT {key} AS key, count(*), sum(r.completeness = 'complete'), sum(r.completeness = 'lossy'),
    sum(r.completeness = 'open'),
    sum(r.completeness = 'crashed'), sum(ifnull(r.missing, 0)), sum(r.completeness <> 'open' AND r.missing IS NULL)
FROM run r WHERE {where} GROUP BY 1 ORDER BY key IS NULL, key
"""


class WholenessReader:
    """Reads run rows only; mixed into the store."""

    def selected(
        self, query: Query, now: int
    ) -> AbstractContextManager[tuple[sqlite3.Connection, str, list[Any]]]:
        """A read transaction, and the condition on runs ``r`` that a query is in it."""
        raise NotImplementedError

    def _sweep(self, now: int) -> None:
        raise NotImplementedError

    def completeness(self, by: str, query: Query, *, now: int) -> Sequence[Wholeness]:
        """How the runs that match stand, by agent or by day of their start. Raises BadInput for another ``by``."""
        if by not in WHOLENESS_KEYS:
            raise BadInput(
                f"completeness cannot be grouped by {by!r}", hint="by: " + ", ".join(WHOLENESS_KEYS)
            )
        self._sweep(now)
        with self.selected(query, now) as (connection, where, values):
            return [
                Wholeness(*row) for row in connection.execute(_SQL.format(key=_KEYS[by], where=where), values)
            ]
