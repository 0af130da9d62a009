"""Held calls of the invented desk, and what is known of them."""

from __future__ import annotations

from datetime import timedelta

from web_world import NOW, Row, stamp


def make_approval(index: int, run: str, state: str = "waiting") -> Row:
    asked = NOW - timedelta(minutes=3 + index)
    return {
        "approval": f"apr_{index:04}",
        "state": state,
        "run": run,
        "agent": "case",
        "tool": "refund",
        "arguments": {"order_id": f"A-100{index}", "amount": "400.00", "reason": "arrived broken"},
        "group": "finance",
        "groups": {"finance": 2 if index == 2 else 1},
        "lacking": ["finance"] if state == "waiting" else [],
        "because": "refunds over 100 USD are approved by finance",
        "requested": stamp(asked),
        "expires": stamp(asked + timedelta(minutes=15)),
        "answered": None if state == "waiting" else stamp(NOW),
        "by": None if state == "waiting" else "maria",
        "note": None,
        "decision": f"dec_{index:04}",
        "quorum": 2 if index == 2 else 1,
        "given": [{"by": "oleg", "at": stamp(NOW), "note": "the photo is real"}] if index == 2 else [],
        "apart": ["petra"] if index == 2 else [],
        "asks": "Which invoice is this for?" if index == 2 else None,
        "rules": ["big (policies/desk.cedar:3)"],
        "facts": {"untrusted": ["amount"], "leaks": ["customer_pii"]},
        "editable": index != 2,
        "edits": None,
    }


def make_held(approval: Row) -> Row:
    """What is known of a held call: its amount stands on nobody's word. The fourth is of before there were facts."""
    if approval["approval"].endswith("4"):
        return {
            "decided": False, "tool": None, "chain": None, "arguments": [], "facts": None, "rules": [], "read": [],
            "more": False,
        }  # fmt: skip
    words = {"order_id": "the user said it", "amount": "it comes from search_pages"}
    roles = {"order_id": "authority", "amount": "authority"}
    return {
        "decided": True,
        "tool": {"effect": "irreversible", "description": "Pay money back.", "data": ["payment"]},
        "chain": [{"agent": "maria", "via": "user"}, {"agent": "triage", "via": "token"},
                  {"agent": "case", "via": "handoff"}],
        "arguments": [
            {"name": name, "value": value, "type": "string", "role": roles.get(name, "content"),
             "word": words.get(name), "trusted": {"order_id": True, "amount": False}.get(name), "kept": True}
            for name, value in approval["arguments"].items()
        ],
        "facts": {
            "watermark": "third-party", "authority": "third-party", "untrusted": ["amount"], "asked": False,
            "links": ["evil.example"], "seen": ["customer_pii"], "leaks": ["customer_pii"], "signs": ["instructions"],
            "again": True, "why": words,
        },
        "rules": [
            {"rule": "big (policies/desk.cedar:3)", "text": '@id("big")\nforbid (principal, action, resource);'},
            {"rule": "gone.cedar:1", "text": None},
        ],
        "read": [
            {"tool": "search_pages", "step": "00aa", "at": stamp(NOW), "integrity": "third-party", "classes": []},
            {"tool": "lookup_order", "step": "00ab", "at": stamp(NOW), "integrity": "system",
             "classes": ["customer_pii"]},
        ],
        "more": True,
    }  # fmt: skip
