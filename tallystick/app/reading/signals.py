"""The four signals of an agent, from sums over its recorded runs. What was not measured is null, never 0.

A signal is ``{"value", "low", "high", "n", "unmeasured"}``: the interval holds 95 % of the time (see
evaluate/statistics.py), ``n`` is what was measured (runs, tool calls, decided calls), ``unmeasured`` counts the runs
that could not be: those that do not say how they ended, and those of unknown cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Final

from tallystick.app.reading.shapes import Json, time_text
from tallystick.evaluate.statistics import NOTHING, Interval, mean, ratio, share
from tallystick.model.errors import BadInput
from tallystick.model.query import Query, Term, moment
from tallystick.ports import TallyRow, Traces

SIGNALS_BY: Final = ("version", "day", "week")
_MOST_ROWS: Final = 400  # the newest that are given; there are as many versions as somebody makes


def signals_of(traces: Traces, agent: str, since: str, *, now: int) -> Json:
    """``{"since", "runs", "took_part", "completion", "tool_calls", "adherence", "cost_per_run_nano_usd", …}``.

    The runs are all those that belong to the agent; ``runs`` says how many these are. An agent that only ever took part
    in the runs of others (``took_part``) is measured by those, with its own tool calls and its own share of the cost.
    """
    own = traces.tallies("agent", _since(since), now=now, owner=agent)
    if own:
        row = own[0]
        return {"since": since, "runs": row.runs, "took_part": False, **_signals(row)}
    return {"since": since, **_of_part(traces, agent, since, now)}


def signals_over(traces: Traces, agent: str, since: str | None, by: str, *, now: int) -> Json:
    """``{"agent", "since", "by", "rows"}``: the signals by version (in the order of first runs), day or week.

    Each row: ``version`` (null where runs do not say it, or where they are grouped by time), ``from`` and ``to``
    (starts of its first and its last run), ``runs``, and the five signals. Raises BadInput for another ``by`` or
    ``since``.
    """
    if by not in SIGNALS_BY:
        raise BadInput(f"signals cannot be given by {by!r}", hint="by: " + ", ".join(SIGNALS_BY))
    if since is not None:
        moment(since, now=now)
    rows = list(traces.tallies(by, _since(since), now=now, owner=agent))
    rows.sort(key=lambda row: row.first)
    return {
        "agent": agent,
        "since": since,
        "by": by,
        "rows": [
            {
                "version": row.key if by == "version" else None,
                "from": time_text(row.first),
                "to": time_text(row.last),
                "runs": row.runs,
                **_signals(row),
            }
            for row in rows[-_MOST_ROWS:]
        ],
    }


def _since(since: str | None) -> Query:
    return Query(() if since is None else (Term("since", "=", since),))


def _signals(row: TallyRow) -> Json:
    """The five signals of one row of sums.

    A run that has not ended, or does not say how, is unmeasured for completion and cost alike. What a successful run
    cost counts the failed ones too: cost of all ended runs over those that were ok.
    """
    made = max(0, row.calls - row.denials)  # calls that were let through
    open_runs = row.runs - row.ended
    costs = row.cost_nano, row.squares
    return {
        "completion": _signal(share(row.ok, row.ended), row.ended, open_runs),
        "tool_calls": _signal(share(max(0, made - row.failed), made), made, 0),
        "adherence": _signal(share(made, made + row.denials), made + row.denials, 0),
        "cost_per_run_nano_usd": _money(mean(*costs, row.priced), row.priced, row.runs - row.priced),
        "cost_per_success_nano_usd": _money(
            ratio(*costs, row.priced_ok, row.priced_ok, row.cost_ok, row.priced)
            if row.priced == row.ended else NOTHING,
            row.priced_ok if row.priced == row.ended else 0, row.runs - row.priced,
        ),
    }  # fmt: skip


def _signal(interval: Interval, n: int, unmeasured: int) -> Json:
    return {**interval._asdict(), "n": n, "unmeasured": unmeasured}


def _money(interval: Interval, n: int, unmeasured: int) -> Json:
    """Whole nano-dollars."""
    whole = (None if one is None else int(one) for one in interval)
    return _signal(Interval(*whole), n, unmeasured)


def _of_part(traces: Traces, agent: str, since: str, now: int) -> Json:
    """An agent's own steps in the runs of others. Who was denied what, a run's summary does not say."""
    query = Query((Term("agent", "=", agent), Term("since", "=", since)))
    row = _sum(traces.tallies("agent", query, now=now))
    uses = traces.uses(agent=agent, type="tool", since=moment(since, now=now))
    calls, failed = sum(use.steps for use in uses), sum(use.errors for use in uses)
    spent = next((one for one in traces.spend("agent", query, now=now) if one.key == agent), None)
    known = spent is not None and not spent.unknown
    runs, ended, good = (row.runs, row.ended, row.ok) if row is not None else (0, 0, 0)
    cost = spent.cost_nano if spent is not None and known else 0
    n = runs if known else 0
    return {
        "runs": runs,
        "took_part": runs > 0,
        "completion": _signal(share(good, ended), ended, runs - ended),
        "tool_calls": _signal(share(calls - failed, calls), calls, 0),
        "adherence": _signal(NOTHING, 0, runs),
        "cost_per_run_nano_usd": _money(Interval(cost / n if n else None, None, None), n, runs - n),
        "cost_per_success_nano_usd": _money(
            Interval(cost / good if n and good else None, None, None), good if n else 0, runs - n
        ),
    }


def _sum(rows: Sequence[TallyRow]) -> TallyRow | None:
    """Rows as one; None for no rows."""
    if not rows:
        return None
    added = [field.name for field in fields(TallyRow)][3:]
    sums = {name: sum(getattr(row, name) for row in rows) for name in added}
    return TallyRow(None, min(row.first for row in rows), max(row.last for row in rows), **sums)
