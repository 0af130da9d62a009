"""What travels with a call, and what a process makes of it: a claim joins telemetry and carries no rights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sdk_kit import Obeying, installed

import tallystick
from tallystick.sdk import propagation

RUN = "ab" * 16
HEADERS = {"traceparent": f"00-{'cd' * 16}-{'ef' * 8}-01", "baggage": f"a=1,tallystick.run={RUN}"}


@tallystick.tool(effect="read")
def look(name: str) -> str:
    return f"hello {name}"


def test_a_call_carries_its_run_and_the_called_side_joins_it(tmp_path: Path) -> None:
    with installed(tmp_path) as kit:
        with tallystick.run(goal="g") as run:
            headers = tallystick.inject({"accept": "text/plain"})
        assert headers["accept"] == "text/plain"
        assert f"tallystick.run={run.id}" in headers["baggage"]
        with tallystick.joined({key.title(): value for key, value in headers.items()}):
            look("you")
        root, far = kit.named("run"), kit.named("execute_tool look")
    assert far.attributes["tallystick.run.id"] == run.id
    assert (far.trace, far.parent) == (root.trace, root.span)


def test_a_leg_numbers_its_own_steps_and_says_how_many(tmp_path: Path) -> None:
    with installed(tmp_path) as kit:
        for _ in range(2):
            with tallystick.joined(
                [(b"TraceParent", HEADERS["traceparent"].encode()), ("baggage", HEADERS["baggage"])]
            ):
                served(look)
        spans = kit.spans()
        begun = kit.started()
    entries = [span for span in spans if span.attributes.get("tallystick.leg")]
    assert [span.attributes["tallystick.leg.steps"] for span in entries] == [2, 2]
    assert {span.attributes["tallystick.run.id"] for span in spans} == {RUN}
    assert sorted(span.attributes["tallystick.seq"] for span in spans) == [1, 1, 2, 2]
    assert {span.parent for span in entries} == {"ef" * 8}
    assert not any("tallystick.run.root" in span.attributes for span in (*spans, *begun))
    assert {span.span for span in begun if span.attributes.get("tallystick.leg")} == {s.span for s in entries}


def served(function: Any) -> None:
    @tallystick.agent(name="far")
    def handle() -> str:
        return str(function("you"))

    handle()


def test_foreign_spans_in_a_leg_are_of_it(tmp_path: Path) -> None:
    with installed(tmp_path) as kit:
        tracer = kit.recording.provider.get_tracer("a.framework")
        with (
            tallystick.joined(HEADERS),
            tracer.start_as_current_span("serve"),
            tracer.start_as_current_span("work"),
        ):
            pass
        assert {span.attributes["tallystick.run.id"] for span in kit.spans()} == {RUN}
        assert kit.named("serve").attributes["tallystick.leg.steps"] == 2


@pytest.mark.parametrize(
    "claim", ["", "x", RUN.upper(), RUN[:-1], RUN + "0", "../../etc", "ab" * 4000, "%00" * 16, "é" * 32]
)
def test_what_is_no_id_of_a_run_is_ignored(tmp_path: Path, claim: str) -> None:
    with installed(tmp_path) as kit:
        with tallystick.joined({"traceparent": HEADERS["traceparent"], "baggage": f"tallystick.run={claim}"}):
            look("you")
        assert "tallystick.leg" not in kit.named("execute_tool look").attributes


@pytest.mark.parametrize(
    "headers", [{}, {3: 4, None: None}, [(b"\xff", b"\xff")], {"baggage": "=;,,", "traceparent": "0"}]
)
def test_odd_headers_change_nothing(tmp_path: Path, headers: Any) -> None:
    with installed(tmp_path) as kit:
        with tallystick.joined(headers):
            look("you")
        kit.named("execute_tool look")


def test_the_guard_decides_in_a_claimed_run_under_an_id_of_its_own(tmp_path: Path) -> None:
    guard = Obeying()
    with installed(tmp_path, guard=guard):
        with tallystick.joined(HEADERS):
            served(look)
        with tallystick.joined(HEADERS):
            served(look)
    asked = {call.run for call, _ in guard.calls}
    assert len(asked) == 2
    assert RUN not in asked
    assert "cd" * 16 not in asked


def test_a_child_process_works_for_the_run_that_its_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEPARENT", HEADERS["traceparent"])
    assert propagation.inherited() is None  # build systems set a trace context too
    monkeypatch.setenv("BAGGAGE", HEADERS["baggage"])
    context = propagation.inherited()
    state = propagation.leg(context, 0)
    assert state is not None
    assert (state.run, state.own) == (RUN, RUN)  # who sets the environment starts the process: it is believed


def test_the_environment_gets_names_of_its_own(tmp_path: Path) -> None:
    with installed(tmp_path), tallystick.run(goal="g") as run:
        told = tallystick.inject(environment=True)
    assert set(told) == {"TRACEPARENT", "BAGGAGE"}
    assert told["BAGGAGE"] == f"tallystick.run={run.id}"
    assert tallystick.inject() == {}
