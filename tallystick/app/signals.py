"""The four signals of an agent, measured over its recorded runs. What was not measured is null, never 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tallystick.app.shapes import Json
from tallystick.model.query import Query, Term
from tallystick.model.run import Run, RunStatus
from tallystick.ports import Traces

MOST_RUNS = 1000  # of an agent's runs, the newest are measured
_PAGE = 500
_ENDED = (RunStatus.OK, RunStatus.FAILED, RunStatus.STOPPED, RunStatus.CRASHED)


class _Measured(NamedTuple):
    """Tool steps, those that failed, calls that somebody decided; runs of known cost and what they cost."""

    calls: int
    failed: int
    decided: int
    priced: int
    spent: int


def signals_of(traces: Traces, agent: str, since: str, *, now: int) -> Json:
    """``{"since", "runs", "took_part", "completion", "tool_calls", "adherence", "cost_per_run_nano_usd", …}``.

    Each signal is ``{"value", "n"}``: ``n`` runs, tool steps or decided calls were measured. The runs are those that
    belong to the agent, at most the newest 1000; ``runs`` says how many these are. An agent that only ever took part in
    the runs of others (``took_part``) is measured by those, with its own tool calls and its own share of the cost.
    """
    query = Query((Term("agent", "=", agent), Term("since", "=", since)))
    concerned = _runs(traces, query, now)
    own = [run for run in concerned if run.agent == agent]
    runs = own or concerned
    ended = [run for run in runs if run.status in _ENDED]
    done = [run for run in ended if run.status is RunStatus.OK]
    measured = _of_owner(traces, ended, runs) if own else _of_part(traces, agent, query, runs, now)
    whole = measured.priced == (
        len(ended) if own else len(runs)
    )  # a success's price holds the failed runs' too
    return {
        "since": since,
        "runs": len(runs),
        "took_part": bool(runs) and not own,
        "completion": _share(len(done), len(ended)),
        "tool_calls": _share(measured.calls - measured.failed, measured.calls),
        "adherence": _share(measured.calls, measured.decided),
        "cost_per_run_nano_usd": _mean(measured.spent, measured.priced),
        "cost_per_success_nano_usd": _mean(measured.spent, len(done) if whole else 0),
    }


def _of_owner(traces: Traces, ended: Sequence[Run], runs: Sequence[Run]) -> _Measured:
    """Whole runs, with all that other agents did in them."""
    uses = [use for run in runs for use in traces.uses(run=run.run, type="tool")]
    calls, priced = sum(use.steps for use in uses), [run for run in ended if run.total_cost_nano is not None]
    decided = calls + sum(run.denials for run in runs)
    return _Measured(
        calls, sum(use.errors for use in uses), decided, len(priced), sum(run.cost_nano for run in priced)
    )


def _of_part(traces: Traces, agent: str, query: Query, runs: Sequence[Run], now: int) -> _Measured:
    """An agent's own steps in the runs of others. Who was denied what, a run's summary does not say."""
    uses = [use for run in runs for use in traces.uses(run=run.run, type="tool", agent=agent)]
    spent = next((row for row in traces.spend("agent", query, now=now) if row.key == agent), None)
    known = spent is not None and not spent.unknown
    return _Measured(
        sum(use.steps for use in uses), sum(use.errors for use in uses), 0, len(runs) if known else 0,
        spent.cost_nano if spent is not None and known else 0,
    )  # fmt: skip


def _share(part: int, whole: int) -> Json:
    return {"value": part / whole if whole else None, "n": whole}


def _mean(total: int, count: int) -> Json:
    return {"value": total // count if count else None, "n": count}


def _runs(traces: Traces, query: Query, now: int) -> Sequence[Run]:
    """The newest runs that match."""
    found: list[Run] = []
    before: str | None = None
    while len(found) < MOST_RUNS:
        page = traces.runs(query, now=now, limit=_PAGE, before=before).runs
        found.extend(page)
        if len(page) < _PAGE:
            break
        before = page[-1].run
    return found[:MOST_RUNS]
