"""Drafts about the registry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.journal import Draft
from tallystick.model.registry import Card, Definition, Lifecycle, version_digest


def declared(
    name: str = "refunds", type: str = "agent", label: str | None = "1.0.0", *, by: str = "ann",
    because: str | None = None, card: Card | None = None, **body: Any,
) -> Draft:  # fmt: skip
    made = {
        "type": type, "name": name, "digest": version_digest(type, name, label, body), "version": label, "body": body,
        "card": (card or Card()).as_json(), "because": because,
    }  # fmt: skip
    return Draft("object.declared", f"{type}:{name}", made, actor=by)


def bare(name: str, digest: str, label: str | None = None, type: str = "agent", **body: Any) -> Draft:
    """As the first journals had it: without a card."""
    made = {"type": type, "name": name, "digest": digest, "version": label, "body": body}
    return Draft("object.declared", f"{type}:{name}", made)


def retired(name: str = "refunds", type: str = "agent", because: str | None = None) -> Draft:
    return Draft("object.retired", f"{type}:{name}", {"type": type, "name": name, "because": because})


def moved(
    digest: str | None, previous: str | None = None, alias: str = "production", name: str = "refunds",
    type: str = "agent", because: str | None = None, **more: Any,
) -> Draft:  # fmt: skip
    body = {
        "type": type, "name": name, "alias": alias, "digest": digest, "previous": previous, "because": because,
        "override": None, "missing": [], **more,
    }  # fmt: skip
    return Draft("alias.moved", f"{type}:{name}", body, actor="ann")


def definition(description: str = "Pay money back", tool: str = "refund", **more: Any) -> Definition:
    return Definition(tool, description, **more)


def shown(
    what: Definition, trust: str = "accepted", why: str = "first use", channel: str = "code", **more: Any
) -> Draft:
    text = canonical_json(what.as_json()).decode()
    body = {
        "tool": what.name, "channel": channel, "definition": what.digest, "trust": trust, "why": why, "differs": [],
        "against": None, "server": what.server, **more,
    }  # fmt: skip
    return Draft("definition.shown", f"tool:{what.name}", body, texts={what.digest: text})


def accepted(what: Definition, channel: str = "code", because: str | None = None, by: str = "ann") -> Draft:
    body = {"tool": what.name, "channel": channel, "definition": what.digest, "because": because}
    return Draft("definition.accepted", f"tool:{what.name}", body, actor=by)


def some_registry(number: int) -> list[Draft]:
    """A few entries of every kind about the registry; ``number`` counts from 1 in one journal."""
    card = Card(
        f"team-{number % 3}",
        "Pays money back",
        Lifecycle.ACTIVE,
        {"repository": "https://x.example"},
        "apply",
    )
    label = f"1.{number}.0"
    version = declared(f"agent-{number % 4}", label=label, card=card, because="more", tools=[f"t{number}"])
    text = f"Answer kindly. {number}"
    digest = digest_bytes(text.encode())
    prompt = replace(
        declared("greeting", "prompt", label, text=digest, file="greeting.md"), texts={digest: text}
    )
    made = [version, prompt, moved(version.body["digest"], None, f"canary-{number}", version.body["name"])]
    if number % 4 == 0:
        made += [moved(None, version.body["digest"], f"canary-{number}", version.body["name"])]
    what = definition(f"Pays back {number}", f"t{number}", input={"amount": "Decimal"})
    changed = definition(f"Pays back more {number}", f"t{number}", input={"amount": "str"})
    made += [
        shown(what),
        shown(changed, "quarantined", "changed", differs=["description"], against=what.digest),
    ]
    if number % 3 == 0:
        made += [
            accepted(changed, because="read it"),
            retired(version.body["name"], because="its work is done"),
        ]
    return made
