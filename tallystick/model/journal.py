"""Journal entries: the append-only record of everything that decides or changes something.

The control plane's tables are views of the journal. Each entry kind is listed here with the fields of its body;
what an entry does to the views, and what must hold before it may be written, is the store's job (see ports.py).

=====================  ===============================================================================
kind                   body
=====================  ===============================================================================
object.declared        type, name, digest, version, body          (type: agent | tool | model | data | policy)
object.retired         type, name
policy.loaded          state, digest, files    (enforced | permissive | unconfigured | load failed)
decision.made          decision, run, step, agent, tool, tool_digest, arguments_digest, answer,
                       reasons, policy_digest
approval.requested     approval, decision, run, agent, tool, arguments, binding, group, because, expires_ns
approval.answered      approval, answer (approved | rejected), by, note
approval.expired       approval
approval.consumed      approval, binding
effect.started         effect, decision, run, tool, binding
effect.ended           effect, outcome, error, result_digest
budget.set             budget, scope, limit_nano, mode             (mode: hard | soft | observe)
hold.taken             hold, amount_nano, scopes [scope, …], run, for, expires_ns
hold.settled           hold, spent_nano, basis                     (basis: reported | assumed | released)
run.stopped            run, by, reason, detail
=====================  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tallystick.model.canonical import canonical_json, digest_bytes

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Draft:
    """What a use case asks to be written. ``subject`` names what it is about (an id or a name)."""

    kind: str
    subject: str
    body: Mapping[str, Any]
    run: str | None = None
    actor: str = "tallystick"


@dataclass(frozen=True, slots=True)
class Entry:
    """A written entry. ``seq`` counts from 1 without gaps; ``at`` is nanoseconds since the epoch."""

    seq: int
    id: str
    at: int
    kind: str
    subject: str
    run: str | None
    actor: str
    body: Mapping[str, Any]
    previous: str  # digest of the entry before it, GENESIS for the first
    digest: str


def seal(draft: Draft, *, seq: int, entry_id: str, at: int, previous: str) -> Entry:
    """Turn a draft into an entry whose digest covers its content and the entry before it."""
    content = {
        "seq": seq,
        "id": entry_id,
        "at": str(at),
        "kind": draft.kind,
        "subject": draft.subject,
        "run": draft.run,
        "actor": draft.actor,
        "body": dict(draft.body),
        "previous": previous,
    }
    return Entry(
        seq, entry_id, at, draft.kind, draft.subject, draft.run, draft.actor, draft.body, previous,
        digest_bytes(canonical_json(content)),
    )  # fmt: skip
