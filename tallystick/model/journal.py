"""Journal entries: the append-only record of everything that decides or changes something.

The control plane's tables are views of the journal. Each entry kind is listed here with the fields of its body; what an
entry does to the views, and what must hold before it may be written, is the store's job (see ports.py). «x» marks a
content: the body holds a salted commitment in its place (see commitment.py). Times in bodies are nanoseconds as text.

=====================  ===============================================================================
kind                   body
=====================  ===============================================================================
object.declared        type, name, digest, version, body          (type: agent | tool | model | data | policy)
object.retired         type, name
policy.loaded          state, digest, files [{name, text}], tools, evaluator, problem
                       (state: enforced | permissive | unconfigured | load failed; text and tools: digests of texts)
rates.loaded           card, rows, made, text                     (card: Merkle root over the rows; text: their digest)
decision.made          decision, run, step, agent, workflow, tool, tool_digest, declaration, arguments {name: «value»},
                       call, at, approved [group], policy_digest, policy_state, policy_answer, stage, answer, reasons,
                       because, group, loop, approval, hold       (see app/decided.py and proof-format.md)
                       (stage: arguments | loop | policy | budget | approval | binding)
approval.requested     approval, decision, run, agent, tool, arguments {name: «value»}, shown {name: «value»}, binding,
                       group, because, expires_ns                 (shown: what people see of arguments not kept)
approval.answered      approval, answer (approved | rejected), by, «note», binding, envelope   (envelope: DSSE)
approval.expired       approval
approval.consumed      approval, binding
effect.started         effect, decision, run, tool, call, binding
effect.ended           effect, decision, run, tool, effect_class, outcome, «error», «result», at, loop
                       (one for each call that came back; effect.started only where the effect is not none or read)
budget.set             budget, scope, limit_nano, mode             (mode: hard | soft | observe)
hold.taken             hold, amount_nano, scopes [scope, …], run, for, expires_ns
hold.settled           hold, spent_nano, basis                     (basis: reported | assumed | released)
run.stopped            run, by, reason, detail                     (by: loop | budget | denials | operator)
records.accepted       run, first, count, root                     (telemetry: Merkle root over record leaves)
run.sealed             run, records, status, completeness, missing, steps, errors, model_calls, tool_calls, denials,
                       stopped_by, started, ended
run.charged            run, rows, root, known_nano, unknown, card
key.created            key, name, purpose                          (key: the public key as a C2SP verifier key)
key.retired            key, because
journal.reopened       size, root, because, by                     (history was lost and that is admitted)
content.erased         commitments, subject, because, by
signin.made            how, by
signin.refused         how, count, since
=====================  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.commitment import COMMITMENT_KEY, Content
from tallystick.model.errors import BadInput

LEAF_VERSION: Final = 2
LONGEST_LEAF: Final = 65_535  # C2SP entry bundles give a leaf's length in 16 bits
_LEAF: Final = b"\x00"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a use case asks to be written. ``subject`` names what it is about (an id or a name).

    ``body`` may hold ``Content`` anywhere; ``texts`` are documents that the body names by digest (SHA-256 of their
    UTF-8 bytes) and that the store keeps once.
    """

    kind: str
    subject: str
    body: Mapping[str, Any]
    run: str | None = None
    actor: str = "tallystick"
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A written entry. ``seq`` counts from 1 without gaps, ``nth`` likewise among the entries of its run.

    ``at`` is nanoseconds since the epoch, ``digest`` the RFC 6962 leaf hash (hex). ``previous`` is set only in entries
    of the first leaf version, whose leaf held the digest of the entry before.
    """

    seq: int
    id: str
    at: int
    kind: str
    subject: str
    run: str | None
    actor: str
    body: Mapping[str, Any]
    digest: str
    nth: int | None = None
    previous: str | None = None


def leaf_bytes(entry: Entry) -> bytes:
    """The entry's leaf: RFC 8785 JSON of everything but its digest. Raises BadInput when it is too long."""
    content = {
        "seq": entry.seq,
        "id": entry.id,
        "at": str(entry.at),
        "kind": entry.kind,
        "subject": entry.subject,
        "run": entry.run,
        "actor": entry.actor,
        "body": entry.body,
    }
    if entry.previous is not None:
        content["previous"] = entry.previous
    else:
        content["v"] = LEAF_VERSION
        content["nth"] = entry.nth
    leaf = canonical_json(content)
    if len(leaf) > LONGEST_LEAF:
        raise BadInput(
            f"a journal entry has at most {LONGEST_LEAF} bytes, and this one would have {len(leaf)}",
            hint="keep long texts out of names, notes and declarations",
        )
    return leaf


def leaf_digest(leaf: bytes) -> str:
    """RFC 6962 leaf hash as 64 hex digits."""
    return sha256(_LEAF + leaf).hexdigest()


def contents_of(body: Any) -> list[Content]:
    """The contents in a draft's body, in order."""
    if isinstance(body, Content):
        return [body]
    if isinstance(body, Mapping):
        return [found for value in body.values() for found in contents_of(value)]
    if isinstance(body, list | tuple):
        return [found for value in body for found in contents_of(value)]
    return []


def committed(body: Any) -> Any:
    """A draft's body with every content replaced by its commitment."""
    if isinstance(body, Content):
        return {COMMITMENT_KEY: body.commitment}
    if isinstance(body, Mapping):
        return {key: committed(value) for key, value in body.items()}
    if isinstance(body, list | tuple):
        return [committed(value) for value in body]
    return body


def is_commitment(value: Any) -> bool:
    """Whether a value of a written body stands for a content."""
    return isinstance(value, Mapping) and len(value) == 1 and isinstance(value.get(COMMITMENT_KEY), str)


def opened(body: Any, values: Mapping[str, Any]) -> Any:
    """A written body with commitments replaced by their values, where ``values`` (by commitment) has them.

    What is withheld or erased becomes None.
    """
    if is_commitment(body):
        return values.get(body[COMMITMENT_KEY])
    if isinstance(body, Mapping):
        return {key: opened(value, values) for key, value in body.items()}
    if isinstance(body, list):
        return [opened(value, values) for value in body]
    return body
