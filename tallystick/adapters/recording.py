"""The fast way to a record's hash, for every trace store: the same bytes as ``proof/records.py``, which defines them.

It runs for each span that is ingested. What needs no treatment is encoded as it is; a value that does is treated by
the definition; whatever only the full canonical encoder writes right goes to the definition as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.model.usage import NO_USAGE, Usage
from tallystick.proof.records import (
    EXACT,
    RECORD_VERSION,
    content_bytes,
    plain,
    plain_map,
    reading_of,
    record_hash,
    record_leaf,
)

SALT: Final = 16  # bytes of each record's salt
HASH: Final = 32


class _Odd(Exception):
    """Something that only the definition writes right."""


class _Usage(msgspec.Struct, omit_defaults=True, gc=False):  # fields in the order of canonical JSON, as below
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Reading(msgspec.Struct, omit_defaults=True, gc=False):
    agent: str | None = None
    call_id: str | None = None
    cost_gap: str | None = None
    cost_nano: int | None = None
    decision: str | None = None
    derived: bool = False
    dialect: str = ""
    dropped: int = 0
    effect: str | None = None
    exclusive_input: bool = False
    facts: dict[str, Any] | None = None
    kind: str = ""
    model: str | None = None
    outcome: str | None = None
    provider: str | None = None
    response_id: str | None = None
    seq: int | None = None
    status: str = ""
    tool: str | None = None
    usage: _Usage | None = None
    workflow: str | None = None


class _Leaf(msgspec.Struct, gc=False):
    content: str
    ended: str | None
    parent: str | None
    span: str
    started: str
    step: _Reading
    trace: str
    v: int


class _Rest(msgspec.Struct, gc=False):
    dropped: int
    events: Any
    kind: int
    links: Any
    message: str
    name: str
    source: str
    status: int


_leaf = msgspec.json.Encoder().encode
_sorted = msgspec.json.Encoder(order="sorted").encode


def hash_of(step: Step, span: Span, source: str, salt: bytes) -> bytes:
    """The leaf hash of a span's record; ``source`` is its source's digest. Raises BadInput for no JSON."""
    try:
        attributes, rest = _content(span, source)
        content = b"".join((b"\x02", salt, b'{"attributes":', attributes, rest))
    except (_Odd, UnicodeEncodeError, TypeError):
        content = b"\x02" + salt + content_bytes(span, source)
    commitment = sha256(content).hexdigest()
    try:
        return sha256(b"\x00" + _record(step, span, commitment)).digest()
    except (_Odd, UnicodeEncodeError, TypeError):
        return record_hash(record_leaf(span, reading_of(step), commitment))


def _record(step: Step, span: Span, commitment: str) -> bytes:
    cost, dropped, seq, facts, usage = step.cost_nano, step.dropped, step.seq, step.facts, step.usage
    if (
        not -EXACT <= (cost or 0) <= EXACT
        or not -EXACT <= (seq or 0) <= EXACT
        or not -EXACT <= dropped <= EXACT
    ):
        raise _Odd
    effect, outcome, ended = step.effect, step.outcome, span.ended
    return _leaf(_Leaf(
        commitment, None if ended is None else str(ended), span.parent, span.span, str(span.started),
        _Reading(
            step.agent, step.call_id, step.cost_gap, cost, step.decision, step.derived, step.dialect, dropped,
            None if effect is None else effect._value_, step.exclusive_input, _facts(facts) if facts else None,
            step.kind._value_, step.model, None if outcome is None else outcome._value_, step.provider,
            step.response_id, seq, step.status._value_, step.tool,
            None if usage is NO_USAGE else _usage(usage), step.workflow,
        ),
        span.trace, RECORD_VERSION,
    ))  # fmt: skip


def _usage(usage: Usage) -> _Usage | None:
    counts = (
        usage.cache_read_tokens, usage.cache_write_tokens, usage.input_tokens, usage.output_tokens,
        usage.reasoning_tokens,
    )  # fmt: skip
    unknown = 0
    for count in counts:
        if count is None:
            unknown += 1
        elif count > EXACT:
            raise _Odd
    return None if unknown == len(counts) else _Usage(*counts)


def _facts(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    said: dict[str, Any] = {}
    for name in sorted(facts):
        value = facts[name]
        kind = type(value)
        if not name.isascii() or not (
            kind is str or kind is bool or (kind is int and -EXACT <= value <= EXACT)
        ):
            raise _Odd
        if name != "goal":
            said[name] = value
    return said or None


_rests: dict[tuple[Any, ...], bytes] = {}  # what spans of one kind have in common beside their attributes
_RESTS: Final = 4_096
_LONGEST: Final = 512  # characters of name and message that are kept in mind: they come from strangers


def _content(span: Span, source: str) -> tuple[bytes, bytes]:
    """The content's bytes behind ``{"attributes":``: the attributes, and the rest."""
    attributes = _sorted(_ready_map(span.attributes))
    key = (span.name, span.kind, span.status, span.dropped, source, span.status_message)
    if span.events or span.links or len(span.name) + len(span.status_message) > _LONGEST:
        return attributes, _rest(key, span)
    rest = _rests.get(key)
    if rest is None:
        rest = _rest(key, span)
        if len(_rests) >= _RESTS:
            _rests.clear()
        _rests[key] = rest
    return attributes, rest


def _rest(key: tuple[Any, ...], span: Span) -> bytes:
    name, kind, status, dropped, source, message = key
    if not (-EXACT <= dropped <= EXACT and -EXACT <= kind <= EXACT and -EXACT <= status <= EXACT):
        raise _Odd
    events = [(one.name, str(one.at), _ready_map(one.attributes)) for one in span.events]
    links = [(one.trace, one.span, _ready_map(one.attributes)) for one in span.links]
    return b"," + _sorted(_Rest(dropped, events, kind, links, message, name, source, status))[1:]


def _ready_map(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Attributes that the sorting encoder writes canonically: themselves, or a copy with what needed treatment."""
    if len(attributes) < 2:
        return _easy_map(attributes)
    if not "".join(attributes).isascii():
        raise _Odd  # RFC 8785 sorts by UTF-16 units
    for value in attributes.values():
        kind = type(value)
        if kind is str:
            continue
        if kind is int:
            if -EXACT <= value <= EXACT:
                continue
        elif kind is bool or value is None:
            continue
        return {name: _ready(value) for name, value in attributes.items()}
    return attributes


def _easy_map(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    if not attributes:
        return attributes
    made = plain_map(attributes)
    _check(made)
    return made


def _ready(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None or (kind is int and -EXACT <= value <= EXACT):
        return value
    if kind is float and 1e-4 <= value < 1e16 and not value.is_integer():
        return value
    if kind is list or kind is tuple:
        for item in value:
            if type(item) is not str:
                break
        else:
            return value
    made = plain(value)
    _check(made)
    return made


def _check(value: Any) -> None:
    """Raise _Odd for what in a value in JSON's own types the sorting encoder would write in another way."""
    if isinstance(value, dict):
        for name, item in value.items():
            if not name.isascii():
                raise _Odd
            _check(item)
    elif isinstance(value, list):
        for item in value:
            _check(item)
    elif isinstance(value, float) and not 1e-4 <= abs(value) < 1e16:
        raise _Odd
