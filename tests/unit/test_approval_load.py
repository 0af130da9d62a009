"""What rules ask of people, as numbers: exact, and held against the budget that a rule has."""

from __future__ import annotations

from guard_house import LOOK, REFUND, TEXT, House
from hypothesis import given
from hypothesis import strategies as st
from test_approvals_rules import answering, say, yes

from tallystick.app.acting.load import load_json
from tallystick.govern.load import loads
from tallystick.model.control import Approval, ApprovalState

BUDGETED = TEXT.replace('@hold("finance")', '@hold("finance") @budget("50 per 100")')


def no(house: House, approval: str) -> None:
    say(house, approval, "rejected", "ada")


def test_a_rule_says_how_often_it_asks_and_what_came_of_it() -> None:
    house = House(BUDGETED, waiter=answering(yes("ada"), no), approval_timeout_ns=10**9)
    for run in ("r1", "r2", "r3"):
        house.ask(REFUND, run=run, id="1", amount="400")
    house.ask(LOOK, run="r4", id="1")
    house.guard.flush()
    told = load_json(house.control)
    assert (told["runs"], told["cut"]) == (4, False)
    [row] = told["rules"]
    assert row == {
        "rule": "policies/desk.cedar:4", "asked": 3, "approved": 1, "rejected": 1, "edited": 0, "expired": 1,
        "waiting": 0,
        "per_100_runs": "75.0", "yes_percent": "50.0", "median_answer_ns": 200_000_000, "p90_answer_ns": 200_000_000,
        "budget": "50 per 100", "over_budget": True,
    }  # fmt: skip


def test_a_rule_with_a_budget_that_asked_nobody_is_there() -> None:
    house = House(BUDGETED)
    house.ask(LOOK, id="1")
    house.guard.flush()
    [row] = load_json(house.control)["rules"]
    assert (row["asked"], row["over_budget"], row["yes_percent"]) == (0, False, None)
    assert load_json(House().control) == {"runs": 0, "since": None, "cut": False, "rules": []}


@given(
    st.lists(st.tuples(st.sampled_from(list(ApprovalState)), st.sampled_from(["a", "b"]), st.integers(0, 99)))
)
def test_every_question_is_counted_once_for_each_rule_that_asked(several: list) -> None:
    settled = (ApprovalState.APPROVED, ApprovalState.CONSUMED, ApprovalState.REJECTED, ApprovalState.EDITED)
    asked = [
        Approval(f"apr_{n}", state, "d", "r", "a", "t", {}, "b", "g", None, 100, 900, rules=(rule,),
                 answered=100 + wait if state in settled else None, edits={"x": 1} if state is ApprovalState.EDITED
                 else None)
        for n, (state, rule, wait) in enumerate(several)
    ]  # fmt: skip
    for row in loads(asked, {}):
        assert row.asked == row.approved + row.rejected + row.edited + row.expired + row.waiting
        times = [one.answered - one.requested for one in asked if one.answered and one.rules == (row.rule,)]
        assert (row.median_ns is None) == (not times)
        assert row.median_ns is None or min(times) <= row.median_ns <= row.p90_ns <= max(times)
    assert sum(row.asked for row in loads(asked, {})) == len(asked)
