"""SQL for money by key and for sightings.

A run's parts hold what its steps say of themselves. What no part claims (steps that name no agent, costs that are no
tool's) belongs to the run's own agent or workflow, else to no key, so that the rows of every grouping add up to the
same total.
"""

from __future__ import annotations

from tallystick.model.errors import BadInput
from tallystick.observe.summary import PART_TYPES

SPEND_KEYS = ("agent", "tool", "workflow", "run", "model")

_SPEND = """
WITH chosen AS (SELECT r.* FROM run r WHERE {where}),
named AS (
    SELECT p.run, n.text AS key, p.cost_nano, p.cost_gaps, p.steps, p.input_tokens, p.output_tokens,
        p.token_gaps
    FROM chosen c JOIN part p ON p.type = {type} AND p.run = c.no JOIN name n ON n.id = p.name),
sums AS (
    SELECT run, sum(cost_nano) AS cost_nano, sum(cost_gaps) AS cost_gaps, sum(steps) AS steps,
        sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
        sum(token_gaps) AS token_gaps
    FROM named GROUP BY run),
rest AS (
    SELECT c.no AS run, {own} AS key, c.cost_nano - ifnull(s.cost_nano, 0) AS cost_nano,
        c.cost_gaps - ifnull(s.cost_gaps, 0) AS cost_gaps, c.steps - ifnull(s.steps, 0) AS steps,
        c.input_tokens - ifnull(s.input_tokens, 0) AS input_tokens,
        c.output_tokens - ifnull(s.output_tokens, 0) AS output_tokens,
        c.token_gaps - ifnull(s.token_gaps, 0) AS token_gaps
    FROM chosen c LEFT JOIN sums s ON s.run = c.no)
SELECT key, sum(cost_nano), sum(cost_gaps), sum(steps), count(DISTINCT run), sum(input_tokens), sum(output_tokens),
    sum(token_gaps)
FROM (
    SELECT * FROM named UNION ALL
    SELECT * FROM rest WHERE steps OR cost_nano OR cost_gaps OR input_tokens OR output_tokens OR token_gaps)
GROUP BY key ORDER BY 2 DESC, 3 DESC, key IS NULL, key
"""

_BY_RUN = """
SELECT r.id, r.cost_nano, r.cost_gaps, r.steps, 1, r.input_tokens, r.output_tokens, r.token_gaps
FROM run r WHERE {where} ORDER BY 2 DESC, 3 DESC, 1
"""

_SIGHTINGS = """
WITH named AS (
    SELECT p.run, n.text AS key, p.steps, p.errors, p.cost_nano, p.cost_gaps,
        CASE WHEN p.first THEN p.first ELSE r.sort END AS first, CASE WHEN p.last THEN p.last ELSE r.sort END AS last
    FROM part p JOIN run r ON r.no = p.run JOIN name n ON n.id = p.name WHERE p.type = {type}){rest}
SELECT key, min(first), max(last), count(DISTINCT run), sum(steps), sum(errors), sum(cost_nano), sum(cost_gaps)
FROM {source} GROUP BY key ORDER BY 3 DESC, key
"""

_REST = """,
sums AS (
    SELECT run, sum(steps) AS steps, sum(errors) AS errors, sum(cost_nano) AS cost_nano, sum(cost_gaps) AS cost_gaps
    FROM named GROUP BY run),
rest AS (
    SELECT r.no AS run, r.{own} AS key, r.steps - ifnull(s.steps, 0) AS steps, r.errors - ifnull(s.errors, 0) AS errors,
        r.cost_nano - ifnull(s.cost_nano, 0) AS cost_nano, r.cost_gaps - ifnull(s.cost_gaps, 0) AS cost_gaps,
        r.sort AS first, r.sort AS last
    FROM run r LEFT JOIN sums s ON s.run = r.no WHERE r.{own} IS NOT NULL)
"""

_BOTH = "(SELECT * FROM named UNION ALL SELECT * FROM rest WHERE steps OR cost_nano OR cost_gaps)"


def spend_sql(by: str, where: str) -> str:
    """The query for ``Spend`` rows by a key over the runs ``r`` that meet a condition. Raises BadInput."""
    if by == "run":
        return _BY_RUN.format(where=where)
    if by not in PART_TYPES:
        raise BadInput(f"cost cannot be grouped by {by!r}", hint="group by " + ", ".join(SPEND_KEYS))
    own = f"c.{by}" if by in ("agent", "workflow") else "NULL"
    return _SPEND.format(where=where, type=PART_TYPES.index(by), own=own)


SIGHTINGS = {
    kind: _SIGHTINGS.format(
        type=number, rest=_REST.format(own=kind) if kind in ("agent", "workflow") else "",
        source=_BOTH if kind in ("agent", "workflow") else "named",
    )
    for number, kind in enumerate(PART_TYPES)
}  # fmt: skip
