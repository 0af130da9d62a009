"""The dearest rows of what was spent, where there may be as many rows as runs: only those that are asked for become
rows with a name. The sums over all of them are those of the runs."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from tallystick.adapters.sqlite.remembering import Remembered, merged
from tallystick.adapters.sqlite.spending import BY_RUN, names_of, read_spend
from tallystick.observe.summary import PART_TYPES
from tallystick.ports import Dearest, Spend

_MANY: Final = ("subject", "conversation")  # no run is one as a whole, and each may have its own
_CHOSEN: Final = "r.no IN (SELECT value FROM json_each(?))"
_TOTALS: Final = (
    "SELECT count(*), sum(r.cost_nano), sum(r.cost_gaps), sum(r.steps), sum(r.input_tokens), sum(r.output_tokens),"
    " sum(r.token_gaps), sum(r.loose & {bit} <> 0) FROM run r WHERE {where}"
)
_PARTS: Final = (
    "SELECT p.name, p.cost_nano, p.cost_gaps, p.steps, 1, p.input_tokens, p.output_tokens, p.token_gaps"
    " FROM run r JOIN part p ON p.type = {type} AND p.run = r.no WHERE {where}"
)
_RUNS: Final = 4  # place of the number of runs in such a row
_worth: Final = itemgetter(1, 2)

Row = tuple[Any, ...]


def read_dearest(
    connection: sqlite3.Connection, by: str, where: str, values: Sequence[Any], remembered: Remembered, *,
    limit: int, after: int,
) -> Dearest:  # fmt: skip
    """Rows of ``read_spend`` from place ``after`` on, at most ``limit``, and the sums over all. Raises BadInput."""
    if by != "run" and by not in _MANY:
        rows = read_spend(connection, by, where, values, remembered)
        cost, unknown = sum(row.cost_nano for row in rows), sum(row.unknown for row in rows)
        return Dearest(rows[after : after + limit], len(rows), cost, unknown)
    if where != "1":  # a query is answered once, and not for sums and rows again
        chosen = connection.execute(f"SELECT r.no FROM run r WHERE {where}", values).fetchall()
        where, values = _CHOSEN, [str([row[0] for row in chosen])]

    def ask(sql: str) -> list[Row]:
        if where == "1":
            return remembered.ask(connection, sql)
        return connection.execute(sql.format(where=where), values).fetchall()

    bit = 0 if by == "run" else 1 << PART_TYPES.index(by)
    totals = merged(ask(_TOTALS.format(bit=bit, where="{where}")), 0)
    runs, *whole, loose = [one or 0 for one in totals[0]] if totals else [0] * 8
    if by == "run":
        sql = f"{BY_RUN.format(where=where)} LIMIT ? OFFSET ?"
        found = connection.execute(sql, [*values, limit, after]).fetchall()
        return Dearest([Spend(*row) for row in found], runs, whole[0], whole[1])
    named = _by_name(ask(_PARTS.format(type=PART_TYPES.index(by), where="{where}")))
    if loose:
        claimed = [sum(map(itemgetter(place), named)) for place in range(1, 8) if place != _RUNS]
        cost, gaps, steps, *tokens = (one - other for one, other in zip(whole, claimed, strict=True))
        named.append((None, cost, gaps, steps, loose, *tokens))
    shown = _page(connection, named, limit, after)
    return Dearest([Spend(*row) for row in shown], len(named), whole[0], whole[1])


def _by_name(rows: Iterable[Row]) -> list[Row]:
    """Rows with the same name as one; most names have one row only."""
    found: dict[int, Row] = {}
    for row in rows:
        held = found.setdefault(row[0], row)
        if held is not row:
            found[row[0]] = (row[0], *map(int.__add__, held[1:], row[1:]))
    return list(found.values())


def _page(connection: sqlite3.Connection, rows: list[Row], limit: int, after: int) -> list[Row]:
    """Rows in order of what they cost, with their names, which are looked up for those alone that may be shown: the
    page, and what costs as much as its first or its last row."""
    rows.sort(key=_worth, reverse=True)
    last = min(after + limit, len(rows))
    if last <= after:
        return []
    first = bisect_left(rows, _less(rows[after]), key=_less)
    end = bisect_right(rows, _less(rows[last - 1]), key=_less)
    names = names_of(connection, {row[0] for row in rows[first:end] if row[0] is not None})
    named = [(None if row[0] is None else names[row[0]], *row[1:]) for row in rows[first:end]]
    named.sort(key=lambda row: (-row[1], -row[2], row[0] is None, row[0] or ""))
    return named[after - first : last - first]


def _less(row: Row) -> tuple[int, int]:
    return -row[1], -row[2]
