"""What is written into the journal about objects, in one place for everybody who declares something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick.model.journal import Draft
from tallystick.model.masking import mask_text
from tallystick.model.registry import Card, Declared


def declared_draft(
    one: Declared, *, actor: str, because: str | None = None, texts: Mapping[str, str] | None = None
) -> Draft:
    """The entry that declares a version and its card. ``texts`` are those that its body names, by digest."""
    body = {
        "type": one.type, "name": one.name, "digest": one.digest, "version": one.version, "body": dict(one.body),
        "card": card_json(one.card), "because": reason_kept(because),
    }  # fmt: skip
    return Draft(
        "object.declared", subject_of(one.type, one.name), body, actor=actor, texts=dict(texts or {})
    )


def retired_draft(type: str, name: str, *, actor: str, because: str | None = None) -> Draft:
    """The entry that retires an object."""
    body = {"type": type, "name": name, "because": reason_kept(because)}
    return Draft("object.retired", subject_of(type, name), body, actor=actor)


def reason_kept(because: str | None) -> str | None:
    """A person's reason as the journal keeps it: without credentials."""
    return None if because is None else mask_text(because)


def budget_draft(scope: str, limit_nano: int, *, actor: str) -> Draft:
    """The entry that sets a hard budget which is called like its scope."""
    body = {"budget": scope, "scope": scope, "limit_nano": limit_nano, "mode": "hard"}
    return Draft("budget.set", scope, body, actor=actor)


def subject_of(type: str, name: str) -> str:
    """What entries about an object are filed under."""
    return f"{type}:{name}"


def card_json(card: Card) -> dict[str, Any]:
    """A card as the journal keeps it."""
    return {
        "owner": card.owner, "purpose": card.purpose, "lifecycle": card.lifecycle.value, "links": dict(card.links),
        "origin": card.origin,
    }  # fmt: skip
