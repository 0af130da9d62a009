"""Grading: the recorded calls of an agent's tools, held against the decisions in the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

from tallystick.app.reading.shapes import Json
from tallystick.govern.grades import Grade, Graded, grade_of, graded
from tallystick.model.query import Query, Term
from tallystick.ports import ControlStore, TraceStore

MOST_RUNS: Final = 50  # the newest, in which calls are looked at
_MOST_STEPS: Final = 20_000  # of all of them
_PAGE: Final = 1_000


def grades_of(
    control: ControlStore, traces: TraceStore, agent: str, tools: Collection[str], since: str, *, now: int
) -> Json:
    """``{"agent", "since", "runs", "more", "tools": [{tool, grade, calls, observed, decided, enforced, declared}]}``.

    ``tools`` are those that the agent may call. ``more``: there are older runs in the time that were not looked at.
    """
    query = Query((Term("agent", "=", agent), Term("since", "=", since)))
    page = traces.runs(query, now=now, limit=MOST_RUNS)
    found: dict[str, list[Grade]] = defaultdict(list)
    runs = steps = 0
    for run in page.runs:
        if steps >= _MOST_STEPS:
            break
        made = _decided(control, run.run)
        runs += 1
        for step in traces.steps(run.run):
            steps += 1
            if step.tool is not None and step.agent == agent and step.same_as is None and not step.derived:
                found[step.tool].append(grade_of(*made.get(step.span, (None, None))))
    rows = [graded(tool, found.get(tool, ()), declared=tool in tools) for tool in sorted({*found, *tools})]
    return {
        "agent": agent, "since": since, "runs": runs, "more": page.total > runs, "tools": [_row(one) for one in rows],
    }  # fmt: skip


def worst_of(grades: Json) -> Sequence[Graded]:
    """The tools of an answer again, for who judges them."""
    return [
        Graded(row["tool"], row["observed"], row["decided"], row["enforced"], row["declared"])
        for row in grades["tools"]
    ]


def _decided(control: ControlStore, run: str) -> dict[str, tuple[str, str]]:
    """Step -> state of the policies and answer of the last decision about its call."""
    made: dict[str, tuple[str, str]] = {}
    after = 0
    while True:
        page = control.entries(kind="decision.made", run=run, after=after, limit=_PAGE)
        for entry in page:
            made[entry.body["step"]] = (entry.body["policy_state"], entry.body["answer"])
        if len(page) < _PAGE:
            return made
        after = page[-1].seq


def _row(one: Graded) -> Json:
    return {
        "tool": one.tool, "grade": one.grade, "calls": one.calls, "observed": one.observed, "decided": one.decided,
        "enforced": one.enforced, "declared": one.declared,
    }  # fmt: skip
