"""The guard: when a call may not run, what is on disk before one does, and when a run is stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from guard_house import LOOK, REFUND, TEXT, House, model_call

from tallystick.app.acting.guard import DENIED, LOOPING
from tallystick.model.control import Answer, PolicyState
from tallystick.model.errors import Stopped, StoreFault
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.step import Effect, EffectOutcome
from tallystick.sdk.runtime import Guard


def test_it_has_the_shape_the_sdk_asks_for() -> None:
    guard: Guard = House().guard
    assert guard is not None


def test_an_allowed_effect_is_on_disk_before_it_runs() -> None:
    house = House()
    verdict = house.ask(REFUND, id="1", amount="40")
    assert verdict.allowed
    assert verdict.decision.answer is Answer.ALLOW
    assert verdict.price_nano == 5_000
    assert house.control.transactions == [["policy.loaded", "decision.made", "effect.started"]]
    assert house.control.journal[0].body["state"] == "enforced"
    assert verdict.decision.reasons == ("policies/desk.cedar:3",)


def test_a_read_joins_a_group_commit_and_is_never_lost() -> None:
    house = House()
    assert house.ask(LOOK, id="1").allowed
    assert house.control.journal == []
    house.guard.flush()
    assert house.control.transactions == [["policy.loaded", "decision.made"]]
    house.ask(LOOK, id="2")
    house.ask(REFUND, id="1", amount="1")
    assert house.control.transactions[1] == ["decision.made", "decision.made", "effect.started"]


def test_decisions_do_not_wait_for_ever() -> None:
    house = House()
    house.ask(LOOK, id="1")
    house.clock.at += 2_000_000_000
    house.ask(LOOK, id="2")
    assert len(house.control.journal) == 3


def test_what_became_of_an_effect_is_written() -> None:
    house = House()
    call = house.call("refund", id="1", amount="40")
    verdict = house.guard.before_tool(call, REFUND)
    house.guard.after_tool(call, verdict, EffectOutcome.IN_DOUBT, result=None, error="TimeoutError: late")
    started, ended = house.body("effect.started"), house.body("effect.ended")
    assert ended["effect"] == started["effect"]
    assert (ended["outcome"], ended["effect_class"]) == ("in doubt", "irreversible")
    assert ended["decision"] == started["decision"] == verdict.decision.id
    assert started["call"] == house.body("decision.made")["call"]
    told = house.opened("effect.ended")
    assert (told["error"], told["result"]) == ("TimeoutError: late", None)


def test_a_denied_model_reads_one_sentence_and_the_rules_own() -> None:
    house = House()
    verdict = house.ask(REFUND, agent="stranger", id="1", amount="40")
    assert (verdict.allowed, verdict.text) == (False, DENIED)
    assert "permits" in verdict.decision.reasons[0]
    told = house.ask(REFUND, id="1", amount="-1")
    assert told.text == f"{DENIED} Nobody refunds a negative amount."
    assert "effect.started" not in house.kinds()


@pytest.mark.parametrize(
    "arguments",
    [{"id": "1"}, {"id": 1, "amount": "1"}, {"id": "1", "amount": "x"}, {"id": "1", "amount": "1.00001"},
     {"id": "1", "amount": "1", "to": "me"}, {"id": "1", "amount": float("nan")}, {"id": "1", "amount": "1e400"},
     {"id": "\ud800", "amount": "1"}],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_denied(arguments: dict[str, Any]) -> None:
    verdict = House().ask(REFUND, **arguments)
    assert not verdict.allowed
    assert verdict.decision.reasons


def test_an_undeclared_tool_is_refused_where_anything_is_declared() -> None:
    verdict = House().ask(ToolDeclaration("wire_transfer"), account="x")
    assert not verdict.allowed
    assert "not declared" in verdict.decision.reasons[0]
    assert not House(None).ask(ToolDeclaration("wire_transfer")).allowed
    assert House(None, tools=()).ask(ToolDeclaration("anything")).decision.answer is Answer.NOT_EVALUATED


def test_code_cannot_make_a_declared_tool_laxer() -> None:
    house = House('permit (principal, action in Action::"effect:read", resource);')
    lax = replace(REFUND, effect=Effect.READ, arguments={})
    assert not house.ask(lax, id="1", amount="1").allowed
    strict = replace(LOOK, effect=Effect.WRITE)
    assert not house.ask(strict, id="1").allowed


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (None, PolicyState.UNCONFIGURED),
        ("permit (principal", PolicyState.LOAD_FAILED),
        ("// nothing", PolicyState.ENFORCED),
    ],
)
def test_without_rules_effects_are_refused_and_the_rest_is_not_evaluated(
    text: str | None, state: PolicyState
) -> None:
    house = House(text)
    read, effect = house.ask(LOOK, id="1"), house.ask(REFUND, id="1", amount="1")
    assert (read.allowed, read.decision.answer, read.decision.policy_state) == (
        True,
        Answer.NOT_EVALUATED,
        state,
    )
    assert (effect.allowed, effect.decision.answer) == (False, Answer.DENY)
    assert house.body("policy.loaded")["state"] == state.value


def test_permissive_decides_and_refuses_nothing() -> None:
    house = House(permissive=True)
    verdict = house.ask(REFUND, id="1", amount="400")
    assert (verdict.allowed, verdict.decision.answer) == (True, Answer.HOLD)
    assert house.waits == 0
    assert house.body("decision.made")["answer"] == "hold"


def test_a_rule_about_a_tool_that_code_declares_later() -> None:
    house = House(TEXT, tools=(LOOK,))
    first = house.ask(LOOK, id="1")
    assert first.decision.policy_state is PolicyState.LOAD_FAILED
    assert "refund" in str(house.body("policy.loaded")["problem"])
    assert house.ask(REFUND, id="1", amount="1").allowed
    house.guard.know([REFUND])
    assert [entry.body["state"] for entry in house.control.entries(kind="policy.loaded")] == [
        "load failed",
        "enforced",
    ]


def test_too_many_denials_stop_the_run() -> None:
    house = House(most_denials=3)
    for _ in range(2):
        assert not house.ask(REFUND, agent="stranger", id="1", amount="1").allowed
    with pytest.raises(Stopped) as caught:
        house.ask(REFUND, agent="stranger", id="1", amount="1")
    assert caught.value.detail["by"] == "denials"
    assert house.body("run.stopped")["by"] == "denials"
    detail = {"denials": 3, "decision": house.body("decision.made")["decision"]}
    assert house.body("run.stopped")["detail"] == detail
    with pytest.raises(Stopped):
        house.ask(LOOK, id="1")
    with pytest.raises(Stopped):
        house.guard.before_model(model_call())
    assert house.ask(LOOK, run="r2", id="1").allowed


def test_a_loop_climbs_the_ladder() -> None:
    house = House()
    verdicts = [house.use(LOOK, result={"state": "open"}, id="7") for _ in range(4)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
    assert [verdict.looping for verdict in verdicts] == [False, True, True, True]
    assert [bool(verdict.warning) for verdict in verdicts] == [False, False, True, False]
    assert verdicts[3].text == LOOPING
    with pytest.raises(Stopped) as caught:
        house.use(LOOK, result={"state": "open"}, id="7")
    assert caught.value.detail["by"] == "loop"
    last = house.body("decision.made")["decision"]
    detail = {"rule": "R1", "repeats": 5, "tool": "look", "decision": last}
    assert house.body("run.stopped")["detail"] == detail
    answers = [entry.body["answer"] for entry in house.control.entries(kind="decision.made")]
    assert answers == ["allow"] * 3 + ["deny"] * 2


def test_a_broken_store_lets_no_effect_through() -> None:
    house = House()
    assert house.ask(LOOK, id="1").allowed
    house.control.broken = StoreFault("the disk is gone")
    assert not house.ask(REFUND, id="1", amount="1").allowed
    assert house.ask(LOOK, id="2").allowed
    house.control.broken = None
    house.guard.flush()
    answers = [entry.body["answer"] for entry in house.control.journal if entry.kind == "decision.made"]
    assert answers == ["allow", "deny", "allow"]  # what could not be written is written as soon as it can be
