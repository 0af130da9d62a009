"""Drafts about people, and a store with some of them."""

from __future__ import annotations

from typing import Any

from tallystick.model.journal import Draft
from tallystick.model.people import token_digest
from tallystick.ports import ControlStore

DAY = 86_400_000_000_000


def person(
    name: str, role: str = "approver", groups: Any = ("finance",), *, kind: str = "added", os_user: Any = None
) -> Draft:
    body = {
        "person": name,
        "role": role,
        "groups": list(groups),
        "os_user": os_user,
        "because": None,
        "via": "store",
    }
    return Draft(f"person.{kind}", name, body, actor="root")


def removed(name: str) -> Draft:
    return Draft("person.removed", name, {"person": name, "because": None, "via": "store"}, actor="root")


def token(name: str, owner: str, expires: int, secret: str = "") -> Draft:
    body = {
        "person": owner, "token": name, "label": None, "digest": token_digest(secret or name),
        "expires_ns": str(expires), "via": "store",
    }  # fmt: skip
    return Draft("token.made", owner, body, actor="root")


def revoked(name: str) -> Draft:
    return Draft(
        "token.revoked", name, {"token": name, "person": "?", "because": None, "via": "store"}, actor="root"
    )


def delegation(name: str, giver: str, to: str, until: int, group: str = "finance") -> Draft:
    body = {"delegation": name, "group": group, "from": giver, "to": to, "until_ns": str(until), "because": None,
            "via": "store"}  # fmt: skip
    return Draft("delegation.made", to, body, actor=giver)


def ended(name: str) -> Draft:
    return Draft(
        "delegation.revoked", name, {"delegation": name, "because": None, "via": "store"}, actor="root"
    )


def waiting(name: str, group: str = "finance", expires: int = 2**62) -> Draft:
    body = {
        "approval": name, "decision": "dec_1", "run": "r", "agent": "desk", "tool": "refund", "arguments": {},
        "binding": "b" * 64, "group": group, "because": None, "expires_ns": str(expires),
    }  # fmt: skip
    return Draft("approval.requested", name, body, run="r")


def answered(name: str, by: str, *, person: str | None = "", answer: str = "approved") -> Draft:
    body = {
        "approval": name, "answer": answer, "by": by, "person": by if person == "" else person, "via": "token",
        "note": None, "binding": "b" * 64, "envelope": None,
    }  # fmt: skip
    return Draft("approval.answered", name, body, run="r", actor=by)


def some_people(control: ControlStore, at: int) -> None:
    """Three people, a token each, and a delegation."""
    control.append([
        person("ann", os_user="ann"), person("bob", groups=()), person("eve", "viewer", ()),
        *(token(f"tok_{name}", name, at + 30 * DAY) for name in ("ann", "bob", "eve")),
        delegation("dlg_1", "ann", "bob", at + 2 * DAY),
    ])  # fmt: skip
