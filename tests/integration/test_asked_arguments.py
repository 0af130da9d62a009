"""A tool's arguments where its own span holds a bare value: from the answer that asked for the call, and so marked.
And Logfire's pending spans through a store: a start record, then its end."""

from __future__ import annotations

import pytest
import test_framework_spans as dumps
from test_dialect_conformance import _spans

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.app.reading.read import Reader
from tallystick.app.recording.record import Recorder
from tallystick.cost.rates import load_card
from tallystick.testing import FakeClock


@pytest.mark.skipif(
    not dumps.TRUTH, reason="the recorded framework spans are not here (TALLYSTICK_SHARED_DATA)"
)
def test_langchains_bare_value_is_read_by_name() -> None:
    traces, clock = MemoryTraces(), FakeClock()
    (run,) = Recorder(traces, load_card([]), clock).record(dumps._load("langchain.openinference", "pb")).runs
    reader = Reader(traces, None, clock)  # type: ignore[arg-type]  # no question here concerns the control store
    shown = {}
    for step in traces.steps(run):
        if step.tool in ("get_weather", "to_fahrenheit") and step.same_as is None:
            whole = reader.step(run, step.span)
            shown[step.tool] = whole["arguments"]
            told = whole["mapped_from"].get("arguments", "")
            assert told.startswith("the answer of step ") == (
                step.tool == "get_weather"
            )  # the other was whole
    assert shown == {"get_weather": {"city": "Paris"}, "to_fahrenheit": {"celsius": 21}}


def test_pending_spans_come_before_their_ends_and_are_one_step_with_them() -> None:
    spans = _spans("logfire")
    pending = [span for span in spans if "logfire.pending_parent_id" in span.attributes]
    ended = [span for span in spans if "logfire.pending_parent_id" not in span.attributes]
    for order in (pending + ended, ended + pending):
        traces, clock = MemoryTraces(), FakeClock()
        recorder = Recorder(traces, load_card([]), clock)
        for span in order:
            recorder.record([span])
        (run,) = {one for span in ended for one in [traces.resolve(span.trace)]}
        steps = traces.steps(run)
        assert {step.span for step in steps} == {span.span for span in ended}
        assert all(step.ended is not None for step in steps)
        assert traces.run(run, now=clock.now()).completeness == "complete"
