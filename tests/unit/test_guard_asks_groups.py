"""A call that rules hold for two groups: one question, a yes of each, and both count when it is decided again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from guard_house import REFUND, TEXT, House
from guard_remade import Record, problems

from tallystick.app.acting.approvals import reply
from tallystick.model.control import ApprovalState
from tallystick.model.errors import Conflict, Held
from tallystick.model.people import unnamed

RULES = (
    TEXT
    + """
@hold("legal") forbid (principal, action == Action::"refund", resource)
when { context.args.id == "9" } unless { context.approvals.contains("legal") };
"""
)


def _yes(house: House, approval: str, by: str) -> None:
    reply(house.control, house.clock, house.ids, approval, "approved", unnamed(by), "fine")


@pytest.mark.parametrize("people", [["ann"], ["ann", "bob"]])
def test_who_waits_goes_on_with_a_yes_of_each(people: list[str]) -> None:
    def wait(house: House, _ns: int) -> None:
        for one in house.control.approvals(state="waiting"):
            for by in people:
                _yes(house, one.id, by)
            if len(people) == 1:
                with pytest.raises(Conflict, match="nobody counts twice"):
                    _yes(house, one.id, "ANN")
                house.clock.at = one.expires

    house = House(RULES, waiter=wait)
    verdict = house.ask(REFUND, id="9", amount="400")
    assert verdict.allowed == (len(people) == 2)
    made = house.body("decision.made")
    assert made["approved"] == (["finance", "legal"] if verdict.allowed else [])
    (asked,) = house.control.approvals()
    assert (asked.group, asked.quorum, asked.asked) == ("finance and legal", 2, {"finance": 1, "legal": 1})
    assert problems(Record(house.control)) == []


def test_who_does_not_wait_uses_the_answers_of_both() -> None:
    house = House(RULES, suspend=True)

    def ask() -> bool:
        call = replace(house.call("refund", id="9", amount="400"), editable=True)
        return house.guard.before_tool(call, REFUND).allowed

    with pytest.raises(Held) as held:
        ask()
    _yes(house, held.value.approval, "ann")
    with pytest.raises(Held):
        ask()
    _yes(house, held.value.approval, "bob")
    assert ask()
    assert house.control.approval(held.value.approval).state is ApprovalState.CONSUMED
    with pytest.raises(Held) as again:
        ask()
    assert again.value.approval != held.value.approval
    assert problems(Record(house.control)) == []
