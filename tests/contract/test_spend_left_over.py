"""What no part of a run claims is shown under no key, also where it is tokens alone."""

from __future__ import annotations

from store_samples import START, pair

from tallystick.model.query import EVERYTHING
from tallystick.model.step import Kind
from tallystick.model.usage import Usage


def test_session_totals_that_no_tool_claims_are_left_over(traces):
    session = {"agent": "desk", "tool": "look", "usage": Usage(0, 38, 12), "cost_nano": 5}
    traces.write([pair(1, 1, run="one", kind=Kind.AGENT, **session)], at=START)
    traces.write(
        [pair(2, 2, run="two", kind=Kind.TOOL, tool="look", cost_nano=7, facts={"source": "sdk"})], at=START
    )
    rows = [
        (row.key, row.cost_nano, row.steps, row.runs, row.output_tokens)
        for row in traces.spend("tool", EVERYTHING, now=START)
    ]
    assert rows == [("look", 12, 2, 2, 0), (None, 0, 0, 1, 38)]
    assert list(traces.flaws()) == []
