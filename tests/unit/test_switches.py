"""What a person stopped does not happen: for tools, runs and model calls, in every state of the policies."""

from __future__ import annotations

import pytest
from guard_house import LOOK, REFUND, House, model_call
from guard_remade import Record, problems
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.app.acting.switches import release, switches_json, throw
from tallystick.model.control import ApprovalState, Switch, switch_scope
from tallystick.model.errors import BadInput, Conflict, Stopped
from tallystick.model.journal import Draft

SECOND = 1_000_000_000


def stop(house: House, scope: str) -> None:
    throw(house.control, scope, because="it misbehaves", by="ann")
    house.clock.at += SECOND


def resume(house: House, scope: str) -> None:
    release(house.control, scope, because="mended", by="ann")
    house.clock.at += SECOND


@pytest.mark.parametrize("text", ["enforced", "permissive", "unconfigured"])
def test_a_stopped_tool_is_denied_until_it_is_resumed(text: str) -> None:
    house = (
        House(None, asks=True)
        if text == "unconfigured"
        else House(asks=True, permissive=text == "permissive")
    )
    assert house.ask(LOOK, id="1").allowed
    stop(house, "tool:look")
    verdict = house.ask(LOOK, id="2")
    assert not verdict.allowed
    assert verdict.text == "This action was not allowed."  # who stopped it, and why, is for people
    made = house.body("decision.made")
    assert (made["stage"], made["answer"], made["policy_answer"]) == ("switch", "deny", None)
    assert made["reasons"] == ["tool:look was stopped by ann: it misbehaves"]
    resume(house, "tool:look")
    assert house.ask(LOOK, id="3").allowed
    assert problems(Record(house.control)) == []


@pytest.mark.parametrize("scope", ["all", "agent:desk", "workflow:w"])
def test_a_run_of_what_is_stopped_ends(scope: str) -> None:
    house = House(asks=True)
    assert house.ask(LOOK, id="1").allowed
    stop(house, scope)
    with pytest.raises(Stopped) as told:
        house.ask(LOOK, id="2")
    assert told.value.detail["by"] == "operator"
    stopped = house.body("run.stopped")
    assert (stopped["by"], stopped["detail"]["scope"]) == ("operator", scope)
    assert house.body("decision.made")["decision"] == stopped["detail"]["decision"]
    resume(house, scope)
    with pytest.raises(Stopped):
        house.ask(REFUND, id="3", amount="1")  # the run is over
    assert house.ask(LOOK, run="r2", id="4").allowed
    assert problems(Record(house.control)) == []


@pytest.mark.parametrize("scope", ["agent:other", "workflow:other", "tool:other", "agent:des", "tool:desk"])
def test_others_go_on(scope: str) -> None:
    house = House(asks=True)
    stop(house, scope)
    assert house.ask(LOOK, id="1").allowed
    house.guard.before_model(model_call())


@pytest.mark.parametrize("scope", ["all", "agent:desk", "workflow:w"])
def test_no_model_is_called(scope: str) -> None:
    house = House(asks=True)
    house.guard.before_model(model_call())
    stop(house, scope)
    with pytest.raises(Stopped):
        house.guard.before_model(model_call())
    assert house.body("run.stopped")["detail"]["decision"] is None


def test_a_stopped_tool_leaves_models_alone() -> None:
    house = House(asks=True)
    stop(house, "tool:look")
    house.guard.before_model(model_call())


def test_a_yes_that_comes_after_the_stop_lets_nothing_through() -> None:
    def yes_too_late(house: House, _ns: int) -> None:
        for waiting in house.control.approvals(state="waiting"):
            stop(house, "tool:refund")
            body = {"approval": waiting.id, "answer": "approved", "by": "ben", "note": None, "envelope": None,
                    "binding": waiting.binding}  # fmt: skip
            house.control.append([Draft("approval.answered", waiting.id, body, run=waiting.run)])

    house = House(asks=True, waiter=yes_too_late)
    assert not house.ask(REFUND, id="1", amount="400").allowed
    assert house.body("decision.made")["stage"] == "switch"
    assert house.control.approvals()[0].state is ApprovalState.APPROVED  # not used
    assert "effect.started" not in house.kinds()


@given(
    st.lists(st.tuples(st.sampled_from(["stop", "resume"]), st.sampled_from(["tool:look", "tool:refund"])))
)
@settings(max_examples=30, deadline=None)
def test_after_any_order_of_stops_what_runs_is_what_is_not_stopped(acts: list[tuple[str, str]]) -> None:
    house, thrown = House(asks=True, most_denials=1_000), set[str]()
    for nth, (act, scope) in enumerate(acts):
        if act == "stop":
            stop(house, scope)
            thrown.add(scope)
        elif scope in thrown:
            resume(house, scope)
            thrown.discard(scope)
        else:
            with pytest.raises(Conflict):
                release(house.control, scope, because="mended", by="ann")
        assert house.ask(LOOK, id=f"a{nth}").allowed is ("tool:look" not in thrown)
        assert house.ask(REFUND, id=f"b{nth}", amount="1").allowed is ("tool:refund" not in thrown)
    assert {row["scope"] for row in switches_json(house.control)["switches"]} == thrown


def test_a_reason_is_needed_and_holds_no_credential() -> None:
    house = House(asks=True)
    for because in (" ", "x" * 1_001, "the key sk-" + "a1b2c3d4" * 5):
        with pytest.raises(BadInput):
            throw(house.control, "all", because=because, by="ann")
    assert house.control.switches() == []


@given(st.text())
def test_a_scope_is_a_kind_and_a_name(text: str) -> None:
    try:
        scope = switch_scope(text)
    except BadInput:
        return
    assert scope == text
    assert text == "all" or text.partition(":")[0] in ("agent", "tool", "workflow")
    assert Switch(scope, "x", "y", 1, 1).ends_runs is not text.startswith("tool:")
