"""A small shop in the registry, with policies, versions and what was seen, for tests of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.journal import Draft
from tallystick.model.registry import Card, Declared, Definition, Use, version_digest
from tallystick.ports import Sighting
from tallystick.registry.drafts import declared_draft
from tallystick.testing.clock import FakeClock

HOSTILE = "evil\x1b[2J\u202e\x9b31m"
DAY = 86_400 * 1_000_000_000
NOW = FakeClock().now()
MONEY = """
@id("by-finance") @hold("finance")
forbid (principal, action in Action::"effect:irreversible", resource)
unless { context.approvals.contains("finance") };
permit (principal, action, resource);
"""
READS = """permit (principal == Agent::"reader", action == Action::"find_order", resource);"""


def declared(
    type: str, name: str, label: str | None = None, card: Card | None = None, *, by: str = "ann",
    because: str | None = None, text: str | None = None, **body: Any,
) -> Draft:  # fmt: skip
    texts = {}
    if text is not None:
        body["text"] = digest_bytes(text.encode())
        texts = {body["text"]: text}
    one = Declared(type, name, version_digest(type, name, label, body), label, body, card=card or Card())
    return declared_draft(one, actor=by, because=because, texts=texts)


def shown(tool: str, description: str, trust: str, why: str, **more: Any) -> Draft:
    what = Definition(tool, description)
    body = {
        "tool": tool, "channel": "code", "definition": what.digest, "trust": trust, "why": why, "differs": [],
        "against": None, "server": None, **more,
    }  # fmt: skip
    return Draft("definition.shown", tool, body, texts={what.digest: canonical_json(what.as_json()).decode()})


def drafts() -> list[Draft]:
    before = Definition("refund", "Pay back.").digest
    refunds = {"tools": ["refund", "find_order", "spare"], "models": ["gpt-5"], "prompts": ["refunds"]}
    return [
        declared("prompt", "refunds", text="Be kind.\nPay back what is due.\n"),
        declared("prompt", "refunds", text="Be kind.\nPay back at once.\n", because="faster"),
        declared("agent", "refunds", "1.0.0", Card("payments", "pays back"), **{**refunds, "tools": ["refund"]}),
        declared("agent", "refunds", "1.1.0", Card("payments", "pays back", links={"repository": "https://x.test"}),
                 by="bob", because="orders are needed", delegates=["reader"], **refunds),
        declared("agent", "reader", tools=["find_order"], delegates=["refunds"]),
        declared("agent", "writer", tools=[]),
        declared("tool", "refund", effect="irreversible", data=["payment"], description="Pay back."),
        declared("tool", "find_order", effect="read", sources=["orders"]),
        declared("tool", "spare", effect="write", data=["payment"]),
        declared("data", "orders", classes=["customer_pii"]),
        declared("policy", "money", text=MONEY, scope="touches:payment"),
        declared("policy", "reads", text=READS, scope="name:reader", file="policies/reads.cedar"),
        declared("suite", "answers", agents=["refunds"]),
        shown("refund", "Pay back.", "accepted", "first use"),
        shown("refund", f"Pay {HOSTILE}", "quarantined", "changed", differs=["description"], against=before),
        Draft("alias.moved", "agent:refunds", {
            "type": "agent", "name": "refunds", "alias": "production", "previous": None, "because": None,
            "override": None, "missing": [],
            "digest": version_digest("agent", "refunds", "1.0.0", {**refunds, "tools": ["refund"]}),
        }),
    ]  # fmt: skip


def uses() -> Sequence[Use]:
    return (
        Use("refunds", "tool", "refund", "", NOW - 90 * DAY, NOW - 2 * DAY, 4, 9, 1, "run-1", "step-1"),
        Use("refunds", "tool", "find_order", "", NOW - 90 * DAY, NOW - 60 * DAY, 2, 2, 0, "run-0", "step-0"),
        Use("shade" + HOSTILE, "tool", HOSTILE, "", NOW - DAY, NOW - DAY, 1, 1, 0, "run-2", "step-2"),
        Use("shade" + HOSTILE, "data", "payment", "", NOW - DAY, NOW - DAY, 1, 1, 0, "run-2", "step-2"),
    )


def sightings() -> list[Sighting]:
    return [
        Sighting("agent", "refunds", NOW - 90 * DAY, NOW - DAY, 5, 20, 1, 1_500_000, 2),
        Sighting("agent", "shade" + HOSTILE, NOW - DAY, NOW - DAY, 1, 3, 0, 0, 0),
        Sighting("tool", "refund", NOW - 90 * DAY, NOW - 2 * DAY, 4, 9, 1, 0, 0),
    ]
