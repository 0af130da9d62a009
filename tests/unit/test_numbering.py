"""Whose sequence numbers are whose: no process fills another's gaps, and no stranger lifts a doubt."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick.model.run import Completeness
from tallystick.model.span import Source, Span
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.observe.completeness import SILENT_AFTER_NS, judge
from tallystick.observe.normalise import read_span
from tallystick.observe.numbering import MOST, count_number, gaps, mark_of
from tallystick.observe.summary import Tally, count_all

HOME = "a" * 32
OURS, THEIRS = mark_of("host/boot/1/2"), mark_of("host/boot/3/4")
SEEN = 10**18


def step(number: int, *, ended: int | None = 5, trace: str = HOME, **more: Any) -> Step:
    status = StepStatus.RUNNING if ended is None else StepStatus.OK
    more = {"seq": number, "origin": OURS, **more}
    parent = None if more.get("facts", {}).get("root") else "f" * 16
    return Step(
        trace, f"{number:016x}", parent, HOME, Kind.OTHER, "n", status, 3, ended, "scope", "x", **more
    )


def root(steps: int, **more: Any) -> Step:
    return step(1, facts={"root": True, "steps": steps, "status": "ok"}, **more)


def verdict(*steps: Step) -> tuple[Completeness, int | None]:
    tally, _ = count_all(steps, Tally(created=SEEN, seen=SEEN), HOME)
    found = judge(tally, now=SEEN + SILENT_AFTER_NS + 1, alive=None)
    return found.completeness, found.missing


LOSSY = Completeness.LOSSY


def test_each_process_is_counted_apart() -> None:
    joined = [step(11, seq=1, origin=THEIRS, facts={"steps": 2}), step(12, seq=2, origin=THEIRS)]
    assert verdict(root(2), step(2), *joined) == (Completeness.COMPLETE, 0)
    assert verdict(root(2), *joined) == (LOSSY, 1)
    assert verdict(root(2), step(2), joined[0]) == (LOSSY, 1)
    assert verdict(root(3), step(2), joined[0]) == (LOSSY, 2)


@pytest.mark.parametrize("origin", [THEIRS, None])
def test_numbers_of_a_stranger_fill_no_gap(origin: int | None) -> None:
    forged = [step(20 + number, seq=number, origin=origin) for number in range(1, 9)]
    found, missing = verdict(root(5), step(2), *forged)
    assert found is LOSSY
    assert missing is not None
    assert missing >= 3  # a process that never says its end is a doubt of its own


@pytest.mark.parametrize("started", [1, 9])
@pytest.mark.parametrize("trace", ["b" * 32, HOME])
def test_a_forged_root_lifts_no_doubt(started: int, trace: str) -> None:
    forged = root(1, origin=THEIRS, trace=trace)
    forged.span, forged.started = "e" * 16, started
    assert verdict(root(5), step(2), forged) == (LOSSY, 3)
    true = root(5, ended=None)  # it began and never ended
    true.facts = {"root": True}
    assert verdict(true, step(2), forged)[0] in (LOSSY, Completeness.CRASHED)


def test_a_root_of_another_trace_does_not_say_how_the_run_ended() -> None:
    forged = root(1, origin=THEIRS, trace="b" * 32)
    forged.span, forged.started, forged.facts = "e" * 16, 9, {"root": True, "steps": 1, "status": "failed"}
    for steps in ([root(1), forged], [forged, root(1)]):
        tally, _ = count_all(steps, Tally(created=SEEN, seen=SEEN), HOME)
        assert tally.last_root is not None
        assert tally.last_root.outcome == "ok"


def test_senders_of_before_name_no_process() -> None:
    old = [step(number, origin=None) for number in range(2, 5)]
    assert verdict(root(4, origin=None), *old) == (Completeness.COMPLETE, 0)
    assert verdict(root(5, origin=None), *old) == (LOSSY, 1)


def test_a_hostile_number_of_processes_is_bounded() -> None:
    numbered: dict[int, list[int]] = {}
    for number in range(1, 5_000):
        count_number(numbered, number, 1, 2)
    assert len(numbered) <= MOST
    assert gaps(numbered) == 4_999


def test_with_too_many_processes_a_stranger_could_fill_gaps_so_nothing_is_complete() -> None:
    joined = [step(1_000 + n, seq=1, origin=1_000 + n, facts={"steps": 1}) for n in range(MOST)]
    extra = [step(9_000 + n, seq=n, origin=1_000) for n in range(9)]
    for steps in ([root(5), *joined, *extra], [*reversed(joined), *extra, root(5)]):
        assert verdict(*steps) == (LOSSY, None)


def test_the_process_is_read_from_the_resource() -> None:
    def read(resource: dict[str, Any]) -> int | None:
        source = Source(resource)
        span = Span(HOME, "1" * 16, None, "x", 1, 2, source, attributes={"tallystick.seq": 1})
        return read_span(span)[0][0].origin

    assert read({"tallystick.process": "host/boot/1/2"}) == OURS
    assert read({"tallystick.process": 7}) is None
    assert read({"service.name": "x"}) is None
