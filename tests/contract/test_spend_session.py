"""Tokens that only an agent's step as a whole reports belong to somebody in every grouping."""

from __future__ import annotations

from typing import Any

import pytest
from store_samples import SECOND, START, pair

from tallystick.model.query import EVERYTHING
from tallystick.model.step import Kind
from tallystick.model.usage import Usage


@pytest.mark.parametrize("by", ["agent", "workflow", "tool", "model", "version", "conversation"])
def test_tokens_of_a_session_are_in_the_sums_although_all_steps_are_named(traces: Any, by: str) -> None:
    step = pair(
        0, 0, kind=Kind.AGENT, agent="desk", workflow="support", tool="ask", version="1", conversation="c",
        usage=Usage(45, 50, None, None, None),
    )  # fmt: skip
    traces.write([step], at=START)
    rows = traces.spend(by, EVERYTHING, now=START + SECOND)
    assert (sum(row.input_tokens for row in rows), sum(row.output_tokens for row in rows)) == (45, 50)
