"""Held calls: only an approval of exactly this call, given once and in time, lets it through."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from guard_house import REFUND, House

from tallystick.app.acting.approvals import answer
from tallystick.app.acting.guard import DENIED
from tallystick.model.control import ApprovalState, ToolCall
from tallystick.model.errors import Conflict, Stopped
from tallystick.model.people import unnamed
from tallystick.model.step import EffectOutcome


def yes(house: House, _ns: int) -> None:
    for waiting in house.control.approvals(state="waiting"):
        answer(house.control, house.clock, house.ids, waiting.id, "approved", by=unnamed("ada"), note="fine")


def test_a_held_call_runs_once_it_is_approved() -> None:
    house = House(waiter=yes)
    verdict = house.ask(REFUND, id="1", amount="400")
    assert verdict.allowed
    assert verdict.decision.approval is not None
    assert house.kinds() == [
        "policy.loaded", "decision.made", "approval.requested", "approval.answered",
        "approval.consumed", "decision.made", "effect.started",
    ]  # fmt: skip
    assert house.control.transactions[-1] == ["approval.consumed", "decision.made", "effect.started"]
    approval = house.control.approval(verdict.decision.approval)
    assert (approval.state, approval.by) == (ApprovalState.CONSUMED, "ada")
    assert house.body("effect.started")["binding"] == approval.binding


def test_an_approval_is_for_one_call_only() -> None:
    asked: list[str] = []

    def once(house: House, _ns: int) -> None:
        for waiting in house.control.approvals(state="waiting"):
            word = "rejected" if asked else "approved"
            asked.append(waiting.id)
            answer(house.control, house.clock, house.ids, waiting.id, word, by=unnamed("ada"), note=None)

    house = House(waiter=once)
    assert house.ask(REFUND, id="1", amount="400").allowed
    second = house.ask(REFUND, id="1", amount="400")
    assert not second.allowed
    assert len(asked) == 2
    assert "rejected by ada" in second.decision.reasons
    assert second.text == f"{DENIED} Refunds over 100 need a yes from finance."


def test_a_credential_never_reaches_the_journal_and_the_call_keeps_it() -> None:
    secret = "sk-" + "a1b2c3d4" * 5
    house = House(waiter=yes)
    call = house.call("refund", id=secret, amount="400")
    verdict = house.guard.before_tool(call, REFUND)
    assert verdict.allowed
    house.guard.after_tool(call, verdict, EffectOutcome.IN_DOUBT, result=None, error=f"refused {secret}")
    assert house.control.approvals()[0].arguments["id"] == "‹redacted:secret›"
    assert secret not in str(house.control.journal)
    assert call.arguments["id"] == secret


def test_silence_is_a_no() -> None:
    house = House(approval_timeout_ns=3_000_000_000)
    verdict = house.ask(REFUND, id="1", amount="400")
    assert not verdict.allowed
    assert house.waits == 15
    assert house.control.approvals()[0].state is ApprovalState.EXPIRED
    assert "nobody answered in time" in verdict.decision.reasons
    with pytest.raises(Conflict):
        answer(
            house.control,
            house.clock,
            house.ids,
            house.control.approvals()[0].id,
            "approved",
            unnamed("ada"),
            None,
        )


def test_arguments_changed_while_waiting_are_not_what_was_approved() -> None:
    arguments: dict[str, Any] = {"id": "1", "amount": "400"}

    def swap(house: House, ns: int) -> None:
        arguments["amount"] = "90000"
        yes(house, ns)

    house = House(waiter=swap)
    call = ToolCall("r1", "s1", "desk", "refund", "d", arguments)
    verdict = house.guard.before_tool(call, REFUND)
    assert not verdict.allowed
    assert "effect.started" not in house.kinds()


def test_a_run_stopped_while_waiting_does_not_go_on() -> None:
    from tallystick.model.journal import Draft

    def stop(house: House, ns: int) -> None:
        yes(house, ns)
        house.control.append(
            [Draft("run.stopped", "r1", {"run": "r1", "by": "operator", "reason": "switch", "detail": {}})]
        )

    house = House(waiter=stop)
    with pytest.raises(Stopped):
        house.ask(REFUND, id="1", amount="400")
    assert "effect.started" not in house.kinds()


def test_nobody_is_asked_for_what_could_not_be_allowed_anyway() -> None:
    house = House(waiter=yes)
    assert not house.ask(REFUND, agent="stranger", id="1", amount="400").allowed
    assert house.control.approvals() == []


def test_two_people_cannot_both_answer() -> None:
    house = House()
    house.guard._outbox.flush()
    done = threading.Event()
    results: list[str] = []

    def both(house: House, ns: int) -> None:
        if done.is_set():
            return
        waiting = house.control.approvals(state="waiting")[0]
        for who, word in (("ada", "rejected"), ("bob", "approved")):
            try:
                answer(house.control, house.clock, house.ids, waiting.id[:-1], word, unnamed(who))
                results.append(who)
            except Conflict:
                results.append("conflict")
        done.set()

    house._waiter = both
    assert not house.ask(REFUND, id="1", amount="400").allowed
    assert results == ["ada", "conflict"]
