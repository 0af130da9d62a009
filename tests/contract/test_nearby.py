"""A look at one step needs a few others of its run: what is given of them says the same as all of them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_samples import SECOND, START, pair, records, span_id, trace_id

from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.errors import UnknownThing
from tallystick.model.query import EVERYTHING
from tallystick.model.step import Kind
from tallystick.observe.asked import NEAREST, RELAYS, askers, relays
from tallystick.observe.lineage import agent_around
from tallystick.observe.logs import told_of

NOW = START + 10_000 * SECOND


def says_the_same(traces, run: str, prefixes) -> None:
    steps = list(traces.steps(run))
    for prefix in prefixes:
        near = list(traces.nearby(run, prefix))
        found = [step for step in steps if step.span.startswith(prefix)]
        assert [step for step in near if step.span.startswith(prefix)] == found
        assert [step for step in steps if step in near] == near  # of this run, in the same order, each once
        if len(found) != 1:
            continue
        (step,) = found
        assert agent_around(step, near) == agent_around(step, steps)
        assert told_of(near).get(step.span) == told_of(steps).get(step.span)
        if step.kind is Kind.TOOL and step.call_id is not None:
            assert askers(step, near) == askers(step, steps)
            assert relays(step, near) == relays(step, steps)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(batch=st.lists(records(), min_size=1, max_size=25))
def test_whatever_was_written(batch):
    with tempfile.TemporaryDirectory() as folder:
        traces = SqliteTraces(Path(folder) / "traces.db")
        traces.write(batch, at=NOW)
        for run in traces.runs(EVERYTHING, now=NOW).runs:
            spans = [step.span for step in traces.steps(run.run)]
            says_the_same(traces, run.run, {*spans, *(span[:2] for span in spans), spans[0] + "0"})
        traces.close()


@pytest.fixture
def filled(traces):
    """A run over two traces: calls of a model and of tools, logs that tell of them, and an agent some steps above."""
    model = [pair(0, 10 + n, 2, kind=Kind.MODEL, started=START + n * SECOND) for n in range(12)]
    tool = pair(0, 40, 3, kind=Kind.TOOL, tool="refund", call_id="c1", started=START + 20 * SECOND)
    logs = [
        pair(0, 50, 40, facts={"log": "gen_ai.choice"}),
        pair(0, 51, 40, kind=Kind.TOOL, call_id="c1", facts={"log": "gen_ai.tool.message"}),
        pair(0, 52, 11, facts={"log": "gen_ai.choice", "more": "log"}),
        pair(0, 53, 1, facts={"log": "exception"}),
    ]
    other = [
        pair(1, 60, 2, run=trace_id(0), kind=Kind.TOOL, tool="look", call_id="c2", started=START + 5 * SECOND)
    ]
    above = [pair(0, 1, agent="refunds", facts={"root": True}), pair(0, 2, 1), pair(0, 3, 2)]
    passing = [pair(0, 70 + n, 2, name=f"autogen process {n}", started=START + n * SECOND) for n in range(20)]
    passing = [(replace(step, dialect="autogen"), span) for step, span in passing]
    traces.write([*above, *model, tool, *logs, *other, *passing], at=NOW)
    return traces


def test_what_is_around_a_step(filled):
    (run,) = {run.run for run in filled.runs(EVERYTHING, now=NOW).runs if run.steps > 5}
    steps = list(filled.steps(run))
    says_the_same(filled, run, [step.span for step in steps])
    tool = next(step for step in steps if step.tool == "refund")
    near = list(filled.nearby(run, tool.span))
    assert agent_around(tool, near) == "refunds"
    assert len(askers(tool, near)) == NEAREST
    assert len(relays(tool, near)) == RELAYS
    assert {step.span for step in told_of(near)[tool.span]} == {span_id(50), span_id(51)}


def test_ring_of_parents_ends(traces):
    traces.write([pair(0, 1, 2), pair(0, 2, 1), pair(0, 3, 3)], at=NOW)
    (run,) = (run.run for run in traces.runs(EVERYTHING, now=NOW).runs)
    says_the_same(traces, run, [span_id(number) for number in (1, 2, 3)])


@pytest.mark.parametrize("prefix", ["zz", "G", "0" * 17, "'", "ffffffffffffffff", "％"])
def test_what_no_step_begins_with(filled, prefix):
    run = filled.runs(EVERYTHING, now=NOW).runs[0].run
    assert not any(step.span.startswith(prefix) for step in filled.nearby(run, prefix))


def test_no_such_run(filled):
    with pytest.raises(UnknownThing):
        filled.nearby("f" * 32, "00")
