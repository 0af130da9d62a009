"""The loop detector on the shapes that agents really make: what must be stopped, and what must be left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.cost.loops import LoopDetector, LoopLimits, Rung
from tallystick.model.step import Effect

SECOND = 1_000_000_000
Call = tuple[str, dict[str, Any], Any, str | None]  # tool, arguments, result, error


def play(calls: Iterable[Call], *, gap: int = SECOND // 10, effect: Effect = Effect.READ) -> list[Rung]:
    """The rung of each call until the run is stopped."""
    detector = LoopDetector()
    rungs: list[Rung] = []
    at = 1_700_000_000 * SECOND
    for tool, arguments, result, error in calls:
        at += gap
        rung = detector.before(tool, arguments, at=at, effect=effect).rung
        rungs.append(rung)
        if rung is Rung.STOPPED:
            break
        if rung is Rung.REFUSED:
            detector.refused(tool, arguments, at=at, effect=effect)
        else:
            detector.after(tool, arguments, at=at, effect=effect, result=result, error=error)
    return rungs


def forever(make: Callable[[int], Call], n: int = 120) -> list[Call]:
    return [make(i) for i in range(n)]


def test_the_ladder_of_one_repeated_call() -> None:
    rungs = play(forever(lambda _i: ("look", {"id": 7}, {"state": "open"}, None)))
    assert rungs == [Rung.CLEAR, Rung.MARKED, Rung.WARNED, Rung.REFUSED, Rung.STOPPED]


@pytest.mark.parametrize("period", range(2, 9))
def test_a_cycle_is_stopped_after_three_rounds(period: int) -> None:
    rungs = play(forever(lambda i: (f"t{i % period}", {"a": i % period}, f"r{i % period}", None)))
    assert rungs[-1] is Rung.STOPPED
    assert len(rungs) == 3 * period + 2
    executed = [one for one in rungs if one < Rung.REFUSED]
    assert len(executed) == 3 * period
    assert Rung.WARNED in rungs


def test_a_reworded_search_that_finds_nothing() -> None:
    rungs = play(forever(lambda i: ("search", {"query": f"refund policy v{i}"}, [], None)))
    assert len(rungs) <= 8
    assert rungs[-1] is Rung.STOPPED


def test_a_retry_that_changes_only_noise() -> None:
    calls = forever(
        lambda i: ("pay", {"attempt": i, "request_id": str(UUID(int=i)), "timestamp": 1_700_000_000 + i},
                   None, f"timeout at 2026-11-22T10:00:{i % 60:02}Z id {UUID(int=i)}")
    )  # fmt: skip
    rungs = play(calls, effect=Effect.WRITE)
    assert len(rungs) <= 7
    assert rungs[-1] is Rung.STOPPED


def test_failing_with_new_arguments_each_time() -> None:
    rungs = play(forever(lambda i: ("fetch", {"url": f"https://x/{i}"}, None, "ConnectError: refused")))
    assert len(rungs) == 7
    assert rungs[-1] is Rung.STOPPED


def test_same_result_but_for_time_and_address() -> None:
    rungs = play(
        forever(lambda i: ("look", {"id": 7}, f"<Order at 0x7f{i:06x}> 2026-11-22 10:{i % 60:02}:00", None))
    )
    assert rungs[-1] is Rung.STOPPED
    assert len(rungs) == 5


@pytest.mark.parametrize(
    ("calls", "gap", "effect"),
    [
        pytest.param(forever(lambda i: ("status", {"job": 1}, {"percent": i}, None)), 1, Effect.READ, id="progress"),
        pytest.param(forever(lambda _i: ("status", {}, "pending", None), 30), 3 * SECOND, Effect.READ, id="poll"),
        pytest.param(
            forever(lambda i: ("wait", {"s": 5}, "ok", None) if i % 2 else ("status", {"job": 1}, "pending", None), 60),
            2 * SECOND, Effect.READ, id="poll and wait",
        ),
        pytest.param(forever(lambda i: ("list", {"page": i}, [i], None)), 1, Effect.READ, id="paging"),
        pytest.param(forever(lambda _i: ("inbox", {}, [], None), 30), 3 * SECOND, Effect.READ, id="empty inbox"),
        pytest.param(forever(lambda i: ("balance", {"of": i}, {"cents": 0}, None)), 1, Effect.READ, id="zeros"),
        pytest.param(forever(lambda i: ("list", {"page": i}, [], None), 18), 1, Effect.READ, id="empty pages"),
        pytest.param(forever(lambda i: ("put", {"id": i}, "ok", None), 60), 1, Effect.WRITE, id="many ok writes"),
        pytest.param(
            forever(lambda i: ("cut", {"id": str(UUID(int=i))}, "ok", None), 60), 1, Effect.WRITE, id="uuids",
        ),
        pytest.param(
            forever(lambda i: ("edit", {"text": f"v{i}"}, "saved", None) if i % 2 else ("test", {}, None, "1 failed")),
            1, Effect.WRITE, id="edit and test",
        ),
        pytest.param(
            forever(lambda i: ("look", {"order": 1_700_000_000 + i}, "shipped", None)), 1, Effect.READ, id="epochs",
        ),
    ],
)  # fmt: skip
def test_what_is_no_loop_is_left_alone(calls: list[Call], gap: int, effect: Effect) -> None:
    rungs = play(calls, gap=gap, effect=effect)
    assert len(rungs) == len(calls)
    assert max(rungs) <= Rung.WARNED


def test_patience_ends() -> None:
    rungs = play(forever(lambda _i: ("status", {}, "pending", None)), gap=3 * SECOND)
    assert rungs[-1] is Rung.STOPPED
    assert len(rungs) == 41
    assert rungs[18] is Rung.CLEAR
    assert rungs[19] is Rung.WARNED


def test_there_is_no_patience_with_writes() -> None:
    rungs = play(
        forever(lambda _i: ("pay", {"to": 1}, "ok", None)), gap=10 * SECOND, effect=Effect.IRREVERSIBLE
    )
    assert len(rungs) == 5


def test_a_new_answer_ends_the_streak() -> None:
    calls: list[Call] = [("look", {}, "a", None)] * 3 + [("look", {}, "b", None)]
    detector = LoopDetector()
    for tool, arguments, result, error in calls:
        detector.after(tool, arguments, at=1, effect=Effect.READ, result=result, error=error)
    assert detector.before("look", {}, at=2, effect=Effect.READ).rung is Rung.CLEAR


def test_the_number_of_calls_is_capped() -> None:
    detector = LoopDetector(LoopLimits(calls=10))
    for number in range(10):
        assert detector.before("t", {"n": number}, at=number, effect=Effect.READ).rung is Rung.CLEAR
        detector.after("t", {"n": number}, at=number, effect=Effect.READ, result=number, error=None)
    finding = detector.before("t", {"n": 11}, at=11, effect=Effect.READ)
    assert (finding.rung, finding.rule) == (Rung.STOPPED, "R6")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), JSON, JSON, st.none() | st.text(max_size=10)), max_size=40))
def test_no_input_breaks_it_and_it_answers_alike_twice(calls: list[tuple[str, Any, Any, str | None]]) -> None:
    shaped: list[Call] = [(tool, {"x": argument}, result, error) for tool, argument, result, error in calls]
    assert play(shaped) == play(shaped)


@settings(deadline=None)
@given(st.integers(2, 60), st.sampled_from(["a", "b"]))
def test_answers_that_always_differ_never_climb(n: int, tool: str) -> None:
    rungs = play([(tool, {"q": 1}, {"row": i + 1}, None) for i in range(n)])
    assert rungs[:2] == [
        Rung.CLEAR,
        Rung.MARKED,
    ]  # the first repeat is one until its answer is known to differ
    assert set(rungs[2:]) <= {Rung.CLEAR}


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 20))
def test_every_cycle_is_found_whatever_came_before(period: int, before: int) -> None:
    head: list[Call] = [("other", {"n": i}, i + 1, None) for i in range(before)]
    loop = forever(lambda i: (f"t{i % period}", {}, f"r{i % period}", None))
    rungs = play(head + loop)
    assert rungs[-1] is Rung.STOPPED
    assert len(rungs) == before + 3 * period + 2
