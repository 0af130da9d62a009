"""Money by key, and sightings, summed in SQL.

A run's parts hold what its steps say of themselves. What no part claims (steps that name no agent, costs that are no
tool's) belongs to the run's own agent or workflow, else to no key, so that the rows of every grouping add up to the
same total. ``run.loose`` says of which types a run has steps that no part claims (a bit for each type), so that nothing
has to be summed run by run: what is left over is the sums of the runs less the sums of their parts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from tallystick.adapters.sqlite.remembering import Remembered, merged
from tallystick.model.errors import BadInput
from tallystick.observe.summary import PART_TYPES, SEEN_TYPES
from tallystick.ports import Sighting, Spend

SPEND_KEYS: Final = ("agent", "tool", "workflow", "run", "model", "version", "subject", "conversation")
_OWN: Final = ("agent", "workflow")  # types by which a run is somebody's as a whole
_EVERY: Final = (1 << len(PART_TYPES)) - 1

# Of which types the parts of a run are not all of it. (Gaps may belong to no step: calls that a crash cut off;
# and tokens to no part: the totals that an agent step tells of a session whose calls were not recorded.)
LOOSE: Final = (
    f"{_EVERY} - ifnull((SELECT sum(1 << type) FROM (SELECT p.type AS type, sum(p.steps) AS"
    " steps, sum(p.cost_gaps) AS cost_gaps, sum(p.token_gaps) AS token_gaps,"
    " sum(p.input_tokens) AS input_tokens, sum(p.output_tokens) AS output_tokens FROM part p"
    f" WHERE p.type IN ({', '.join(str(place) for place in range(len(PART_TYPES)))}) AND p.run = run.no"
    " GROUP BY p.type) s WHERE (s.steps, s.cost_gaps, s.token_gaps, s.input_tokens, s.output_tokens)"
    " = (run.steps, run.cost_gaps, run.token_gaps, run.input_tokens, run.output_tokens)), 0)"
)
MARK_LOOSE: Final = f"UPDATE run SET loose = {LOOSE}"  # after a run and its parts were written

_SUMS: Final = (
    "sum(p.cost_nano), sum(p.cost_gaps), sum(p.steps), "
    "sum(p.input_tokens), sum(p.output_tokens), sum(p.token_gaps)"
)
_NAMED: Final = f"""
SELECT {{own}}, p.name, {_SUMS}, count(*)
FROM run r JOIN part p ON p.type = {{type}} AND p.run = r.no WHERE {{where}} GROUP BY {{key}}p.name
"""
_WHOLE: Final = f"SELECT {{own}}, {_SUMS.replace('p.', 'r.')} FROM run r WHERE {{where}} {{group}}"
_LOOSE_RUNS: Final = """
SELECT {own}, count(*), sum({apart}) FROM run r WHERE r.loose & {bit} AND ({where}) GROUP BY 1
"""
_APART: Final = (  # a run that a part of that very name counts already is not counted again
    "NOT EXISTS (SELECT 1 FROM part p JOIN name n ON n.id = p.name"
    " WHERE p.type = {type} AND p.run = r.no AND n.text = {own})"
)
BY_RUN: Final = """
SELECT r.id, r.cost_nano, r.cost_gaps, r.steps, 1, r.input_tokens, r.output_tokens, r.token_gaps
FROM run r WHERE {where} ORDER BY 2 DESC, 3 DESC, 1
"""


def read_spend(
    connection: sqlite3.Connection, by: str, where: str, values: Sequence[Any], remembered: Remembered
) -> list[Spend]:
    """Money by a key over the runs ``r`` that meet a condition, dearest first. Raises BadInput.

    ``remembered`` has the sums over all runs.
    """
    if by == "run":
        return [Spend(*row) for row in connection.execute(BY_RUN.format(where=where), values)]
    if by not in SPEND_KEYS:
        raise BadInput(f"cost cannot be grouped by {by!r}", hint="group by " + ", ".join(SPEND_KEYS))
    place, own = PART_TYPES.index(by), f"r.{by}" if by in _OWN else "NULL"
    sums: dict[str | None, list[int]] = {}
    rest: dict[str | None, list[int]] = {}
    apart = _APART.format(type=place, own=own) if by in _OWN else "1"
    per, group = (
        (f"{own}, ", "GROUP BY 1") if by in _OWN else ("", "")
    )  # nothing to group by would be sorted too
    fit = {"own": own, "type": place, "apart": apart, "bit": 1 << place, "where": "{where}", "key": per,
           "group": group}  # fmt: skip

    def ask(sql: str, keys: int) -> Sequence[tuple[Any, ...]]:
        if where == "1":
            return merged(remembered.ask(connection, sql.format(**fit)), keys)
        return connection.execute(sql.format(**fit).format(where=where), values).fetchall()

    for key, *totals in ask(_WHOLE, 1):
        rest[key] = [total or 0 for total in totals]  # of no run there are no sums
    named = ask(_NAMED, 2)
    names = names_of(connection, {row[1] for row in named})
    for key, name, *totals, runs in named:
        _add(sums.setdefault(names[name], [0] * 7), (*totals, runs))
        rest[key] = [one - other for one, other in zip(rest[key], totals, strict=True)]
    for key, _, runs in ask(_LOOSE_RUNS, 1):
        _add(sums.setdefault(key, [0] * 7), (*rest[key], runs))
    rows = [
        Spend(key, cost, gaps, steps, runs, tokens_in, tokens_out, token_gaps)
        for key, (cost, gaps, steps, tokens_in, tokens_out, token_gaps, runs) in sums.items()
    ]
    return sorted(rows, key=lambda row: (-row.cost_nano, -row.unknown, row.key is None, row.key or ""))


_SEEN: Final = """
SELECT p.name, min(CASE WHEN p.first THEN p.first ELSE (SELECT sort FROM run WHERE no = p.run) END),
    max(CASE WHEN p.last THEN p.last ELSE (SELECT sort FROM run WHERE no = p.run) END),
    count(*), sum(p.steps), sum(p.errors), sum(p.cost_nano), sum(p.cost_gaps)
FROM run r JOIN part p ON p.type = {type} AND p.run = r.no WHERE {where} GROUP BY p.name
"""
_SEEN_WHOLE: Final = """
SELECT {own}, sum(r.steps), sum(r.errors), sum(r.cost_nano), sum(r.cost_gaps) FROM run r
WHERE r.loose & {bit} AND {own} IS NOT NULL AND {where} GROUP BY 1
"""
_SEEN_CLAIMED: Final = """
SELECT {own}, sum(p.steps), sum(p.errors), sum(p.cost_nano), sum(p.cost_gaps) FROM run r
JOIN part p ON p.type = {type} AND p.run = r.no WHERE r.loose & {bit} AND {own} IS NOT NULL AND {where} GROUP BY 1
"""
_SEEN_LOOSE: Final = """
SELECT {own}, min(r.sort), max(r.sort), sum({apart}) FROM run r
WHERE r.loose & {bit} AND {own} IS NOT NULL AND {where} AND r.steps + r.cost_gaps >
    (SELECT ifnull(sum(p.steps) + sum(p.cost_gaps), 0) FROM part p WHERE p.type = {type} AND p.run = r.no)
GROUP BY 1
"""


def read_sightings(connection: sqlite3.Connection, type: str, remembered: Remembered) -> list[Sighting]:
    """What was seen of one type, last seen first; ``remembered`` has the sums over all runs. Raises BadInput."""
    if type not in SEEN_TYPES:
        raise BadInput(f"nothing is sighted by {type!r}", hint="types: " + ", ".join(SEEN_TYPES))
    place = PART_TYPES.index(type)
    own = f"r.{type}"
    fit = {"own": own, "type": place, "bit": 1 << place, "apart": _APART.format(type=place, own=own),
           "where": "{where}"}  # fmt: skip

    def ask(sql: str, *, least: int = -1, most: int = -1) -> Sequence[tuple[Any, ...]]:
        return merged(remembered.ask(connection, sql.format(**fit)), 1, least=least, most=most)

    found = ask(_SEEN, least=1, most=2)
    names = names_of(connection, {row[0] for row in found})
    seen: dict[str, list[int]] = {names[row[0]]: list(row[1:]) for row in found}
    if type in _OWN:
        rest = {key: list(sums) for key, *sums in ask(_SEEN_WHOLE)}
        for key, *sums in ask(_SEEN_CLAIMED):
            rest[key] = [one - other for one, other in zip(rest[key], sums, strict=True)]
        for key, first, last, runs in ask(_SEEN_LOOSE, least=1, most=2):
            held = seen.setdefault(key, [first, last, 0, 0, 0, 0, 0])
            held[:3] = min(held[0], first), max(held[1], last), held[2] + runs
            held[3:] = [one + other for one, other in zip(held[3:], rest[key], strict=True)]
    rows = [Sighting(type, name, *values) for name, values in seen.items()]
    return sorted(rows, key=lambda row: (-row.last, row.name))


def names_of(connection: sqlite3.Connection, numbers: set[int]) -> dict[int, str]:
    """Names by their numbers."""
    wanted = "SELECT id, text FROM name WHERE id IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(wanted, (str(sorted(numbers)),)))


def _add(sums: list[int], more: Sequence[int]) -> None:
    for index, value in enumerate(more):
        sums[index] += value
