"""Each call is counted once, whoever saw it."""

from __future__ import annotations

from typing import Any

from tallystick.model.step import Kind, Step, StepStatus
from tallystick.model.usage import Usage
from tallystick.observe.orphans import derived_span_id
from tallystick.observe.repeats import repeats

KNOWN = Usage(100, 20)


def step(span: str, kind: Kind = Kind.MODEL, **other: Any) -> Step:
    values: dict[str, Any] = {
        "trace": "t",
        "span": span,
        "parent": None,
        "run": "r",
        "kind": kind,
        "name": span,
        "status": StepStatus.OK,
        "started": 1_000,
        "ended": 2_000,
        "scope": "a",
        "dialect": "gen_ai",
    } | other
    return Step(**values)


def test_an_outer_layer_repeats_the_call_inside_it() -> None:
    steps = [
        step("outer", usage=KNOWN),
        step("between", Kind.OTHER, parent="outer"),
        step("inner", parent="between", usage=KNOWN),
    ]
    assert repeats(steps) == {"outer": "inner"}


def test_a_layer_with_two_calls_inside_counts_as_neither() -> None:
    steps = [
        step("router"),
        step("first", parent="router", started=1_100),
        step("second", parent="router", started=1_500),
    ]
    assert repeats(steps) == {"router": "first"}


def test_the_outer_layer_counts_where_only_it_knows_the_tokens() -> None:
    assert repeats([step("outer", usage=KNOWN), step("inner", parent="outer")]) == {"inner": "outer"}


def test_a_call_inside_a_tool_of_a_call_is_another_call() -> None:
    steps = [
        step("call"),
        step("tool", Kind.TOOL, parent="call", tool="ask"),
        step("agent", Kind.AGENT, parent="tool"),
        step("other call", parent="agent"),
    ]
    assert repeats(steps) == {}


def test_equal_response_ids_across_traces_are_one_call() -> None:
    native = step(
        "native", dialect="anthropic_sdk", scope="n", response_id="msg_1", usage=Usage(100, 20, 40, 0)
    )
    other = step("other", trace="u", scope="o", response_id="msg_1", usage=Usage(100, 21, 40, 0), started=900)
    assert repeats([other, native]) == {"other": "native"}  # the client's own count wins
    blind = step("native", dialect="anthropic_sdk", scope="n", response_id="msg_1")
    assert repeats([other, blind]) == {"native": "other"}  # but not where it counted nothing


def test_twins_of_two_scopes_are_one_call() -> None:
    framework = step("framework", scope="agents", model="m", started=1_000, ended=2_000)
    client = step(
        "client",
        scope="openai",
        model="m-2026",
        started=1_100,
        ended=1_950,
        usage=KNOWN,
        response_id="chatcmpl-1",
    )
    assert repeats([framework, client]) == {"framework": "client"}


def test_what_contradicts_is_no_twin() -> None:
    one = step("one", scope="a", model="m", usage=KNOWN, response_id="r-1")
    for other in (
        {"scope": "a"},  # one scope never records a call twice
        {"scope": "b", "model": "another"},
        {"scope": "b", "usage": Usage(7, 20)},
        {"scope": "b", "response_id": "r-2"},
        {"scope": "b", "started": 1_900, "ended": 9_000},
        {"scope": "b", "ended": None},
    ):
        assert repeats([one, step("two", **other)]) == {}


def test_each_of_two_parallel_calls_finds_its_own_twin() -> None:
    steps = [
        step("f1", scope="f", started=1_000, ended=2_000),
        step("f2", scope="f", started=1_400, ended=2_600),
        step("c1", scope="c", started=1_050, ended=1_990, usage=KNOWN),
        step("c2", scope="c", started=1_450, ended=2_590, usage=KNOWN),
    ]
    assert repeats(steps) == {"f1": "c1", "f2": "c2"}


def test_a_session_total_counts_only_where_no_call_is_recorded() -> None:
    total = step("total", derived=True, parent="agent", usage=Usage(300, 60))
    agent = step("agent", Kind.AGENT)
    assert repeats([agent, total]) == {}
    assert repeats([agent, total, step("call", parent="agent")]) == {"total": "call"}


def test_an_outer_agents_total_holds_the_inner_ones() -> None:
    steps = [
        step("outer", Kind.AGENT),
        step("task", Kind.OTHER, parent="outer"),
        step("inner", Kind.AGENT, parent="task"),
        step("total", derived=True, parent="outer", usage=Usage(300, 60)),
        step("part", derived=True, parent="inner"),
    ]
    assert repeats(steps) == {"part": "total"}


def tool(span: str, **other: Any) -> Step:
    return step(span, Kind.TOOL, **({"tool": "look_up"} | other))


def test_nested_layers_of_one_tool_call_are_one() -> None:
    assert repeats(
        [tool("outer", scope="oi"), tool("inner", scope="core", parent="outer", call_id="c1")]
    ) == {"inner": "outer"}
    served = tool("served", scope="mcp", parent="outer", tool="look_up")
    assert repeats([tool("outer", scope="oi", tool="mcp__w__look_up"), served]) == {"served": "outer"}


def test_a_tool_inside_the_same_tool_of_one_scope_is_a_second_call() -> None:
    assert repeats([tool("outer"), tool("inner", parent="outer")]) == {}
    assert repeats([tool("outer"), tool("inner", scope="b", parent="outer", tool="other")]) == {}


def test_one_call_id_seen_by_two_scopes_is_one_call_and_by_one_scope_is_two() -> None:
    assert repeats([tool("a", call_id="c"), tool("b", scope="b", call_id="c", started=1_001)]) == {"b": "a"}
    assert repeats([tool("a", call_id="c"), tool("b", call_id="c", started=1_001)]) == {}


def test_a_derived_call_gives_way_to_a_recorded_one() -> None:
    derived = tool("derived", derived=True, call_id="c")
    assert repeats([tool("recorded", call_id="c"), derived]) == {"derived": "recorded"}
    assert repeats([tool("nameless"), derived]) == {"derived": "nameless"}
    assert repeats([tool("another", tool="refund"), derived]) == {}


def test_derived_calls_pair_with_recorded_ones_without_id_one_by_one() -> None:
    steps = [
        tool("run1", started=100),
        tool("run2", started=200),
        tool("d1", derived=True, call_id="c1", started=150),
        tool("d2", derived=True, call_id="c2", started=250),
        tool("d3", derived=True, call_id="c3", started=350),
    ]
    assert repeats(steps) == {"d1": "run1", "d2": "run2"}  # the third ran, and nobody recorded it


def test_of_a_proposal_and_a_history_the_history_has_the_result() -> None:
    history = derived_span_id("c")
    steps = [
        tool("proposal", derived=True, call_id="c", started=1),
        tool(history, derived=True, call_id="c", started=9),
    ]
    assert repeats(steps) == {"proposal": history}


def test_a_recorded_outer_layer_answers_for_the_id_of_its_inner_one() -> None:
    steps = [
        tool("outer", scope="oi"),
        tool("inner", scope="core", parent="outer", call_id="c"),
        tool("derived", derived=True, call_id="c"),
    ]
    assert repeats(steps) == {"inner": "outer", "derived": "outer"}


def test_parents_in_a_circle_end() -> None:
    steps = [step("a", parent="b"), step("b", parent="a"), tool("c", parent="c")]
    assert set(repeats(steps)) <= {"a", "b", "c"}


def test_a_chain_of_many_thousand_steps_is_read_in_time() -> None:
    chain = [step(str(n), Kind.OTHER, parent=str(n - 1) if n else None) for n in range(20_000)]
    leaf = [step("leaf", parent="19999", usage=KNOWN)]
    assert repeats(chain + leaf) == {}
