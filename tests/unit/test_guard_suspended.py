"""Calls that do not wait: Held is raised, and the same call made again in the same run uses the answer, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from guard_house import REFUND, House

from tallystick.app.acting.approvals import reply
from tallystick.model.control import ApprovalState
from tallystick.model.errors import Held
from tallystick.model.people import unnamed


def ask(house: House, run: str = "r1", **arguments: Any) -> Any:
    return house.guard.before_tool(replace(house.call("refund", run=run, **arguments), editable=True), REFUND)


def held(house: House, **arguments: Any) -> str:
    with pytest.raises(Held) as caught:
        ask(house, **arguments)
    return caught.value.approval


def say(house: House, approval: str, answer: str, **more: Any) -> None:
    reply(house.control, house.clock, house.ids, approval, answer, unnamed("ada"), "fine", **more)


def elsewhere(house: House) -> House:
    """The same store in another process."""
    other = House(suspend=True, control=house.control)
    other.ids = other.guard._ids = house.ids
    return other


@pytest.mark.parametrize("moved", [False, True])
def test_the_same_call_again_uses_the_answer_once(moved: bool) -> None:
    house = House(suspend=True)
    approval = held(house, id="1", amount="400")
    assert held(house, id="1", amount="400") == approval
    assert house.kinds().count("approval.requested") == 1
    say(house, approval, "approved")
    after = elsewhere(house) if moved else house
    verdict = ask(after, id="1", amount="400")
    assert verdict.allowed
    assert verdict.decision.approval == approval
    assert after.body("decision.made")["resumes"] == approval
    assert house.control.approval(approval).state is ApprovalState.CONSUMED
    assert held(after, id="1", amount="400") != approval


@pytest.mark.parametrize("other", [{"amount": "401"}, {"id": "2"}, {"run": "r2"}])
def test_another_call_does_not(other: dict[str, str]) -> None:
    house = House(suspend=True)
    approval = held(house, id="1", amount="400")
    say(house, approval, "approved")
    assert held(house, **{"id": "1", "amount": "400", **other}) != approval
    assert house.control.approval(approval).state is ApprovalState.APPROVED


def test_a_no_is_a_no_for_the_same_call_again() -> None:
    house = House(suspend=True)
    approval = held(house, id="1", amount="400")
    say(house, approval, "rejected")
    for _ in range(2):
        verdict = ask(house, id="1", amount="400")
        assert not verdict.allowed
        assert "rejected by ada" in verdict.decision.reasons
    assert house.kinds().count("approval.requested") == 1


def test_an_answer_is_used_in_time_or_not_at_all() -> None:
    house = House(suspend=True, approval_timeout_ns=10**9)
    approval = held(house, id="1", amount="400")
    say(house, approval, "approved")
    house.clock.at += 10**9
    assert not ask(house, id="1", amount="400").allowed
    waiting = held(house, id="2", amount="400")
    house.clock.at += 10**9
    assert "nobody answered in time" in ask(house, id="2", amount="400").decision.reasons
    assert house.control.approval(waiting).state is ApprovalState.EXPIRED
    assert "effect.started" not in house.kinds()


def test_an_answer_given_under_other_rules_is_not_used() -> None:
    house = House(suspend=True)
    approval = held(house, id="1", amount="400")
    say(house, approval, "approved")
    from guard_house import TEXT

    other = House(TEXT + "\n// another set", suspend=True, control=house.control)
    other.ids = other.guard._ids = house.ids
    assert not ask(other, id="1", amount="400").allowed
    assert "effect.started" not in other.kinds()


def test_an_edit_is_made_by_the_call_that_comes_again_and_once() -> None:
    house = House(suspend=True)
    approval = held(house, id="1", amount="400")
    say(house, approval, "edited", edits={"amount": "20"})
    verdict = ask(house, id="1", amount="400")
    assert verdict.allowed
    assert verdict.arguments == {"id": "1", "amount": "20"}
    assert held(house, id="1", amount="400") != approval


def test_an_edit_that_is_held_again_is_found_by_the_call_it_was_made_for() -> None:
    house = House(suspend=True)
    first = held(house, id="1", amount="400")
    say(house, first, "edited", edits={"amount": "300"})
    second = held(house, id="1", amount="400")
    assert second != first
    assert house.control.approval(second).arguments["amount"] == "300"
    assert held(house, id="1", amount="400") == second
    say(house, second, "approved")
    verdict = ask(elsewhere(house), id="1", amount="400")
    assert verdict.allowed
    assert verdict.arguments == {"id": "1", "amount": "300"}
    assert house.control.approval(second).state is ApprovalState.CONSUMED
    assert held(house, id="1", amount="400") not in (first, second)
