"""Approvals by several people, with other arguments, and what people vouch for: through a whole guard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from guard_house import LOOK, REFUND, TEXT, House

from tallystick.app.acting.approvals import reply
from tallystick.govern.policy import PolicyFile, check, load
from tallystick.model.control import ApprovalState
from tallystick.model.errors import BadInput, Conflict, Denied
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import Integrity, Returned
from tallystick.model.people import unnamed
from tallystick.model.step import Effect

TWO = TEXT.replace('@hold("finance")', '@hold("finance") @quorum("2") @ask("Which ticket is it?")')
PAY = ToolDeclaration(
    "pay",
    Effect.IRREVERSIBLE,
    data=("payment",),
    authority=("to", "amount"),
    arguments={"to": "string", "amount": "long"},
)
READ = ToolDeclaration(
    "read", Effect.READ, data=("customer_pii",), returns={"*": Returned(Integrity.THIRD_PARTY)}, arguments={}
)
LABELS = """
permit (principal, action, resource);
@hold("finance")
forbid (principal, action == Action::"pay", resource) when { !context.labels.trusted }
unless { context.approvals.contains("finance") };
"""
LEAKS = """
permit (principal, action, resource);
@hold("privacy")
forbid (principal, action == Action::"pay", resource) when { context.labels.leaking }
unless { context.approvals.contains("privacy") };
"""


def say(house: House, approval: str, answer: str, by: str, **more: Any) -> dict[str, Any]:
    note = more.pop("note", "ticket 7")
    return reply(house.control, house.clock, house.ids, approval, answer, unnamed(by), note, **more)


def answering(*steps: Callable[[House, str], object]) -> Callable[[House, int], None]:
    """A waiter that takes one step at each wait, with the approval that waits then."""
    left = list(steps)

    def wait(house: House, _ns: int) -> None:
        for waiting in house.control.approvals(state="waiting"):
            if left:
                left.pop(0)(house, waiting.id)

    return wait


def yes(by: str, **more: Any) -> Callable[[House, str], object]:
    return lambda house, approval: say(house, approval, "approved", by, **more)


# ── several people ───────────────────────────────────────────────────────────────────────────────────────────────


def test_two_people_must_say_yes_and_each_is_in_the_journal() -> None:
    house = House(TWO, waiter=answering(yes("ada"), yes("bob")))
    assert house.ask(REFUND, id="1", amount="400").allowed
    assert house.kinds().count("approval.answered") == 2
    found = house.control.approvals()[0]
    assert (found.state, found.by, [one.by for one in found.given]) == (
        ApprovalState.CONSUMED,
        "bob",
        ["ada"],
    )
    assert house.body("approval.requested")["quorum"] == 2


@pytest.mark.parametrize("again", ["ada", "ADA", " ada ", "ａｄａ"])
def test_nobody_counts_twice(again: str) -> None:
    def twice(house: House, approval: str) -> None:
        with pytest.raises(Conflict, match="counts twice"):
            say(house, approval, "approved", again)

    house = House(TWO, waiter=answering(yes("ada"), twice), approval_timeout_ns=2_000_000_000)
    assert not house.ask(REFUND, id="1", amount="400").allowed
    assert "effect.started" not in house.kinds()
    assert house.control.approvals()[0].state is ApprovalState.EXPIRED


def test_the_first_no_is_a_no() -> None:
    no = lambda house, approval: say(house, approval, "rejected", "bob")  # noqa: E731
    house = House(TWO, waiter=answering(yes("ada"), no))
    assert not house.ask(REFUND, id="1", amount="400").allowed
    assert house.control.approvals()[0].state is ApprovalState.REJECTED


def test_the_reason_asked_for_must_be_given() -> None:
    def mute(house: House, approval: str) -> None:
        with pytest.raises(BadInput, match="Which ticket is it"):
            say(house, approval, "approved", "ada", note=" ")

    house = House(TWO, waiter=answering(mute, yes("ada"), yes("bob")))
    assert house.ask(REFUND, id="1", amount="400").allowed


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ('@hold("g") @quorum("0")', "@quorum says no number"),
        ('@hold("g") @quorum("two")', "@quorum says no number"),
        ('@quorum("2")', "@quorum stands without @hold"),
        ('@hold("g") @budget("many")', "@budget does not say"),
        ('@ask("why?")', "@ask stands without @hold"),
    ],
)  # fmt: skip
def test_annotations_that_say_nothing_are_refused(notes: str, said: str) -> None:
    text = f'{notes} forbid (principal, action, resource) unless {{ context.approvals.contains("g") }};'
    assert said in " ".join(one.message for one in check([PolicyFile("a.cedar", text)], [LOOK]))


def test_the_strictest_quorum_of_the_rules_that_hold_counts() -> None:
    more = (
        TEXT + '@hold("finance") @quorum("3") forbid (principal, action == Action::"refund", resource)'
        ' when { context.args.amount.greaterThan(decimal("300.00")) } unless { context.approvals.contains("finance") };'
    )
    house = House(more, waiter=answering(yes("ada"), yes("bob"), yes("eve")))
    assert house.ask(REFUND, id="1", amount="400").allowed
    assert house.kinds().count("approval.answered") == 3
    assert load([PolicyFile("a", TWO)], [LOOK, REFUND], evaluator="e").rules["a:4"].quorum == 2


# ── other arguments ──────────────────────────────────────────────────────────────────────────────────────────────


def changing(**edits: Any) -> Callable[[House, str], object]:
    return lambda house, approval: say(house, approval, "edited", "ada", edits=edits)


def editable(house: House, tool: ToolDeclaration, **arguments: Any) -> Any:
    from dataclasses import replace

    return house.guard.before_tool(replace(house.call(tool.name, **arguments), editable=True), tool)


def test_an_edited_call_is_decided_anew_and_runs_with_what_was_proposed() -> None:
    house = House(waiter=answering(changing(amount="20")))
    verdict = editable(house, REFUND, id="1", amount="400")
    assert verdict.allowed
    assert verdict.arguments == {"id": "1", "amount": "20"}
    assert verdict.changed == ("amount",)
    assert "a person changed this call before it ran: amount" in verdict.warning
    made = house.opened("decision.made")
    assert made["arguments"] == {"id": "1", "amount": "20"}
    assert made["edit"] == house.control.approvals()[0].id
    assert house.opened("approval.edited")["arguments"] == {"amount": "20"}
    assert house.kinds().count("approval.consumed") == 1  # an edit is made once, too


def test_an_edit_that_a_rule_holds_is_asked_about_again_and_one_it_forbids_is_refused() -> None:
    house = House(waiter=answering(changing(amount="300"), yes("bob")))
    verdict = editable(house, REFUND, id="1", amount="400")
    assert verdict.allowed
    assert verdict.arguments == {"id": "1", "amount": "300"}
    assert house.opened("approval.requested")["arguments"]["amount"] == "300"
    house = House(waiter=answering(changing(amount="-5")))
    assert not editable(house, REFUND, id="1", amount="400").allowed
    assert "effect.started" not in house.kinds()


@pytest.mark.parametrize("edits", [{}, {"tool": "x"}, {"amount": None}, {"id": "sk-" + "a1b2c3d4" * 5}])
def test_an_edit_changes_arguments_that_are_there_to_what_can_be_kept(edits: dict[str, Any]) -> None:
    def wrong(house: House, approval: str) -> None:
        with pytest.raises(BadInput):
            say(house, approval, "edited", "ada", edits=edits)

    house = House(waiter=answering(wrong), approval_timeout_ns=1_000_000_000)
    assert not editable(house, REFUND, id="1", amount="400").allowed


def test_a_call_that_cannot_be_changed_on_its_way_is_not_edited() -> None:
    def wrong(house: House, approval: str) -> None:
        with pytest.raises(Conflict, match="cannot be changed"):
            say(house, approval, "edited", "ada", edits={"amount": "20"})

    house = House(waiter=answering(wrong), approval_timeout_ns=1_000_000_000)
    assert not house.ask(REFUND, id="1", amount="400").allowed


# ── vouching ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_value_is_endorsed_once_and_asked_about_no_more() -> None:
    house = House(LABELS, tools=(PAY,), asks=True, waiter=answering(yes("ada", endorse=["to"]), yes("ada")))
    house.guard.open_run("r1", words="pay 20 to my landlord")
    assert house.ask(PAY, to="DE1", amount=20).allowed
    assert house.waits == 1
    house.clock.at += 1_000_000_000
    assert house.ask(PAY, to="de1", amount=20).allowed
    assert house.waits == 1
    assert house.body("decision.made")["facts"]["why"]["to"] == "a person endorsed it"
    assert house.ask(PAY, to="DE2", amount=20).allowed
    assert house.waits == 2
    assert house.ask(PAY, run="r2", to="DE1", amount=20).allowed is False
    assert house.waits > 2


def test_a_value_endorsed_for_an_agent_holds_in_other_runs_until_its_time() -> None:
    day = 86_400 * 10**9
    house = House(LABELS, tools=(PAY,), asks=True, approval_timeout_ns=10**9)
    house._waiter = answering(yes("ada", endorse=["to", "amount"], until=house.clock.at + day))
    assert house.ask(PAY, to="DE1", amount=20).allowed
    house.clock.at += 10**9
    assert house.ask(PAY, run="r2", to="DE1", amount=20).allowed
    house.clock.at += day
    assert not house.ask(PAY, run="r3", to="DE1", amount=20).allowed


def test_a_class_is_released_to_one_tool_and_leaks_no_more() -> None:
    house = House(LEAKS, tools=(PAY, READ), asks=True, waiter=answering(yes("ada", release=["customer_pii"])))
    house.use(READ, {"name": "Bo"})
    assert house.ask(PAY, to="DE1", amount=20).allowed
    assert house.waits == 1
    assert house.body("decision.made")["facts"]["leaks"] == ["customer_pii"]
    house.clock.at += 1_000_000_000
    assert house.ask(PAY, to="DE1", amount=21).allowed
    assert house.waits == 1
    assert house.body("decision.made")["facts"]["leaks"] == []


@pytest.mark.parametrize(
    "more",
    [{"endorse": ["amount"]}, {"endorse": ["x"]}, {"release": ["payment"]}, {"until": 0, "endorse": ["to"]}],
)
def test_only_what_was_asked_about_is_vouched_for(more: dict[str, Any]) -> None:
    def wrong(house: House, approval: str) -> None:
        with pytest.raises(BadInput):
            say(house, approval, "approved", "ada", **more)

    house = House(LABELS, tools=(PAY,), asks=True, waiter=answering(wrong), approval_timeout_ns=10**9)
    house.guard.open_run("r1", words="pay 20")
    assert not house.ask(PAY, to="DE1", amount=20).allowed
    assert house.control.vouched() == []


def test_one_of_two_people_vouches_for_nothing() -> None:
    def wrong(house: House, approval: str) -> None:
        with pytest.raises(Conflict):
            say(house, approval, "approved", "bob", endorse=["to"])

    text = LABELS.replace('@hold("finance")', '@hold("finance") @quorum("2")')
    house = House(
        text, tools=(PAY,), asks=True, waiter=answering(yes("ada"), wrong), approval_timeout_ns=10**9
    )
    assert not house.ask(PAY, to="DE1", amount=20).allowed


# ── whose it is ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_started_it_or_declared_the_agent_does_not_approve_it() -> None:
    from tallystick.model.journal import Draft
    from tallystick.model.people import Caller, Role, Via

    house = House(separate=True, started_by="ada-os", approval_timeout_ns=10**9)
    agent = {"type": "agent", "name": "desk", "digest": "d" * 64, "version": None, "body": {}}
    house.control.append([Draft("object.declared", "agent:desk", agent, actor="bob")])
    for name, user in (("ada", "ada-os"), ("bob", None), ("eve", None)):
        person = {
            "person": name,
            "role": "approver",
            "groups": ["finance"],
            "os_user": user,
            "because": None,
            "via": "store",
        }
        house.control.append([Draft("person.added", name, person)])

    def each(house: House, approval: str) -> None:
        for name in ("ada", "bob"):
            with pytest.raises(Denied, match="somebody else"):
                reply(house.control, house.clock, house.ids, approval, "approved",
                      Caller(name, Role.APPROVER, Via.TOKEN, name), "fine")  # fmt: skip
        reply(house.control, house.clock, house.ids, approval, "approved",
              Caller("eve", Role.APPROVER, Via.TOKEN, "eve"), "fine")  # fmt: skip

    house._waiter = answering(each)
    assert house.ask(REFUND, id="1", amount="400").allowed
    assert house.body("approval.requested")["apart"] == ["bob", "user:ada-os"]
