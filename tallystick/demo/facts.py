"""Facts of a run in words, each read from the store or from the order database, never from the script."""

from __future__ import annotations

from typing import Any

from tallystick.demo.orders import Orders
from tallystick.model.money import usd_text

Json = dict[str, Any]


def standing(shown: Json) -> str:
    """How the run ended: "ok, complete", "stopped by loop", "crashed"."""
    run = shown["run"]
    if run["status"] == "stopped":
        return f"stopped by {run['stopped_by']}"
    if run["status"] == run["completeness"]:
        return str(run["status"])
    return f"{run['status']}, {run['completeness']}"


def refunds(orders: Orders, order: str) -> str:
    """What the order database says was paid back for an order."""
    paid = orders.refunds(order)
    if not paid:
        return f"no refund for {order}"
    return f"{order} refunded " + " and ".join(f"${item.cents / 100:.2f}" for item in paid)


def price(nano: int | None) -> str:
    """Money to the last nano-dollar, so that equal texts mean equal amounts."""
    return "cost unknown" if nano is None else f"cost {usd_text(nano)} ({nano} n$)"


def calls(shown: Json, tool: str, *, decision: str | None = None) -> list[Json]:
    """The recorded calls of a tool, in order; with ``decision`` only those that were decided so."""
    found = [
        step for step in shown["steps"] if step["kind"] in ("tool", "retrieval") and step["tool"] == tool
    ]
    return [step for step in found if decision is None or step["decision"] == decision]


def model_steps(shown: Json) -> list[Json]:
    """The model calls that were answered, repeats by a second instrumentor left out."""
    return [
        step
        for step in shown["steps"]
        if step["kind"] == "model" and step["same_as"] is None and step["status"] == "ok"
    ]


def waste(shown: Json, tool: str) -> int | None:
    """Nano-dollars of the model calls that only asked again for what a tool had answered before.

    The model call right before a repeated call (same arguments, same agent) asked for it. None when one of them has
    no known cost.
    """
    seen: set[str] = set()
    asked: Json | None = None
    total = 0
    for step in shown["steps"]:
        if step["kind"] == "model" and step["same_as"] is None:
            asked = step
        elif step["tool"] == tool and step["kind"] == "tool":
            key = str(step["arguments"])
            if key in seen and asked is not None:
                if asked["cost_nano_usd"] is None:
                    return None
                total += asked["cost_nano_usd"]
            seen.add(key)
    return total


def output_step(shown: Json) -> str | None:
    """Id of the step that holds the run's answer to the customer; None when it gave none."""
    found = [step["step"] for step in shown["steps"] if step["kind"] == "output"]
    return str(found[-1]) if found else None
