"""Sums over runs by version, day, week and agent, as both stores give them."""

from __future__ import annotations

import pytest
from store_samples import SECOND, START, pair

from tallystick.model.errors import BadInput
from tallystick.model.query import parse_query
from tallystick.model.step import Kind, StepStatus
from tallystick.model.usage import Usage
from tallystick.ports import TallyRow

DAY = 86_400 * SECOND
NOW = START + 30 * DAY


def write(traces, number: int, *, version="1", status="ok", at=START, calls=(), cost=None, gap=None) -> None:
    root = pair(
        number, 100 * number, run=f"run-{number}", agent="desk", version=version, started=at,
        cost_nano=cost, cost_gap=gap,
        facts={"root": True, "status": status, "source": "sdk"},
    )  # fmt: skip
    steps = [
        pair(
            number, 100 * number + place, 100 * number, run=f"run-{number}", kind=Kind.TOOL, tool="refund", started=at,
            status=StepStatus.DENIED if how == "denied" else StepStatus.ERROR if how == "failed" else StepStatus.OK,
            decision="deny" if how == "denied" else None,
        )
        for place, how in enumerate(calls, 1)
    ]  # fmt: skip
    traces.write([root, *steps], at=at)


def rows(traces, by: str, query: str = "", owner: str | None = "desk") -> list[TallyRow]:
    return list(traces.tallies(by, parse_query(query), now=NOW, owner=owner))


def test_each_version_has_its_own_sums(traces):
    write(traces, 1, version="1", cost=40, calls=("ok", "failed", "denied"))
    write(traces, 2, version="1", status="failed", cost=20)
    write(traces, 3, version="2", gap="no price", at=START + DAY)
    one, two = rows(traces, "version")
    assert one == TallyRow("1", START, START, 2, 2, 1, 1, 3, 1, 2, 60, 2000.0, 1, 40)
    assert (two.key, two.runs, two.ok, two.priced, two.cost_nano) == ("2", 1, 1, 0, 0)


def test_a_run_that_does_not_say_how_it_ended_is_not_measured(traces):
    traces.write([pair(1, 1, run="one", agent="desk", length=None, facts={"root": True})], at=NOW)
    (row,) = rows(traces, "version")
    assert (row.key, row.runs, row.ended, row.priced) == (None, 1, 0, 0)


def test_days_and_weeks_are_those_of_the_start(traces):
    for number, day in enumerate((0, 0, 1, 9), 1):
        write(traces, number, at=START + day * DAY)
    first = START // DAY
    assert [(row.key, row.runs) for row in rows(traces, "day")] == [
        (first, 2),
        (first + 1, 1),
        (first + 9, 1),
    ]
    weeks = rows(traces, "week")
    assert sum(row.runs for row in weeks) == 4
    assert {(row.key + 3) % 7 for row in weeks} == {0}  # Mondays


def test_only_runs_of_the_owner_that_match(traces):
    write(traces, 1)
    write(traces, 2, status="failed", version="2")
    traces.write([pair(9, 9, run="other", agent="clerk", facts={"source": "sdk"})], at=START)
    assert [row.key for row in rows(traces, "version", "status:failed")] == ["2"]
    assert [(row.key, row.runs) for row in rows(traces, "agent", owner=None)] == [("clerk", 1), ("desk", 2)]
    with pytest.raises(BadInput):
        rows(traces, "colour")


def test_tokens_of_a_step_that_calls_a_tool_and_a_model_are_not_lost(traces):
    traces.write(
        [pair(1, 1, kind=Kind.AGENT, tool="refund", started=START, usage=Usage(0, 1), facts={"root": True})],
        at=NOW,
    )
    found = traces.spend("tool", parse_query(""), now=NOW)
    assert sum(row.output_tokens for row in found) == 1
