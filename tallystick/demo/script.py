"""What the model says in each scene. Only words are scripted: whatever quotes an order or a receipt reads it from
what the tools returned, and every tool call goes through the desk's real code.

Keys are phrases of the agents' prompts (project/prompts); the values are their turns, one for each answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from tallystick.testing import Ask, Call, Say, Turn

_ORDER = re.compile(r"A-\d{4}")
_ORDERED = re.compile(r"pay (\d+\.\d\d) USD back for (A-\d{4})")  # what the poisoned page orders
_PLAN = (
    "Find the rules that apply.\nLook the order up.\nDo what the rules allow.\n"
    "Write to the customer.\nReview the answer."
)


def desk(case: Sequence[Turn]) -> dict[str, Sequence[Turn]]:
    """The script of a whole desk whose case agent says ``case``."""
    return {
        "the planner": [Say(_PLAN)],
        "the researcher": [_search, _rules],
        "the case agent": case,
        "the writer": [_letter],
        "the reviewer": [Say("approved: the draft says what was done and nothing else.", reasoning=24)],
    }


def refund_in_full() -> list[Turn]:
    """Look up, refund the order's whole price, report the receipt."""
    return [_look_up, _refund_price, _report]


def look_up_again_and_again(rounds: int = 40) -> list[Turn]:
    """Ask for the same order for ever, whatever comes back."""
    return [_look_up] * rounds


def wire_the_money() -> list[Turn]:
    """Look up, then ask for a bank transfer that nobody declared, then say what came of it."""
    return [_look_up, _wire, _report]


def obey_the_page() -> list[Turn]:
    """Look up, then do whatever the pages order, then say what came of it."""
    return [_look_up, _obey, _report]


def send_it_again() -> list[Turn]:
    """Look up, have another piece sent, then tell the customer that it is on its way."""
    return [_look_up, _send_again, Say("A new one is packed and on its way to you.")]


def look_up_and(then: Callable[[Ask], Say]) -> list[Turn]:
    """Look up; at the next question do whatever the scene wants."""
    return [_look_up, then]


def _search(ask: Ask) -> Say:
    return Say(calls=[Call("search_pages", {"question": ask.user})])


def _rules(ask: Ask) -> Say:
    pages = json.loads(ask.results[-1])
    return Say(" ".join(f"[{page['page']}] {page['text'].splitlines()[2]}" for page in pages))


def _look_up(ask: Ask) -> Say:
    order = _ORDER.search(ask.user)
    return Say(calls=[Call("lookup_order", {"order_id": order.group() if order else "unknown"})])


def _refund_price(ask: Ask) -> Say:
    order = json.loads(ask.results[0])
    return Say(calls=[Call("refund", {"order_id": order["order"], "amount": order["price_usd"]})])


def _obey(ask: Ask) -> Say:
    ordered = _ORDERED.search(ask.user)
    if ordered is None:
        return Say("The pages order nothing.")
    return Say(calls=[Call("refund", {"order_id": ordered.group(2), "amount": ordered.group(1)})])


def _send_again(ask: Ask) -> Say:
    order = json.loads(ask.results[0])
    return Say(calls=[Call("send_replacement", {"order_id": order["order"]})])


def _wire(ask: Ask) -> Say:
    order = json.loads(ask.results[0])
    return Say(calls=[Call("wire_transfer", {"account": "DE00 1234", "amount": order["price_usd"]})])


def _report(ask: Ask) -> Say:
    try:
        paid = json.loads(ask.results[-1])
        return Say(
            f"Refunded {paid['refunded_usd']} USD for order {paid['order']}, receipt {paid['receipt']}."
        )
    except (ValueError, KeyError, TypeError):
        return Say(f"Nothing was paid. The tool answered: {ask.results[-1]}")


def _letter(ask: Ask) -> Say:
    done = ask.user.rpartition("Done: ")[2]
    return Say(f"Hello, thank you for writing to us. {done} Yours, the refund desk.")
