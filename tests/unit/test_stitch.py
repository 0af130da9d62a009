"""Which run a step belongs to (observe/stitch.py)."""

from __future__ import annotations

from tallystick.model.step import Kind, Step, StepStatus
from tallystick.observe.stitch import Known, adds_to, assign, keys_of


def step(
    trace: str, run: str | None = None, *links: str, ended: int | None = 2, alive: int | None = None
) -> Step:
    facts = None if alive is None else {"alive": alive}
    return Step(
        trace,
        "s",
        None,
        run,
        Kind.OTHER,
        "n",
        StepStatus.OK,
        1,
        ended,
        "",
        "",
        links=tuple(links),
        facts=facts,
    )


def test_keys_are_traces_and_the_links_of_unstamped_steps():
    assert keys_of([step("t1", None, "l1"), step("t2", "r", "l2")]) == {"t1", "l1", "t2"}


def test_a_new_trace_is_its_own_run():
    decided = assign([step("t1"), step("t2"), step("t1")], Known())
    assert decided.runs == ["t1", "t2", "t1"]
    assert decided.keys == {"t1": "t1", "t2": "t2"}
    assert (decided.merged, decided.stamped) == ({}, set())


def test_a_known_trace_leads_on_and_is_not_written_again():
    decided = assign([step("t1")], Known({"t1": "r"}, frozenset({"r"}), {"r": 1}))
    assert (decided.runs, decided.keys) == (["r"], {})


def test_links_join_within_a_batch_in_any_order():
    for steps in (
        [step("t1", None, "l"), step("t2", None, "l")],
        [step("t2", None, "l"), step("t1", None, "l")],
    ):
        decided = assign(steps, Known())
        assert len(set(decided.runs)) == 1
        assert decided.runs[0] == steps[0].trace
        assert set(decided.keys.values()) == {decided.runs[0]}


def test_a_late_link_merges_into_the_older_run_through_chains():
    known = Known(
        {"l1": "young", "l2": "old", "l3": "oldest"}, frozenset(), {"young": 9, "old": 2, "oldest": 1}
    )
    decided = assign([step("t", None, "l1", "l2"), step("u", None, "l2", "l3")], known)
    assert decided.runs == ["oldest", "oldest"]
    assert decided.merged == {"young": "oldest", "old": "oldest", "t": "oldest", "u": "oldest"}
    assert set(decided.keys) == {"t", "u", "l1", "l2"}
    assert set(decided.keys.values()) == {"oldest"}


def test_a_stamp_takes_an_unstamped_run_over():
    decided = assign([step("t", "mine")], Known({"t": "t"}, frozenset(), {"t": 1}))
    assert (decided.runs, decided.merged, decided.stamped) == (["mine"], {"t": "mine"}, {"mine"})


def test_stamped_runs_stay_apart_and_an_unstamped_step_stays_with_its_trace():
    known = Known({"t": "a", "l": "b"}, frozenset({"a", "b"}), {"a": 1, "b": 2})
    decided = assign([step("t", None, "l"), step("t", "b")], known)
    assert decided.runs == ["a", "b"]
    assert (decided.merged, decided.keys) == ({}, {})


def test_stamped_steps_lend_their_links_to_nobody():
    decided = assign([step("t", "a", "l"), step("u", None, "l")], Known())
    assert decided.runs == ["a", "u"]


def test_what_adds_to_a_record():
    begun, done = step("t", ended=None), step("t")
    assert adds_to(done, begun)
    assert not adds_to(begun, done)
    assert not adds_to(done, done)
    assert not adds_to(begun, begun)
    assert adds_to(step("t", ended=None, alive=2), step("t", ended=None, alive=1))
    assert not adds_to(step("t", ended=None, alive=1), step("t", ended=None, alive=2))
