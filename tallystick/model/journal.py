"""Journal entries: the append-only record of everything that decides or changes something.

The control plane's tables are views of the journal. Each entry kind is listed here with the fields of its body; what an
entry does to the views, and what must hold before it may be written, is the store's job (see ports/control.py). «x»
marks a content: the body holds a salted commitment in its place (see commitment.py). Times in bodies are nanoseconds as
text.

=====================  ===============================================================================
kind                   body
=====================  ===============================================================================
object.declared        type, name, digest, version, body, card, because
                       (type: agent | tool | model | data | prompt | policy | budget | suite | workflow)
                       (digest: that of the canonical JSON of type, name, version and body)
                       (version: its label, or null; body.text of a prompt, a policy, an agent's card: digest of a text)
                       (card: owner, purpose, lifecycle, links, origin; the entries of old journals have none)
object.retired         type, name, because
alias.moved            type, name, alias, digest, previous, because, override, missing
                       (digest: that of a version, or null where the alias is taken away; previous: where it was)
                       (override: why a promotion went on with what is missing)
definition.shown       tool, channel, definition, trust, why, differs, against, server
                       (channel: code | mcp; definition: digest of a text, its canonical JSON)
                       (trust: accepted | quarantined; why: first use | declared | new | changed)
definition.accepted    tool, channel, definition, because
policy.loaded          state, digest, files [{name, text, report}], tools, evaluator, schema, problem
                       (state: enforced | permissive | unconfigured | load failed; text and tools: digests of texts)
                       (schema: the version of the schema that rules were checked against; 1 where it is missing)
rates.loaded           card, rows, made, text                     (card: Merkle root over the rows; text: their digest)
decision.made          decision, run, step, agent, workflow, tool, tool_digest, declaration, arguments {name: «value»},
                       call, at, approved [group], policy_digest, policy_state, policy_answer, stage, answer, reasons,
                       because, group, quorum, facts, chain [{agent, via}], loop, approval, hold, would, edit, resumes
                       (groups {group: people}: only where several are asked; group then names them all)
                       (would: {answer, group, reasons} with the rules that are only reported, where they change it)
                       (edit: the approval with which a person changed the arguments; resumes: the one that was asked
                       for when the same call was made before; each is there only where it is so)
                       (see app/acting/decided.py and proof-format.md; facts: labels of the values, see model/labels.py)
                       (chain: who acts for whom, from the user to the agent; entries of old journals have none)
                       (stage: pin | switch | identity | arguments | loop | policy | budget | approval | binding |
                       fault | contract; in the last the call ran, and a person is asked about its result)
approval.requested     approval, decision, run, agent, tool, arguments {name: «value»}, shown {name: «value»}, binding,
                       group, because, expires_ns, quorum, apart, asks, rules, facts, editable, groups {group: people}
                       (groups: only where several are asked)
                       (shown: what people see of arguments not kept; quorum: how many must say yes, 1 where missing)
                       (apart: who may not, people and "user:" with a user of the system; asks: what a note must tell)
approval.answered      approval, answer (approved | rejected), by, person, via, «note», binding, envelope
                       (groups: for which of several it is a yes)
                       (one for each person; person: by, or null where nobody was added as a person; envelope: DSSE)
approval.edited        approval, arguments {name: «value»}, by, person, via, «note», binding, envelope
                       (the values that are proposed instead; the decision about them names this approval as edit)
approval.expired       approval
approval.consumed      approval, binding
value.endorsed         vouched, approval, run, agent, tool, argument, «value», until_ns, by
label.released         vouched, approval, run, agent, tool, class, until_ns, by
                       (a person vouched for a value, or let a class of data flow to a tool: in a run or for an agent)
effect.started         effect, decision, run, tool, call, binding, recovery, process, hold, key, undoes
                       (from recovery on: only where there is something to say; process: host/boot/pid/start)
                       (key: the idempotency key that the tool was given; undoes: the effect that this one takes back)
effect.ended           effect, decision, run, tool, effect_class, outcome, «error», «result», at, loop, contract
                       (contract: {name, then, «differs»} where the result breaks one; missing otherwise)
                       (one for each call that came back; effect.started only where the effect is not none or read)
effect.settled         effect, decision, run, tool, outcome, by, because
                       (outcome: landed | did not happen; what was in doubt is in doubt no longer)
budget.set             budget, scope, limit_nano, mode             (mode: hard | soft | observe)
hold.taken             hold, amount_nano, scopes [scope, …], run, for, expires_ns
hold.settled           hold, spent_nano, basis                     (basis: reported | assumed | released)
run.stopped            run, by, reason, detail                     (by: loop | budget | denials | operator | contract)
switch.thrown          scope, because, by                         (scope: agent:NAME | tool:NAME | workflow:NAME | all)
switch.released        scope, because, by
records.accepted       run, first, count, root                     (telemetry: Merkle root over record leaves)
run.sealed             run, records, status, completeness, missing, steps, errors, model_calls, tool_calls, denials,
                       stopped_by, started, ended
run.charged            run, rows, root, known_nano, unknown, card
key.created            key, name, purpose                          (key: the public key as a C2SP verifier key)
                       (purpose: journal | identity: it signs checkpoints, or tokens of agents)
key.retired            key, because, number                        (number: "key:NUMBER" of a key of identity)
identity.issued        id, agent, by, rights, classes, budget_nano, depth, run, on_behalf, expires_s, via
                       (id: of the revocation ids; the first of a token of an agent, which itself is kept nowhere)
identity.revoked       id, because, by, via
journal.reopened       size, root, because, by                     (history was lost and that is admitted)
content.erased         commitments, subject, because, by
runs.deleted           rule, runs [run, …], because, by            (whole runs that a rule let go; at most 500)
person.added           person, role, groups [group], os_user, because, via
                       (role: viewer | operator | approver | admin; via: session | token | store | open)
person.changed         person, role, groups [group], os_user, because, via            (as they are from then on)
person.removed         person, because, via
token.made             token, person, label, digest, expires_ns, via   (digest: SHA-256 of the token, in hex)
token.revoked          token, person, because, via
delegation.made        delegation, group, from, to, until_ns, because, via
delegation.revoked     delegation, because, via
signin.made            how, by, token                              (token: its id; null for the token of the server)
signin.refused         how, count, since
signin.ended           token, by                                   (all sessions that were opened with a token)
=====================  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from tallystick.model.canonical import canonical_json, plain_json
from tallystick.model.commitment import COMMITMENT_KEY, Content
from tallystick.model.errors import BadInput

LONGEST_LEAF: Final = 65_535  # C2SP entry bundles give a leaf's length in 16 bits
_LEAF: Final = b"\x00"
_WITH_TEXT: Final = ("agent", "prompt", "policy")  # objects whose body names a text
_EXACT: Final = 2**53 - 1  # as in canonical.py


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
    return leaf_around(canonical_json(entry.body), entry)


def leaf_around(body: bytes, entry: Entry) -> bytes:
    """The leaf of an entry whose body's RFC 8785 bytes are at hand: ``body`` stands in it byte for byte."""
    named = (plain_json(entry.id), plain_json(entry.kind))
    run, subject = plain_json(entry.run), plain_json(entry.subject)
    if entry.previous is None:
        end = b'"id":%b,"kind":%b,"nth":%b,"run":%b,"seq":%d,"subject":%b,"v":2}' % (
            *named, plain_json(entry.nth), run, entry.seq, subject,
        )  # fmt: skip
    else:
        end = b'"id":%b,"kind":%b,"previous":%b,"run":%b,"seq":%d,"subject":%b}' % (
            *named, plain_json(entry.previous), run, entry.seq, subject,
        )  # fmt: skip
    leaf = b'{"actor":%b,"at":"%d","body":%b,%b' % (plain_json(entry.actor), entry.at, body, end)
    if len(leaf) > LONGEST_LEAF and entry.previous is None:  # the first version had no limit
        raise BadInput(
            f"a journal entry has at most {LONGEST_LEAF} bytes, and this one would have {len(leaf)}",
            hint="keep long texts out of names, notes and declarations",
        )
    return leaf


def leaf_digest(leaf: bytes) -> str:
    """RFC 6962 leaf hash as 64 hex digits."""
    return sha256(_LEAF + leaf).hexdigest()


def texts_named(kind: str, body: Mapping[str, Any]) -> list[str]:
    """The digests of the texts that a written body names: prompts, policies, declarations and definitions of tools,
    rate cards."""
    if kind == "decision.made":
        found = [body.get("declaration")]
    elif kind == "policy.loaded":
        files = body.get("files")
        found = (
            [one.get("text") for one in files if isinstance(one, Mapping)] if isinstance(files, list) else []
        )
        found.append(body.get("tools"))
    elif kind == "rates.loaded":
        found = [body.get("text")]
    elif kind == "object.declared" and body.get("type") in _WITH_TEXT and "card" in body:
        held = body.get("body")
        found = [held.get("text")] if isinstance(held, Mapping) else []
    elif kind == "definition.shown":
        found = [body.get("definition")]
    else:
        return []
    return [one for one in found if isinstance(one, str)]


@dataclass(frozen=True, slots=True)
class WrittenBody:
    """A draft's body as it is written: in JSON's own types, its RFC 8785 bytes, and the contents it commits to."""

    body: dict[str, Any]
    json: bytes
    contents: list[Content]


def written_body(body: Mapping[str, Any]) -> WrittenBody:
    """Replace contents by commitments and bring everything else into the form it has after a way through JSON.

    Tuples are lists, Decimals text, and so are whole numbers that JSON cannot hold exactly (also those that are
    floats), so that a body reads the same whoever parses it. Raises BadInput for what JSON cannot express, and for an
    object that would be taken for a commitment and is none.
    """
    contents: list[Content] = []
    odd: list[Any] = []
    try:
        plain: dict[str, Any] = _written(body, contents, odd)
        json = canonical_json(plain) if odd else plain_json(plain)
        if not json.isascii():
            json = canonical_json(plain)  # RFC 8785 has its own order for keys that are not ASCII
        return WrittenBody(plain, json, contents)
    except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise BadInput(f"a journal entry cannot hold this: {error}") from error


def _written(value: Any, contents: list[Content], odd: list[Any]) -> Any:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is int:
        return value if -_EXACT <= value <= _EXACT else str(value)
    if kind is dict:
        if len(value) == 1 and is_commitment(value):
            raise BadInput(
                f"an object with the single key {COMMITMENT_KEY!r} would be taken for a commitment"
            )
        made = {}
        for key, item in value.items():
            name = key if type(key) is str else _key(key, value)
            made[name] = item if type(item) is str or item is None else _written(item, contents, odd)
        return made
    if kind is list or kind is tuple:
        return [_written(item, contents, odd) for item in value]
    if kind is Content:
        contents.append(value)
        return {COMMITMENT_KEY: value.commitment}
    return _written_slowly(value, contents, odd)


def _key(key: Any, among: dict[Any, Any]) -> str:
    text = str(key)
    if text in among and not isinstance(key, str):
        raise BadInput(f"a journal entry cannot hold two values under {text!r}")
    return text


def _written_slowly(value: Any, contents: list[Content], odd: list[Any]) -> Any:
    """What is rare: floats, Decimals, and the kin of JSON's own types."""
    if isinstance(value, float):
        if value.is_integer():
            return _written(int(value), contents, odd)
        odd.append(value)
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return _written(int(value), contents, odd)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return _written(dict(value), contents, odd)
    if isinstance(value, list | tuple):
        return _written(list(value), contents, odd)
    raise BadInput(f"a journal entry cannot hold a {type(value).__name__}")


def is_commitment(value: Any) -> bool:
    """Whether a value of a written body stands for a content."""
    return isinstance(value, Mapping) and len(value) == 1 and isinstance(value.get(COMMITMENT_KEY), str)


def opened(body: Any, values: Mapping[str, Any]) -> Any:
    """A written body with commitments replaced by their values, where ``values`` (by commitment) has them.

    What is withheld or erased becomes None.
    """
    if isinstance(body, dict):
        if is_commitment(body):
            return values.get(body[COMMITMENT_KEY])
        return {key: opened(value, values) for key, value in body.items()}
    if isinstance(body, list):
        return [opened(value, values) for value in body]
    return body


def commitments_of(body: Any) -> list[str]:
    """The commitments in a written body, in the order of its keys."""
    if isinstance(body, dict):
        if is_commitment(body):
            return [body[COMMITMENT_KEY]]
        return [found for value in body.values() for found in commitments_of(value)]
    if isinstance(body, list):
        return [found for value in body for found in commitments_of(value)]
    return []
