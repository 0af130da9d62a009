"""The whole decision path against the evaluator alone: a ratio, so that a busy machine is no fault."""

from __future__ import annotations

import time
from collections.abc import Callable

import cedarpy
from guard_house import LOOK, REFUND, TEXT, House
from test_guard_groups import FREEZE, push

from tallystick.cost.loops import LoopLimits
from tallystick.govern.schema import request
from tallystick.model.control import ToolCall
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.step import Effect, EffectOutcome

PERMIT = 'permit (principal, action == Action::"refund", resource);'
RULE = """@hold("g{n}")
forbid (principal, action == Action::"t{tool}", resource)
when {{ context.args.amount.greaterThan(decimal("{n}.00")) && context.agent == "agent{n}" }}
unless {{ context.approvals.contains("g{n}") }};
"""


def best(work: Callable[[int], object]) -> float:
    """Microseconds of CPU of one call, the least of several rounds."""
    rounds = []
    for turn in range(8):
        began = time.process_time()
        for number in range(60):
            work(turn * 60 + number)
        rounds.append((time.process_time() - began) / 60 * 1e6)
    return min(rounds)


def house_of_100(*, asks: bool) -> House:
    """Two tools and 20 more, 100 rules; with ``asks`` also pins, and a registry with policies pushed by group."""
    text = TEXT + "".join(RULE.format(n=number, tool=number % 20) for number in range(96))
    types = {"id": "string", "amount": "decimal"}
    tools = (LOOK, REFUND, *(ToolDeclaration(f"t{n}", Effect.WRITE, arguments=types) for n in range(20)))
    house = House(text, tools=tools, asks=asks, loops=LoopLimits(calls=10**9))
    if asks:
        push(house, FREEZE, "touches:customer_pii", name="freeze")
        push(house, PERMIT, "tool:refund", name="refunds")
        house.guard.know(tools)
    house.control.append = tuple  # type: ignore[method-assign,assignment]  # the journal's own cost is the store's
    return house


def whole_path(house: House) -> Callable[[int], object]:
    def work(number: int) -> None:
        arguments = {"id": str(number), "amount": "40.00"}
        call = ToolCall("r1", f"s{number}", "desk", "refund", "d", arguments, "w", number)
        verdict = house.guard.before_tool(call, REFUND)
        assert verdict.allowed
        house.guard.after_tool(call, verdict, EffectOutcome.LANDED, result={"row": number}, error=None)

    return work


def evaluator_alone(house: House) -> Callable[[int], object]:
    policies = house.guard._house.book.policies
    text = TEXT + "".join(RULE.format(n=number, tool=number % 20) for number in range(96))
    alone = cedarpy.PolicySet.from_str(text)
    asked = request(
        ToolCall("r1", "s", "desk", "refund", "d", {"id": "1", "amount": "40.00"}, "w"), REFUND, ()
    )

    def work(_number: int) -> object:
        assert policies.entities is not None
        return cedarpy.is_authorized(asked, alone, policies.entities, policies.schema)

    return work


def test_the_guard_costs_little_beside_the_evaluator() -> None:
    house = house_of_100(asks=False)
    # About 1.3 on a quiet machine: rules that cannot match a tool are not asked, which pays for all the rest.
    assert best(whole_path(house)) < 4 * best(evaluator_alone(house))


def test_pins_and_policies_by_group_add_next_to_nothing() -> None:
    asking, alone = house_of_100(asks=True), house_of_100(asks=False)
    assert len(asking.book._heard.parts[0].policies) == 2
    # About 1.03 on a quiet machine: two look-ups, and the clock that says when the registry is asked again.
    assert best(whole_path(asking)) < 1.5 * best(whole_path(alone))
