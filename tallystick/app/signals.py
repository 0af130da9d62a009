"""The four signals of an agent, measured over its recorded runs. What was not measured is null, never 0."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.app.shapes import Json
from tallystick.model.query import Query, Term
from tallystick.model.run import Run, RunStatus
from tallystick.ports import Traces

MOST_RUNS = 1000  # of an agent's runs, the newest are measured
_PAGE = 500
_ENDED = (RunStatus.OK, RunStatus.FAILED, RunStatus.STOPPED, RunStatus.CRASHED)


def signals_of(traces: Traces, agent: str, since: str, *, now: int) -> Json:
    """``{"since", "runs", "completion", "tool_calls", "adherence", "cost_per_run_nano_usd", …}``.

    Each signal is ``{"value", "n"}``: ``n`` runs, tool steps or decided calls were measured. Only runs that belong to
    the agent count, at most the newest 1000; ``runs`` says how many these are.
    """
    runs = _runs(traces, agent, since, now)
    ended = [run for run in runs if run.status in _ENDED]
    done = [run for run in ended if run.status is RunStatus.OK]
    priced = [run for run in ended if run.total_cost_nano is not None]
    uses = [use for run in runs for use in traces.uses(run=run.run, type="tool")]
    calls, failed = sum(use.steps for use in uses), sum(use.errors for use in uses)
    denied = sum(run.denials for run in runs)
    spent = sum(run.cost_nano for run in priced)
    whole = len(priced) == len(
        ended
    )  # else the failed runs of unknown cost would be left out of a success's price
    return {
        "since": since,
        "runs": len(runs),
        "completion": _share(len(done), len(ended)),
        "tool_calls": _share(calls - failed, calls),
        "adherence": _share(calls, calls + denied),
        "cost_per_run_nano_usd": _mean(spent, len(priced)),
        "cost_per_success_nano_usd": _mean(spent, len(done) if whole else 0),
    }


def _share(part: int, whole: int) -> Json:
    return {"value": part / whole if whole else None, "n": whole}


def _mean(total: int, count: int) -> Json:
    return {"value": total // count if count else None, "n": count}


def _runs(traces: Traces, agent: str, since: str, now: int) -> Sequence[Run]:
    """The newest runs of an agent. A run in which it only took part is another agent's."""
    query = Query((Term("agent", "=", agent), Term("since", "=", since)))
    found: list[Run] = []
    before: str | None = None
    while len(found) < MOST_RUNS:
        page = traces.runs(query, now=now, limit=_PAGE, before=before).runs
        found.extend(run for run in page if run.agent == agent)
        if len(page) < _PAGE:
            break
        before = page[-1].run
    return found[:MOST_RUNS]
