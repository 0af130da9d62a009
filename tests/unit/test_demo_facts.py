"""Facts in words: they have to tell different things apart, or the scenes prove nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tallystick.demo import facts
from tallystick.demo.orders import Orders


def step(kind="tool", **fields):
    base = {"kind": kind, "tool": None, "decision": None, "same_as": None, "status": "ok", "arguments": None}
    return base | {"cost_nano_usd": None, "parent": "p", "output": None} | fields


@pytest.mark.parametrize(
    ("status", "completeness", "stopped_by", "words"),
    [
        ("ok", "complete", None, "ok, complete"),
        ("ok", "lossy", None, "ok, lossy"),
        ("stopped", "complete", "loop", "stopped by loop"),
        ("stopped", "complete", "budget", "stopped by budget"),
        ("crashed", "crashed", None, "crashed"),
        ("crashed", "lossy", None, "crashed, lossy"),
    ],
)
def test_standing(status, completeness, stopped_by, words):
    run = {"status": status, "completeness": completeness, "stopped_by": stopped_by}
    assert facts.standing({"run": run}) == words


def test_refunds_tell_none_one_and_two_apart(tmp_path):
    orders = Orders.create(tmp_path / "orders.db")
    assert facts.refunds(orders, "A-1001") == "no refund for A-1001"
    orders.refund("A-1001", Decimal("39.99"))
    assert facts.refunds(orders, "A-1001") == "A-1001 refunded $39.99"


def test_unknown_cost_is_not_nothing():
    assert facts.price(None) == "cost unknown"
    assert facts.price(0) != facts.price(None)
    assert facts.price(1_234) != facts.price(1_235)


def test_waste_counts_only_what_was_asked_again():
    steps = [
        step("model", cost_nano_usd=100),
        step(tool="look_up", arguments={"order": 1}),
        step("model", cost_nano_usd=10),
        step(tool="look_up", arguments={"order": 1}),
        step("model", cost_nano_usd=7),
        step(tool="look_up", arguments={"order": 2}),
        step("model", cost_nano_usd=3, same_as="x"),
        step("model", cost_nano_usd=5),
        step(tool="look_up", arguments={"order": 2}),
    ]
    assert facts.waste({"steps": steps}, "look_up") == 15
    steps[2]["cost_nano_usd"] = None
    assert facts.waste({"steps": steps}, "look_up") is None


def test_model_steps_leave_out_repeats_and_calls_that_failed():
    steps = [step("model"), step("model", same_as="x"), step("model", status="error"), step("tool")]
    assert facts.model_steps({"steps": steps}) == steps[:1]


def test_the_answer_is_an_output_step_and_not_what_a_model_said():
    assert facts.output_step({"steps": [step("model", step="1"), step("output", step="2")]}) == "2"
    assert facts.output_step({"steps": [step("model", step="1")]}) is None
