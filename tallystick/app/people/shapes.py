"""People as JSON has them. Digests of tokens are not told, though nobody could use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.app.reading.shapes import time_text
from tallystick.govern.people import People, signs_in, standing_in
from tallystick.model.journal import Entry
from tallystick.model.people import Delegation, Person, Token
from tallystick.ports import ControlStore

# What an entry of a person says of what they did: the fields of its body that are told, by kind.
_TOLD: Final[Mapping[str, tuple[str, ...]]] = {
    "approval.answered": ("answer", "approval", "via"),
    "signin.made": ("how",),
    "object.declared": ("type", "name"),
    "object.retired": ("type", "name"),
    "alias.moved": ("type", "name", "alias"),
    "definition.accepted": ("tool", "channel"),
    "budget.set": ("budget", "scope", "mode"),
    "run.stopped": ("run", "reason"),
    "person.added": ("person", "role"),
    "person.changed": ("person", "role"),
    "person.removed": ("person",),
    "token.made": ("person", "token"),
    "token.revoked": ("person", "token"),
    "delegation.made": ("group", "from", "to"),
    "delegation.revoked": ("delegation",),
}


def person_json(people: People, person: Person, at: int) -> dict[str, Any]:
    """One row of ``tally users ls --json``: ``answers`` are the groups whose approvals they may answer now."""
    tokens = [one for one in people.tokens.values() if one.person == person.name]
    used = [one.used for one in tokens if one.used is not None]
    return {
        "person": person.name,
        "role": person.role.value,
        "groups": list(person.groups),
        "answers": people.groups_of(person.name, at),
        "os_user": person.os_user,
        "tokens_in_force": sum(signs_in(people.persons.get, one, at) is None for one in tokens),
        "last_seen": time_text(max(used)) if used else None,
        "added": time_text(person.at),
        "by": person.by,
        "removed": time_text(person.removed),
    }


def token_json(people: People, token: Token, at: int) -> dict[str, Any]:
    """One token, without what it is: ``why`` says why it lets nobody in."""
    return {
        "token": token.id,
        "person": token.person,
        "label": token.label,
        "made": time_text(token.made),
        "expires": time_text(token.expires),
        "revoked": time_text(token.revoked),
        "used": time_text(token.used),
        "why": signs_in(people.persons.get, token, at),
    }


def delegation_json(people: People, delegation: Delegation, at: int) -> dict[str, Any]:
    """One delegation; ``in_force``: its receiver may answer by it now."""
    one = standing_in(people.persons.get, [delegation], delegation.to, delegation.group, at)
    return {
        "delegation": delegation.id,
        "group": delegation.group,
        "giver": delegation.giver,
        "to": delegation.to,
        "made": time_text(delegation.made),
        "until": time_text(delegation.until),
        "revoked": time_text(delegation.revoked),
        "because": delegation.because,
        "in_force": one is not None,
    }


def log_json(control: ControlStore, person: Person, *, limit: int) -> list[dict[str, Any]]:
    """What a person did, newest first. Entries of a user of the same name from before the person was added are not
    theirs, and are left out."""
    entries = control.entries(actor=person.name, newest=True, limit=limit)
    return [_did(entry) for entry in entries if entry.at >= person.at]


def _did(entry: Entry) -> dict[str, Any]:
    told = {name: entry.body.get(name) for name in _TOLD.get(entry.kind, ())}
    return {
        "seq": entry.seq, "at": time_text(entry.at), "kind": entry.kind, "subject": entry.subject, "run": entry.run,
        "told": {name: value for name, value in told.items() if isinstance(value, str)},
    }  # fmt: skip
