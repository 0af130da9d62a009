"""The loop detector on the shapes that agents really make: what must be stopped, and what must be left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.cost.fingerprint import Prints
from tallystick.cost.loops import (
    Asked,
    Ended,
    LoopDetector,
    LoopFinding,
    LoopLimits,
    Rung,
    is_quiet,
    replay,
)
from tallystick.model.step import Effect

SECOND = 1_000_000_000
Call = tuple[str, dict[str, Any], Any, str | None]  # tool, arguments, result, error


class Watched:
    """A detector that is told of calls as they are made, and all that it was told."""

    def __init__(self, limits: LoopLimits | None = None, key: bytes = b"key") -> None:
        self.prints = Prints(key)
        self.detector = LoopDetector(limits or LoopLimits())
        self.heard: list[Asked | Ended] = []
        self.found: list[LoopFinding] = []

    def ask(
        self, tool: str, arguments: dict[str, Any], *, at: int, effect: Effect = Effect.READ
    ) -> LoopFinding:
        event = Asked(self.prints.call(tool, arguments), at, is_quiet(effect))
        self.heard.append(event)
        self.found.append(self.detector.asked(event))
        return self.found[-1]

    def tell(self, call: Call, *, at: int, effect: Effect = Effect.READ) -> None:
        tool, arguments, result, error = call
        event = Ended(
            self.prints.call(tool, arguments), self.prints.answer(result, error), at, is_quiet(effect)
        )
        self.heard.append(event)
        self.detector.ended(event)


def played(
    calls: Iterable[Call], *, gap: int = SECOND // 10, effect: Effect = Effect.READ, key: bytes = b"key"
) -> Watched:
    """A detector that heard calls until it stopped the run."""
    watched = Watched(key=key)
    at = 1_700_000_000 * SECOND
    for call in calls:
        at += gap
        rung = watched.ask(call[0], call[1], at=at, effect=effect).rung
        if rung is Rung.STOPPED:
            break
        if rung is not Rung.REFUSED:
            watched.tell(call, at=at, effect=effect)
    return watched


def play(calls: Iterable[Call], *, gap: int = SECOND // 10, effect: Effect = Effect.READ) -> list[Rung]:
    """The rung of each call until the run is stopped."""
    return [one.rung for one in played(calls, gap=gap, effect=effect).found]


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
    watched = Watched()
    for call in calls:
        watched.tell(call, at=1)
    assert watched.ask("look", {}, at=2).rung is Rung.CLEAR


def test_the_number_of_calls_is_capped() -> None:
    watched = Watched(LoopLimits(calls=10))
    for number in range(10):
        assert watched.ask("t", {"n": number}, at=number).rung is Rung.CLEAR
        watched.tell(("t", {"n": number}, number, None), at=number)
    finding = watched.ask("t", {"n": 11}, at=11)
    assert (finding.rung, finding.rule) == (Rung.STOPPED, "R6")


def test_prints_of_two_keys_have_nothing_in_common() -> None:
    call = ("look", {"id": 7, "page": 2})
    one, other = Prints(b"a"), Prints(b"b")
    assert one.call(*call) == Prints(b"a").call(*call)
    first, second = one.call(*call), other.call(*call)
    assert first.call != second.call
    assert first.page is not None
    assert second.page is not None
    assert first.page[0] != second.page[0]
    assert one.answer("x", None).answer != other.answer("x", None).answer


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


FEW = st.tuples(
    st.sampled_from(["look", "list"]),
    st.fixed_dictionaries({"page": st.integers(0, 3)}) | st.just({}),
    st.sampled_from([[], "none found", {"rows": 0}, "a", "b"]),
    st.none() | st.just("ConnectError"),
)
LIMITS = st.builds(
    LoopLimits, rounds=st.integers(2, 4), fruitless=st.integers(3, 6), patient_warn=st.integers(3, 5),
    patient_refuse=st.integers(6, 8), pages=st.integers(5, 8), calls=st.none() | st.integers(5, 40),
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(FEW, st.sampled_from([0, 1, 3 * SECOND]), st.booleans(), st.sampled_from(Effect)), max_size=60),
    LIMITS,
)  # fmt: skip
def test_judged_again_from_prints_alone_it_finds_the_same(
    made: list[tuple[Call, int, bool, Effect]], limits: LoopLimits
) -> None:
    """Also where calls overlap (asked in one order, ended in another) and where some never come back."""
    watched, at = Watched(limits), SECOND
    late: list[tuple[Call, Effect]] = []
    for call, gap, waits, effect in made:
        at += gap
        finding = watched.ask(call[0], call[1], at=at, effect=effect)
        if finding.rung >= Rung.REFUSED:
            continue
        if waits:
            late.append((call, effect))
            continue
        watched.tell(call, at=at, effect=effect)
        if len(late) > 2:
            other, its_effect = late.pop()
            watched.tell(other, at=at, effect=its_effect)
    assert replay(watched.heard, limits) == watched.found


@settings(deadline=None)
@given(st.lists(FEW, max_size=40))
def test_the_key_does_not_matter(calls: list[Call]) -> None:
    assert played(calls).found == played(calls, key=b"other").found
