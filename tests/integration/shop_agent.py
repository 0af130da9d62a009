"""An agent's code for the tests of outcomes: tools that call a shop which may cut the connection after it committed."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any

import tallystick
from tallystick.sdk.ensuring import read_back


def _post(path: str, **body: Any) -> Any:
    request = urllib.request.Request(os.environ["SHOP"] + path, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@tallystick.tool(effect="read")
def get_order(order_id: str) -> dict[str, Any]:
    """Read an order."""
    with urllib.request.urlopen(f"{os.environ['SHOP']}/orders/{order_id}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@tallystick.tool(effect="irreversible")
def refund_by_hand(order_id: str) -> Any:
    """Refund an order."""
    return _post("/refund", order_id=order_id)


@tallystick.tool(
    effect="irreversible",
    recovery="reconcile",
    reconcile=read_back(
        get_order, order_id="order_id", expect={"state": "refunded"}, absent={"state": "paid"}
    ),
)
def refund_and_look(order_id: str) -> Any:
    """Refund an order; a read says what became of it."""
    return _post("/refund", order_id=order_id)


@tallystick.tool(effect="irreversible", recovery="idempotent", key="key")
def refund_once(order_id: str, key: str = "") -> Any:
    """Refund an order, once for each key."""
    return _post("/refund", order_id=order_id, key=key)


@tallystick.tool(effect="write", recovery="retry")
def mark(order_id: str, note: str) -> Any:
    """Set the note of an order: safe to repeat."""
    return _post("/mark", order_id=order_id, note=note)


@tallystick.tool(effect="write")
def cancel(order_id: str) -> Any:
    """Cancel an order."""
    return _post("/cancel", order_id=order_id)


@tallystick.tool(
    effect="write",
    undo=(cancel, {"order_id": "result.id"}),
    ensures=lambda args, made: made["what"] == args["what"],
)
def order(what: str) -> Any:
    """Order something."""
    return _post("/order", what=what)
