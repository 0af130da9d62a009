"""How a run stands that several processes worked for: each numbers its own leg (observe/completeness.py)."""

from __future__ import annotations

from test_completeness import LATE, SEEN, root, step, tally_of, verdict

from tallystick.adapters.sqlite.rows import pack_tally
from tallystick.model.run import Completeness, RunStatus
from tallystick.model.step import Step
from tallystick.observe.completeness import ABANDONED_NS, judge, watched
from tallystick.observe.numbering import legs_at_work, lives, mark_of
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
    assert (legs_at_work(tally.legs), tally.numbered, tally.running, tally.seqs) == ([], {7: [1, 3]}, 0, 1)


def legs_of(*names: str) -> list[Step]:
    facts = [{"leg": True, "process": name} for name in names]
    return [
        step(ROOT, span=f"{number:016x}", seq=1, ended=None, origin=mark_of(one["process"]), facts=one)
        for number, one in enumerate(facts, 1)
    ]


def test_the_death_of_one_leg_is_not_the_end_of_another():
    tally = tally_of(*run(*legs_of("host/boot/7/1", "host/boot/9/1")))
    names = watched(tally)
    assert names == "host/boot/7/1\nhost/boot/9/1"
    assert lives(names, {"host/boot/7/1": False, "host/boot/9/1": True}.get) is True
    assert lives(names, {"host/boot/7/1": False}.get) is None
    assert lives(names, lambda name: False) is False
    assert lives(None, lambda name: True) is None


def test_a_hostile_number_of_legs_is_bounded_and_their_order_decides_nothing():
    begun = legs_of(*(f"host/boot/{number}/1" for number in range(5_000)), "x" * 500)
    tally, back = tally_of(*run(*begun)), tally_of(*run(*reversed(begun)))
    assert len(pack_tally(tally)) < 20_000
    assert pack_tally(tally) == pack_tally(back)
    assert judge(tally, now=SEEN, alive=None).completeness is Completeness.OPEN
    assert judge(tally, now=LATE, alive=None).completeness is Completeness.LOSSY


def test_a_leg_that_claims_a_living_process_keeps_an_ended_run_open_for_a_day_at_most():
    steps = run(*legs_of("host/boot/7/1"))
    assert verdict(*steps, alive=True, now=SEEN + ABANDONED_NS)[0] is Completeness.OPEN
    assert verdict(*steps, alive=True, now=SEEN + ABANDONED_NS + 1) == (Completeness.LOSSY, OK, 1)
    begun = root(ended=None)
    assert verdict(begun, *steps[1:], alive=True, now=SEEN + 2 * ABANDONED_NS)[0] is Completeness.OPEN
