"""How a run stands that several processes worked for: each numbers its own leg (observe/completeness.py)."""

from __future__ import annotations

from test_completeness import LATE, SEEN, root, step, tally_of, verdict

from tallystick.model.run import Completeness, RunStatus
from tallystick.model.step import Step
from tallystick.observe.completeness import watched
from tallystick.observe.summary import Tally, add

ROOT = "0" * 15 + "f"
OK = RunStatus.OK


def leg(span: str = "a" * 16, *, steps: int | None = 3, **more) -> Step:
    facts = {"leg": True, "process": "host/boot/7/1"} | ({} if steps is None else {"leg_steps": steps})
    return step(ROOT, span=span, seq=1, facts=facts, ended=None if steps is None else 5, origin=7, **more)


def run(*legs: Step) -> tuple[Step, ...]:
    return (root(steps=2, status="ok"), step(ROOT, seq=1), step(ROOT, seq=2), *legs)


def test_a_run_with_a_leg_is_whole_when_both_are():
    inside = [step("a" * 16, seq=number, origin=7) for number in (2, 3)]
    assert verdict(*run(leg(), *inside)) == (Completeness.COMPLETE, OK, 0)
    assert verdict(*run(leg(), inside[0])) == (Completeness.LOSSY, OK, 1)
    assert verdict(*run(leg())[1:], *inside, root(steps=3, status="ok")) == (Completeness.LOSSY, OK, 1)


def test_a_leg_at_work_keeps_the_run_open_until_its_process_dies_or_falls_silent():
    steps = run(leg(steps=None))
    assert verdict(*steps)[0] is Completeness.OPEN
    assert verdict(*steps, alive=True, now=LATE)[0] is Completeness.OPEN
    assert verdict(*steps, alive=False) == (Completeness.LOSSY, OK, 1)
    assert verdict(*steps, now=LATE) == (Completeness.LOSSY, OK, 1)
    assert watched(tally_of(*steps)) == "host/boot/7/1"
    assert watched(tally_of(*run(leg()))) is None


def test_a_leg_of_which_the_opening_never_came_is_missed():
    inside = [step("a" * 16, seq=number, origin=7) for number in (2, 3)]
    assert verdict(*run(*inside)) == (Completeness.LOSSY, OK, 1)


def test_late_numbers_of_the_run_itself_are_no_loss():
    assert verdict(*run(step(ROOT, seq=3)), step(None, span="1" * 16)) == (Completeness.COMPLETE, OK, 0)


def test_the_end_of_a_leg_takes_its_beginning_away():
    tally, parts = Tally(created=SEEN, seen=SEEN), {}
    begun = leg(steps=None)
    add(tally, parts, begun)
    add(tally, parts, leg(), begun)
    assert (tally.legs, tally.numbered, tally.running, tally.seqs) == ({}, {7: [1, 3]}, 0, 1)
