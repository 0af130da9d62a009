"""Agent cards in and out of the registry: an import declares an agent from its card, an export writes one."""

from __future__ import annotations

import json
from typing import Any, Final

from tallystick.app.registry.catalog import Catalog
from tallystick.model.errors import BadInput, Conflict, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.registry import Declared, version_digest
from tallystick.ports import ControlStore
from tallystick.registry.addresses import is_web
from tallystick.registry.card_shapes import CURRENT, OLDER
from tallystick.registry.cards import ORIGIN, AgentCard, Told, read_card, write_card
from tallystick.registry.drafts import reason_kept

BINDINGS: Final = ("JSONRPC", "GRPC", "HTTP+JSON")


def import_card(
    control: ControlStore, document: bytes, *, by: str, name: str | None = None, label: str | None = None,
    because: str | None = None, dry_run: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Declare an agent as its card describes it.

    Returns ``{"agent", "version", "digest", "protocol", "purpose", "links", "skills", "signed", "ignored", "changed",
    "entry"}``. Raises BadInput and TooLarge for the card, and Conflict where an agent of that name was declared by
    other means, or the card changed and kept its version.
    """
    card = read_card(document)
    agent = name or card.agent
    if not agent:
        raise BadInput("no name for the registry can be made of the card's name", hint="give one: --as NAME")
    version, body = label or card.label, card.body()
    digest = version_digest("agent", agent, version, body)
    known = _declared(control, agent)
    if known is not None and known.card.origin != ORIGIN:
        raise Conflict(
            f"agent {agent} is declared already, and not by a card",
            hint="give it another name: --as NAME",
            agent=agent,
        )
    held = {
        "owner": known.card.owner if known else None, "purpose": card.purpose, "lifecycle": "active",
        "links": card.links(), "origin": ORIGIN,
    }  # fmt: skip
    changed = known is None or known.retired or known.digest != digest or (
        known.card.purpose, dict(known.card.links)) != (card.purpose, card.links())  # fmt: skip
    answer = {
        "agent": agent, "version": version, "digest": digest, "protocol": card.protocol, "purpose": card.purpose,
        "links": card.links(), "skills": [one["name"] for one in body["card"]["skills"]],
        "signed": body["card"]["signed"], "ignored": list(card.ignored), "changed": changed, "entry": None,
    }  # fmt: skip
    if changed and not dry_run:
        entry = {
            "type": "agent", "name": agent, "digest": digest, "version": version, "body": body, "card": held,
            "because": reason_kept(because),
        }  # fmt: skip
        draft = Draft("object.declared", f"agent:{agent}", entry, actor=by, texts={card.digest: card.text})
        answer["entry"] = control.append([draft])[0].seq
    return answer


def export_card(
    catalog: Catalog, control: ControlStore, ref: str, *, url: str | None = None, binding: str = BINDINGS[0],
    protocol: str = CURRENT,
) -> dict[str, Any]:  # fmt: skip
    """The card of a declared agent (``NAME`` or ``NAME@VERSION``), in protocol 1.0 or 0.3.

    One that was imported gives its own card back, where the protocol is the same and no other address is asked for.
    Raises UnknownThing for an agent that nobody declared, and BadInput where purpose or address are missing.
    """
    if protocol not in (CURRENT, OLDER):
        raise BadInput(f"there is no card of protocol {protocol!r}", hint=f"protocols: {CURRENT}, {OLDER}")
    name, version = catalog.resolve("agent", ref)
    known = _declared(control, name)
    if known is None:
        raise UnknownThing(f"nobody declared agent {name}", hint="tally init, then: tally apply", name=name)
    body = version.body if version is not None else known.body
    kept = _kept(control, body)
    if kept is not None and kept.protocol == protocol and url is None:
        return dict(kept.plain)
    address = url or known.card.links.get("a2a")
    if address is None or not is_web(address):
        raise BadInput(
            f"the card of {name} needs the http address at which it answers",
            hint='--url URL, or a line a2a = "https://…" under [links] in its file',
        )
    if not known.card.purpose:
        raise BadInput(
            f"the card of {name} needs its purpose", hint='purpose = "…" in its file, then: tally apply'
        )
    label = (
        (version.label or version.digest[:12]) if version is not None else known.version or known.digest[:12]
    )
    workflow = body.get("workflow")
    told = Told(
        name, label, known.card.purpose, address, binding, (workflow,) if workflow else (), known.card.owner,
        {key: link for key, link in known.card.links.items() if is_web(link)},
    )  # fmt: skip
    return write_card(told, protocol)


def _declared(control: ControlStore, name: str) -> Declared | None:
    return next((one for one in control.declared("agent", retired=True) if one.name == name), None)


def _kept(control: ControlStore, body: Any) -> AgentCard | None:
    """The card that an agent was imported from, as the journal kept it."""
    digest = body.get("text")
    if not isinstance(digest, str) or "card" not in body:
        return None
    return read_card(control.text(digest).encode("utf-8"))


def card_text(card: dict[str, Any]) -> str:
    """The card as a file: indented JSON that only has ASCII, so that nothing in it can hide."""
    return json.dumps(card, indent=2) + "\n"
