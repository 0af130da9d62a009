"""Money: held before a call, settled once after it, and never more than a budget has."""

from __future__ import annotations

import threading

import pytest
from guard_house import REFUND, House, model_call

from tallystick.model.errors import Conflict, OverBudget, Stopped
from tallystick.model.guarding import Permit
from tallystick.model.step import EffectOutcome
from tallystick.model.usage import Usage


def test_without_a_budget_nothing_is_held() -> None:
    house = House()
    assert house.guard.before_model(model_call()) == Permit(None)
    house.guard.after_model(model_call(), Permit(None), Usage(1, 1), model=None)
    assert house.kinds() == []


def test_a_run_budget_is_held_and_settled() -> None:
    house = House()
    house.guard.open_run("r1", budget_nano=1_000_000)
    call = model_call()
    permit = house.guard.before_model(call)
    assert permit.hold is not None
    assert permit.max_tokens is None
    budget = house.control.budgets("run:r1")[0]
    assert budget.held_nano == permit.held_nano >= 600_000
    house.guard.after_model(call, permit, Usage(10, 100), model="gpt-4o-mini-2024-07-18")
    budget = house.control.budgets("run:r1")[0]
    assert (budget.held_nano, budget.spent_nano) == (0, 1_500 + 60_000)
    with pytest.raises(Conflict):
        house.guard.after_model(call, permit, Usage(10, 100), model=None)


def test_unknown_usage_settles_at_what_was_held() -> None:
    house = House(run_budget_nano=1_000_000)
    permit = house.guard.before_model(model_call())
    house.guard.after_model(model_call(), permit, None, model=None)
    assert house.control.budgets("run:r1")[0].spent_nano == permit.held_nano
    assert house.body("hold.settled")["basis"] == "assumed"


def test_the_cap_shrinks_to_what_is_left_then_the_run_stops() -> None:
    house = House(run_budget_nano=500_000)
    permit = house.guard.before_model(model_call(max_tokens=5000))
    assert permit.max_tokens is not None
    assert 256 <= permit.max_tokens < 900
    with pytest.raises(OverBudget) as caught:
        house.guard.before_model(model_call())
    assert caught.value.detail["by"] == "budget"
    assert house.body("run.stopped")["by"] == "budget"
    with pytest.raises(Stopped):
        house.guard.before_model(model_call())


def test_what_cannot_be_priced_is_refused_under_a_hard_budget() -> None:
    for call in (model_call(model="made-up"), model_call(previous_response_id="x")):
        house = House(run_budget_nano=10**12)
        with pytest.raises(OverBudget) as caught:
            house.guard.before_model(call)
        assert "priced" in caught.value.message
    assert House().guard.before_model(model_call(model="made-up")) == Permit(None)


def test_a_budget_for_every_run_holds_for_each() -> None:
    from tallystick.model.journal import Draft

    house = House(run_budget_nano=10**12)
    body = {"budget": "each", "scope": "run:*", "limit_nano": 700_000, "mode": "hard"}
    house.control.append([Draft("budget.set", "each", body)])
    for run in ("r1", "r2"):
        assert house.guard.before_model(model_call(run)).hold is not None
        with pytest.raises(OverBudget):
            house.guard.before_model(model_call(run))


def test_a_priced_tool_is_paid_once_it_ran() -> None:
    house = House(run_budget_nano=8_000)
    call = house.call("refund", id="1", amount="1")
    verdict = house.guard.before_tool(call, REFUND)
    assert house.control.transactions[-1][-3:] == ["hold.taken", "decision.made", "effect.started"]
    house.guard.after_tool(call, verdict, EffectOutcome.DID_NOT_HAPPEN, result=None, error="OrderError: no")
    assert house.control.budgets("run:r1")[0].spent_nano == 0
    house.use(REFUND, id="1", amount="2")
    assert house.control.budgets("run:r1")[0].spent_nano == 5_000
    with pytest.raises(OverBudget):
        house.use(REFUND, id="1", amount="3")
    assert house.control.budgets("run:r1")[0].held_nano == 0
    assert house.body("run.stopped")["by"] == "budget"


def test_many_threads_never_overspend_and_leak_no_hold() -> None:
    house = House(run_budget_nano=5_000_000)
    stops: list[str] = []

    def work() -> None:
        for _ in range(10):
            call = model_call()
            try:
                permit = house.guard.before_model(call)
            except (OverBudget, Stopped) as error:
                stops.append(error.code)
                return
            house.guard.after_model(call, permit, Usage(20, permit.max_tokens or 1000), model=None)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    budget = house.control.budgets("run:r1")[0]
    assert budget.spent_nano <= budget.limit_nano
    assert budget.held_nano == 0
    assert stops
