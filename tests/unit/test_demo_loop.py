"""The demo's agent loop with plain functions as tools, against the scripted model."""

from __future__ import annotations

import json
from decimal import Decimal

import openai
import pytest

from tallystick.demo import script
from tallystick.demo.loop import converse, describe, dictate, use
from tallystick.demo.orders import OrderError
from tallystick.testing import Call, ModelServer, Say

paid: list[tuple[str, Decimal]] = []


def refund(order_id: str, amount: Decimal) -> dict[str, str]:
    """Pay money back.

    More text that the model does not need.
    """
    if order_id == "A-0":
        raise OrderError("there is no order 'A-0'")
    paid.append((order_id, amount))
    return {"receipt": "R-1"}


@pytest.fixture(autouse=True)
def _nothing_paid():
    paid.clear()


def talk(turns, tools=(refund,)):
    with (
        ModelServer({"the case agent": turns}) as server,
        openai.OpenAI(base_url=server.url, api_key="none") as client,
    ):
        text = converse(
            client, model="gpt-4o-mini", system="You are the case agent.", user="help", tools=tools
        )
        return text, server.served


def test_the_model_reads_what_the_tool_returned():
    text, served = talk(
        [
            Say(calls=[Call("refund", {"order_id": "A-1", "amount": 40.5})]),
            lambda ask: Say(f"done: {ask.results[0]}"),
        ]
    )
    assert text == 'done: {"receipt": "R-1"}'
    assert paid == [("A-1", Decimal("40.5"))]
    assert [item.ask.said for item in served] == [0, 1]


def test_mistakes_of_the_model_are_answered_not_raised():
    calls = [
        Call("refund", {"order_id": "A-1"}),
        Call("refund", "{broken"),
        Call("refund", "[1]"),
        Call("refund", {"order_id": "A-1", "amount": "much"}),
        Call("pay_everybody", {}),
        Call("refund", {"order_id": "A-0", "amount": 1}),
    ]
    _, served = talk([Say(calls=calls), Say("sorry")])
    results = served[1].ask.results
    assert [result.split(":")[0] for result in results[:4]] == ["The arguments of refund cannot be read"] * 4
    assert results[4] == "There is no tool 'pay_everybody'. You have: refund."
    assert results[5] == "refund failed: there is no order 'A-0'."
    assert paid == []


def test_a_model_that_never_ends_is_given_up():
    turns = [Say(calls=[Call("refund", {"order_id": "A-0", "amount": 1})])] * 60
    text, served = talk(turns)
    assert text == "I could not finish this."
    assert len(served) == 40


def test_a_text_result_goes_to_the_model_as_it_is():
    def refused(order_id: str) -> str:
        return "This call was refused."

    assert use({"refused": refused}, "refused", '{"order_id": "A-1"}') == "This call was refused."


def test_description_of_a_tool():
    function = describe(refund)["function"]
    assert function["description"] == "Pay money back."
    assert function["parameters"]["properties"] == {
        "order_id": {"type": "string"},
        "amount": {"type": "number"},
    }


def test_a_streamed_answer_is_put_together():
    with (
        ModelServer({"the writer": [Say("Dear customer, all is well with your order.")]}) as server,
        openai.OpenAI(base_url=server.url, api_key="none") as client,
    ):
        text = dictate(client, model="gpt-4o-mini", system="You are the writer.", user="x")
    assert text == "Dear customer, all is well with your order."


def test_the_script_quotes_what_the_tools_returned_and_never_invents():
    def lookup_order(order_id: str) -> dict[str, str]:
        return {"order": order_id, "price_usd": "12.30"}

    def paying(order_id: str, amount: Decimal) -> dict[str, str]:
        return {"receipt": "R-77", "order": order_id, "refunded_usd": str(amount)}

    paying.__name__ = "refund"
    with (
        ModelServer(script.desk(script.refund_in_full())) as server,
        openai.OpenAI(base_url=server.url, api_key="none") as client,
    ):
        text = converse(
            client,
            model="gpt-4.1-mini",
            system="You are the case agent",
            user="A-1007",
            tools=[lookup_order, paying],
        )
        served = server.served
    assert text == "Refunded 12.30 USD for order A-1007, receipt R-77."
    assert json.loads(served[2].ask.results[0])["order"] == "A-1007"
