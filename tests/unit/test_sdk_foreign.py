"""Spans of others inside our runs, signs of life, and hosts that misbehave."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from sdk_kit import Kit, installed

from tallystick.sdk.agents import agent
from tallystick.sdk.running import run


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    with installed(tmp_path / "spool", agent="desk") as made:
        yield made


def test_foreign_spans_inside_a_run_are_stamped_whatever_their_trace(kit: Kit) -> None:
    tracer = trace.get_tracer("framework")
    with (
        run(workflow="w") as handle,
        trace.use_span(trace.INVALID_SPAN),
        tracer.start_as_current_span("own trace"),
    ):
        pass
    span = kit.named("own trace")
    assert span.trace != handle.id
    assert span.attributes["tallystick.run.id"] == handle.id
    assert span.attributes["tallystick.seq"] == 2


def test_a_foreign_root_becomes_a_run_and_a_lone_model_call_does_not(kit: Kit) -> None:
    tracer = trace.get_tracer("framework")
    with tracer.start_as_current_span("chain") as chain:
        with tracer.start_as_current_span("child"):
            pass
        trace_id = f"{chain.get_span_context().trace_id:032x}"
    with tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}):
        pass
    with tracer.start_as_current_span("POST /", kind=SpanKind.SERVER):
        pass
    assert kit.named("chain").attributes["tallystick.run.id"] == trace_id
    assert kit.named("chain").attributes["tallystick.run.steps"] == 2
    assert kit.named("child").attributes["tallystick.seq"] == 2
    assert "tallystick.run.id" not in kit.named("chat").attributes
    assert "tallystick.run.id" not in kit.named("POST /").attributes


def test_long_steps_and_open_runs_show_signs_of_life(kit: Kit) -> None:
    processor = kit.recording.processor
    kit.clock.at = time.time_ns()  # spans take their times from OpenTelemetry's clock
    with run(workflow="w"):
        tracer = trace.get_tracer("framework")
        with tracer.start_as_current_span("slow") as slow:
            begun = getattr(slow, "start_time", 0)
            kit.clock.at = begun + 500_000_000
            processor.pulse()
            assert [span.name for span in kit.started()] == ["run w"]
            kit.clock.at = begun + 1_500_000_000
            processor.pulse()
            processor.pulse()
            assert [span.name for span in kit.started()] == ["run w", "slow"]
            kit.clock.at += 16_000_000_000
            processor.pulse()
    assert kit.started()[-1].name == "run w"
    assert kit.started()[-1].attributes["tallystick.alive"] == kit.clock.at


def test_contents_can_be_left_out(tmp_path: Path) -> None:
    @agent(name="quiet")
    def quiet(secret: str) -> str:
        return secret

    with installed(tmp_path / "spool", contents=False) as kit:
        with run(workflow="w") as handle:
            quiet("hush")
            handle.plan(["hush"])
        assert "hush" not in str([span.attributes for span in kit.spans()])


def test_a_broken_str_or_repr_of_the_host_breaks_nothing(kit: Kit) -> None:
    class Nasty(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    @agent(name="nasty")
    def nasty(value: object) -> None:
        raise Nasty

    with pytest.raises(Nasty):
        nasty(object())
    assert kit.named("invoke_agent nasty").attributes["error.type"].endswith("Nasty")
