"""What in the log of uses does not follow from the steps, for the audit (see ``checking.py``).

Held to the truth: every sum, and of each run that is listed as it stands the tools, models, classes of data, versions
and evaluations that its steps show. Free: prompts and definitions, which are read from contents (the records hold
those) and from the prompts that were declared at the time, and delegates, of which handoffs are read from contents too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from tallystick.adapters.sqlite.uses import read_uses
from tallystick.model.step import Step
from tallystick.observe.listing import BY_STEPS, Listing, list_steps, owners
from tallystick.observe.uses import of_run
from tallystick.ports import Flaw

_SUMS = (
    "SELECT s.agent, s.name FROM use_sum s LEFT JOIN use_run u ON u.use = s.id GROUP BY s.id HAVING"
    " s.first IS NOT min(u.first) OR s.last IS NOT max(u.last) OR s.runs IS NOT count(u.run)"
    " OR s.steps IS NOT sum(u.steps) OR s.errors IS NOT sum(u.errors)"
)
_NEWEST = (
    "SELECT s.agent, s.name FROM use_sum s WHERE s.run IS NOT (SELECT u.run FROM use_run u JOIN run r ON r.no = u.run"
    " WHERE u.use = s.id AND u.last = s.last ORDER BY r.id DESC LIMIT 1) OR s.step IS NOT"
    " (SELECT u.step FROM use_run u WHERE u.use = s.id AND u.run = s.run)"
)
_LOST = "SELECT count(*) FROM use_run WHERE use NOT IN (SELECT id FROM use_sum) OR run NOT IN (SELECT no FROM run)"


def sum_flaws(connection: sqlite3.Connection) -> Iterator[Flaw]:
    """Sums that are not those of the runs' rows."""
    for sql in (_SUMS, _NEWEST):
        for agent, name in connection.execute(sql):
            yield Flaw(f"the sum of what {agent[:80]} used ({name[:80]}) is not that of its runs")
    lost = connection.execute(_LOST).fetchone()[0]
    if lost:
        yield Flaw(f"{lost} listed uses belong to no run or to no sum")


def run_flaws(
    connection: sqlite3.Connection,
    number: int,
    run: str,
    *,
    agent: str | None,
    place: int,
    steps: Sequence[Step],
) -> Iterator[Flaw]:
    """Uses of a run, listed as it stands, that its steps do not show, and those that are missing.

    ``agent`` is the run's own, ``place`` when it began.
    """
    listing = Listing(place)
    list_steps(listing, steps, owners(steps, agent))
    shown = {key: use for key, use in of_run(run, listing.uses()).items() if use.type in BY_STEPS}
    found = read_uses(connection, agent=None, type=None, name=None, since=None, run=number)
    held = {(use.agent, use.type, use.name, use.detail): use for use in found if use.type in BY_STEPS}
    if held != shown:
        wrong = sorted(key for key in held.keys() | shown.keys() if held.get(key) != shown.get(key))
        named = ", ".join(f"{kind} {name[:60]}" for _, kind, name, _ in wrong[:3])
        yield Flaw(f"the uses listed of a run are not what its steps show: {named}", run)
