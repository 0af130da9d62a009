"""How a run stands (observe/completeness.py), from its tally (observe/summary.py)."""

from __future__ import annotations

import pytest

from tallystick.model.run import Completeness, RunStatus
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.model.usage import Usage
from tallystick.observe.completeness import SILENT_AFTER_NS, judge, watched
from tallystick.observe.recount import recount_needed
from tallystick.observe.summary import Tally, count_all, run_of

SEEN = 10**18
LATE = SEEN + SILENT_AFTER_NS + 1
_NUMBER = iter(range(1, 10**6))


def step(parent: str | None = None, *, ended: int | None = 5, **more) -> Step:
    span = more.pop("span", f"{next(_NUMBER):016x}")
    status = more.pop("status", StepStatus.RUNNING if ended is None else StepStatus.OK)
    kind = more.pop("kind", Kind.OTHER)
    return Step("t" * 32, span, parent, None, kind, "n", status, 3, ended, "scope", "x", **more)


def tally_of(*steps: Step) -> Tally:
    return count_all(steps, Tally(created=SEEN, seen=SEEN))[0]


def verdict(*steps: Step, now: int = SEEN, alive: bool | None = None) -> tuple:
    found = judge(tally_of(*steps), now=now, alive=alive)
    return found.completeness, found.status, found.missing


def root(**facts) -> Step:
    ended = facts.pop("ended", 5)
    return step(None, span="0" * 15 + "f", ended=ended, facts={"root": True, **facts})


@pytest.mark.parametrize(
    ("word", "status"),
    [("ok", "ok"), ("failed", "failed"), ("stopped", "stopped"), ("odd", "ok"), (None, "ok")],
)
def test_a_recorded_run_ends_as_its_root_says(word, status):
    facts = {"steps": 0} if word is None else {"status": word}
    assert verdict(root(**facts)) == (Completeness.COMPLETE, RunStatus(status), 0)


def test_numbers_that_never_came_are_counted():
    steps = [root(steps=5, status="ok"), *(step("f", seq=number) for number in (1, 2, 4))]
    assert verdict(*steps) == (Completeness.LOSSY, RunStatus.OK, 2)


def test_a_step_that_never_ended_is_missing_its_end():
    assert verdict(root(status="ok"), step("f", ended=None)) == (Completeness.LOSSY, RunStatus.OK, 1)


def test_records_that_were_dropped_are_counted_once():
    steps = [root(steps=3, status="ok", lost=2), step("f", seq=1)]
    assert verdict(*steps)[2] == 2  # the gap and the loss are the same two


@pytest.mark.parametrize(
    ("alive", "now", "expected"),
    [
        (None, SEEN, Completeness.OPEN), (None, LATE, Completeness.CRASHED), (True, LATE, Completeness.OPEN),
        (False, SEEN, Completeness.CRASHED),
    ],
)  # fmt: skip
def test_death_or_silence_is_a_crash(alive, now, expected):
    assert verdict(root(ended=None, process="h/b/1/2"), now=now, alive=alive)[0] is expected


def test_numbered_steps_without_their_root():
    steps = [step("f", seq=1), step("f", seq=4)]
    assert verdict(*steps)[0] is Completeness.OPEN
    assert verdict(*steps, now=LATE) == (Completeness.LOSSY, RunStatus.UNKNOWN, 2)
    assert verdict(*steps, step("f", seq=2, ended=None), now=LATE)[0] is Completeness.CRASHED


def test_a_foreign_run_is_whole_when_its_root_came_and_no_parent_is_missing():
    top = step()
    child = step(top.span)
    assert verdict(child) == (Completeness.OPEN, RunStatus.RUNNING, None)
    assert verdict(child, top) == (Completeness.COMPLETE, RunStatus.OK, 0)
    orphan = step("a" * 16)
    assert verdict(child, top, orphan)[0] is Completeness.OPEN
    assert verdict(child, top, orphan, now=LATE) == (Completeness.LOSSY, RunStatus.OK, 1)


def test_with_several_roots_the_last_says_how_it_ended():
    first, last = step(status=StepStatus.ERROR), step()
    last.started = 4
    assert verdict(first, last)[1] is RunStatus.OK
    assert verdict(last, first)[1] is RunStatus.OK
    assert verdict(step(status=StepStatus.UNKNOWN))[1] is RunStatus.UNKNOWN
    assert verdict(step(status=StepStatus.ERROR))[1] is RunStatus.FAILED


def test_only_an_open_recorded_run_has_a_process_to_watch():
    assert watched(tally_of(root(ended=None, process="p"))) == "p"
    assert watched(tally_of(root(process="p", status="ok"))) is None
    assert watched(tally_of(step())) is None


def summary(*steps: Step):
    tally = tally_of(*steps)
    found = judge(tally, now=SEEN, alive=None)
    return run_of("r", tally, found.completeness, found.status, found.missing)


def test_the_root_names_the_run_before_the_first_agent_does():
    early = step("f", agent="early", workflow="w")
    assert (summary(early).agent, summary(early).workflow) == ("early", "w")
    named = root(goal="Sell", source="sdk", status="ok")
    named.agent = "boss"
    found = summary(early, named)
    assert (found.agent, found.workflow, found.goal, found.source) == ("boss", "w", "Sell", "sdk")


def test_session_totals_stand_in_only_where_no_call_is_known():
    agent = step(kind=Kind.AGENT, usage=Usage(100, None))
    found = summary(agent)
    assert (found.usage, found.usage_known) == (Usage(100), Usage(100))
    call = step(agent.span, kind=Kind.MODEL, usage=Usage(7, 2))
    found = summary(agent, call)
    assert (found.usage.input_tokens, found.usage.output_tokens) == (7, 2)


def test_hostile_facts_count_for_nothing():
    odd = root(status=["ok"], steps=-5, lost="many", goal=7, process=3, stopped_by={})
    found = summary(odd)
    assert (found.goal, found.stopped_by, found.status) == (None, None, RunStatus.OK)
    assert summary(root(status="ok", lost=True)).missing == 0


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([step(kind=Kind.MODEL), step(kind=Kind.MODEL)], False),
        ([step(kind=Kind.MODEL, span="c" * 16), step("c" * 16)], True),  # something lies inside a call
        ([step(kind=Kind.TOOL, derived=True)], True),
        ([step(kind=Kind.TOOL, same_as="x")], True),
        ([step(kind=Kind.TOOL), step(kind=Kind.OTHER)], False),
    ],
)
def test_when_steps_may_repeat_others(steps, expected):
    assert recount_needed(Tally(), [(one, None) for one in steps]) is expected


def test_a_second_scope_may_repeat_the_first():
    for kind in (Kind.MODEL, Kind.TOOL):
        other = step(kind=kind)
        other.scope = "other"
        tally = Tally()
        assert not recount_needed(tally, [(step(kind=kind), None)])
        assert recount_needed(tally, [(other, None)])
        assert recount_needed(tally, [])  # and so it stays
