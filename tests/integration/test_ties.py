"""Traces that no id joins: one run where it is certain, runs of their own where it is not."""

from __future__ import annotations

from typing import Any

import pytest
from tied_samples import (
    ASKED,
    FIRST,
    SECOND,
    S,
    called,
    made,
    model,
    request,
    result,
    root,
    span,
    told,
    turns,
    used,
)

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Span
from tallystick.observe.normalise import read_span
from tallystick.observe.ties import exchange_of
from tallystick.observe.tying import FOLLOWS, HOSTS, INVOKES


def runs(*spans: Span) -> list[str]:
    """The traces of each run, as the letters they were made from."""
    store = MemoryTraces()
    for one in spans:
        store.write(read_span(one), at=1)
    found = []
    for run in store.runs(EVERYTHING, now=2).runs:
        steps = [step for step in store.steps(run.run) if not step.derived]
        found.append(
            "".join(
                sorted({"0123456789abcdefghijklmnopqrstuvwxyz"[int(step.trace[:8], 16)] for step in steps})
            )
        )
    return sorted(found)


# ── tool servers inside the agent's process ─────────────────────────────────────────────────────────────────────


def test_a_request_belongs_to_the_only_root_around_it() -> None:
    assert runs(root("a", 0, 100), request("b", 5, 10)) == ["ab"]
    assert runs(request("b", 5, 10), root("a", 0, 100)) == ["ab"]
    assert runs(root("a", 0, 100, **{"tallystick.run.id": "a" * 32}), request("b", 5, 10)) == ["ab"]


def test_another_process_another_time_or_two_roots_join_nothing() -> None:
    assert runs(root("a", 0, 100, "p2"), request("b", 5, 10)) == ["a", "b"]
    assert runs(root("a", 0, 15), request("b", 5, 10, 20)) == ["a", "b"]
    assert runs(root("a", 0, 100, None), request("b", 5, 10, process=None)) == ["a", "b"]
    assert runs(root("a", 0, 100), root("c", 0, 100), request("b", 5, 10)) == ["a", "b", "c"]
    late = HOSTS / S + 1
    assert runs(root("a", 0, late + 10), request("b", 5, late)) == ["a", "b"]


def test_a_second_root_that_comes_late_takes_the_join_back() -> None:
    assert runs(root("a", 0, 100), request("b", 5, 10), root("c", 0, 100)) == ["a", "b", "c"]


def test_a_root_that_is_a_model_call_hosts_nothing() -> None:
    assert runs(model("a", 0, [told("user", "hi")]), request("b", 5, 0.2, 0.4)) == ["a", "b"]


def test_the_requests_of_a_session_are_one_run_where_the_agent_is_not_seen() -> None:
    session = [
        request("a", 0, 1, method="initialize"), request("b", None, 3, method="notifications/initialized"),
        request("c", 1, 5, method="tools/list"), request("d", 2, 7), request("e", 3, 9),
    ]  # fmt: skip
    assert runs(*session) == ["abcde"]
    assert runs(*reversed(session)) == ["abcde"]


def test_the_opening_of_a_session_goes_with_its_first_call() -> None:
    opening = [request("a", 0, 1, method="initialize"), request("b", 1, 3, method="tools/list")]
    assert runs(*opening, root("r", 4, 20), request("c", 2, 5), root("s", 30, 40), request("d", 3, 35)) == [
        "abcr",
        "ds",
    ]


def test_sessions_that_may_be_mixed_up_stay_apart() -> None:
    two = [request("a", 0, 1, method="initialize"), request("b", 0, 2, method="initialize")]
    assert runs(*two, request("c", 1, 3, method="tools/list")) == ["a", "b", "c"]
    named = [
        request(trace, number, at, method=method, **{"mcp.session.id": session})
        for trace, number, at, method, session in (
            ("a", 0, 1, "initialize", "s1"), ("b", 0, 2, "initialize", "s2"),
            ("c", 1, 3, "tools/list", "s1"), ("d", 1, 4, "tools/list", "s2"),
        )
    ]  # fmt: skip
    assert runs(*named) == ["ac", "bd"]
    assert runs(request("a", 0, 1, method="initialize"), request("b", 1, 2 + FOLLOWS / S)) == ["a", "b"]
    assert runs(request("a", 0, 1, method="initialize"), request("b", 2, 2)) == ["a", "b"]


# ── agents that are defined ─────────────────────────────────────────────────────────────────────────────────────


def test_the_making_of_an_agent_belongs_to_where_it_is_invoked_next() -> None:
    spans = [
        made("a", "triage", 1),
        made("b", "weather", 2),
        used("c", "triage", 10),
        used("d", "triage", 30),
    ]
    inner = span(
        "c",
        "agent",
        12,
        13,
        parent="1" * 16,
        **{"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "weather"},
    )
    assert runs(*spans, inner) == ["abc", "d"]
    assert runs(inner, *reversed(spans)) == ["abc", "d"]


def test_an_agent_made_twice_or_elsewhere_or_long_before_stays_alone() -> None:
    assert runs(made("a", "x", 1), made("b", "x", 2), used("c", "x", 10), used("d", "x", 11)) == [
        "a",
        "b",
        "c",
        "d",
    ]
    assert runs(made("a", "x", 1), used("c", "x", 2), made("b", "x", 20), used("d", "x", 30)) == ["ac", "bd"]
    assert runs(made("a", "x", 1, "p2"), used("c", "x", 2)) == ["a", "c"]
    assert runs(made("a", "x", 1, None), used("c", "x", 2, None)) == ["a", "c"]
    assert runs(made("a", "x", 1), used("c", "y", 2)) == ["a", "c"]
    assert runs(made("a", "x", 9), used("c", "x", 2)) == ["a", "c"]
    assert runs(made("a", "x", 1), used("c", "x", 2 + INVOKES / S)) == ["a", "c"]


def test_an_earlier_run_that_comes_late_takes_the_making_over() -> None:
    assert runs(made("a", "x", 1), used("c", "x", 20), used("b", "x", 10)) == ["ab", "c"]


# ── model calls without an id in common ─────────────────────────────────────────────────────────────────────────


def test_a_call_belongs_to_the_one_whose_answer_its_history_ends_with() -> None:
    assert runs(*turns("a", "b", "c")) == ["abc"]
    assert runs(*reversed(turns("a", "b", "c"))) == ["abc"]
    assert runs(*turns("a", "b", "c", process=7)) == ["abc"]


def test_a_tool_call_is_known_by_its_words_whatever_its_id() -> None:
    first = model("a", 0, [ASKED], called("fc_11111111", city="Paris"))
    history = [ASKED, called("call_22222222", city="Paris"), result("call_22222222", "sunny")]
    assert runs(first, model("b", 5, history, SECOND)) == ["ab"]
    other = [ASKED, called("call_22222222", city="Rome"), result("call_22222222", "sunny")]
    assert runs(first, model("b", 5, other, SECOND)) == ["a", "b"]


def test_the_same_question_asked_twice_is_two_runs() -> None:
    assert runs(*turns("a"), *turns("b", start=20)) == ["a", "b"]
    assert runs(*turns("a", "b", "c"), *turns("d", "e", "f", start=100)) == ["abc", "def"]


def test_chats_that_say_the_same_at_once_are_not_joined() -> None:
    both = [*turns("a", "b"), *turns("c", "d", start=3)]
    assert runs(*both) == ["a", "b", "c", "d"]
    assert runs(*reversed(both)) == ["a", "b", "c", "d"]


def test_an_answer_is_taken_up_once_and_again_only_by_who_got_nothing() -> None:
    first, second = turns("a", "b")
    history = [ASKED, FIRST, told("user", "Rome")]
    assert runs(first, second, model("c", 30, history, SECOND)) == ["ab", "c"]
    failed = model("c", 8, [ASKED, FIRST, told("user", "Paris")], **{"error.type": "timeout"})
    assert runs(first, failed, second) == ["abc"]


@pytest.mark.parametrize("process", [None, True, 1.5, ["p"], ""])
def test_without_a_process_nothing_is_joined(process: Any) -> None:
    assert runs(*turns("a", "b", process=process)) == ["a", "b"]


def test_another_process_or_long_after_is_another_run() -> None:
    first, second = turns("a", "b")
    assert runs(first, *turns("x", "b", process="p2")[1:]) == ["a", "b"]
    assert runs(first, turns("x", "b", gap=2 + FOLLOWS / S)[1]) == ["a", "b"]
    assert runs(second, turns("a", start=30)[0]) == ["a", "b"]


def test_who_stamps_a_run_is_believed() -> None:
    first, second = turns("a", "b", **{"tallystick.run.id": "f" * 32})
    assert runs(first, second) == ["ab"]
    assert runs(turns("a", "b")[0], second) == ["a", "b"]


def test_what_has_no_json_is_no_reason_to_fail() -> None:
    ring: list[Any] = []
    ring.append(ring)
    deep: Any = "x"
    for _ in range(5_000):
        deep = [deep]
    for odd in (ring, deep, {1: 2, "a": 3}, float("nan"), b"\xff", "\ud800"):
        message = {"role": "assistant", "parts": [{"type": "tool_call", "name": "x", "arguments": odd}]}
        before, after = exchange_of([message], [message])
        assert before
        assert after
    assert exchange_of([], []) == (None, None)
    assert exchange_of([told("assistant", "  ")], [told("user", "x")]) == (None, None)


def test_what_was_joined_without_an_id_says_so() -> None:
    store = MemoryTraces()
    for one in (made("a", "x", 1), used("c", "x", 20)):
        store.write(read_span(one), at=1)
    (run,) = store.runs(EVERYTHING, now=2).runs
    assert store.tied(run.run) == {"0000000a" * 4: "0000000c" * 4}
