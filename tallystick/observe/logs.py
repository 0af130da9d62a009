"""Log records that tell what an agent did, as small spans of their own.

Some instrumentors put messages, evaluations and exceptions into log records and only the rest into spans; a few tell
everything in log records. A record may come before the span that it names, after it, or twice. So each becomes a span
of its own, stored and shown like any other: its id is made from what it says, so that the same record is the same
span; its parent is the span that it names. What repeats a span is not counted (repeats.py), and what a record tells of
a span is read together with the span's own contents (``joined``).

A record without a trace belongs to its conversation. What tells of no run, and plain log lines, are refused with the
reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from hashlib import sha256
from typing import Any, Final

from tallystick.model import attributes as own
from tallystick.model.errors import BadInput
from tallystick.model.log import LogRecord
from tallystick.model.span import Event, Span
from tallystick.model.step import Kind, Step
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.logged import is_log
from tallystick.observe.values import clean_count, clean_text

_SHORTEST_ID: Final = 8  # shorter conversation ids are not unique enough to join by
_CONVERSATIONS: Final = ("gen_ai.conversation.id", "session.id", "conversation.id")
_ERROR: Final = 17  # the least severity number of an error
_LONGEST: Final = 86_400_000  # milliseconds; what claims to have taken longer is no duration
_EXCEPTION: Final = ("exception.type", "exception.message")
# Records that say what they are; others are read by their attributes. A message is no call of its own, although some
# carry the attributes of the call that it belongs to.
_KINDS: Final = {
    "gen_ai.evaluation.result": Kind.EVALUATION,
    "gen_ai.system.message": Kind.OTHER,
    "gen_ai.user.message": Kind.OTHER,
    "gen_ai.assistant.message": Kind.OTHER,
    "gen_ai.tool.message": Kind.OTHER,
    "gen_ai.choice": Kind.OTHER,
}
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16
_CALLS: Final = frozenset({Kind.MODEL, Kind.TOOL, Kind.RETRIEVAL})


def span_of(record: LogRecord) -> Span:
    """The span that stands for a log record. Raises BadInput, with the reason, for one that tells of no run."""
    attributes = dict(record.attributes)
    event = clean_text(record.event) or clean_text(attributes.get("event.name")) or _implied(attributes)
    if event is None:
        raise BadInput("a plain log line: only events, exceptions and gen_ai records are kept")
    at = record.at or record.observed
    if not 0 < at < 2**63:
        raise BadInput("it has no time, or one out of range")
    parent = record.span if record.span not in ("", _NO_SPAN) else None
    trace, conversation = _trace(record, attributes)
    if conversation is not None:
        attributes.setdefault(_CONVERSATIONS[0], conversation)
        parent = None
    identity = _digest(trace, parent, event, at, record)
    attributes[own.LOG_EVENT] = event
    thrown = any(name in attributes for name in _EXCEPTION)
    kind = Kind.OTHER if thrown else _KINDS.get(event)
    if kind is not None:
        attributes.setdefault(own.KIND, kind.value)
    if record.severity_text or record.severity:
        attributes[own.LOG_SEVERITY] = record.severity_text or record.severity
    failed = record.severity >= _ERROR or (thrown and not record.severity)
    said = Event("exception" if thrown else event, at, record.attributes if thrown else _said(record))
    return Span(
        trace, identity, parent, event, _started(at, attributes), at, record.source,
        status=2 if failed else 0, status_message=_message(record, attributes) if failed else "",
        attributes=attributes, events=(said,), dropped=record.dropped,
    )  # fmt: skip


def told_of(steps: Sequence[Step]) -> dict[str, list[Step]]:
    """Span id -> the log steps of its run that tell of it (they repeat it, or lie in its call), in order of time."""
    logs = [step for step in steps if is_log(step)]
    told: dict[str, list[Step]] = {}
    if not logs:
        return told
    calls = {step.span for step in steps if step.kind in _CALLS and not is_log(step)}
    for log in sorted(logs, key=lambda step: (step.ended or 0, step.span)):
        about = log.same_as or (log.parent if log.parent in calls else None)
        if about is not None:
            told.setdefault(about, []).append(log)
    return told


def joined(step: Step, span: Span, told: Sequence[tuple[Step, Span]]) -> Contents:
    """The contents of a step, completed with what log records tell of it; what the span says itself comes first."""
    if not told:
        return read_contents(step, span)
    events = tuple(event for _, log in told for event in log.events)
    found = read_contents(step, replace(span, events=span.events + events))
    gaps = {
        name: value
        for log_step, log in told
        if log_step.kind in _CALLS
        for name, value in _filled(read_contents(log_step, log)).items()
        if getattr(found, name) in (None, [])
    }
    return replace(found, **gaps) if gaps else found


def _filled(contents: Contents) -> dict[str, Any]:
    held = {field.name: getattr(contents, field.name) for field in fields(contents)}
    return {name: value for name, value in held.items() if value not in (None, [])}


def _implied(attributes: Mapping[str, Any]) -> str | None:
    """The event of a record without a name: an exception, or whatever gen_ai attributes tell."""
    if any(name in attributes for name in _EXCEPTION):
        return "exception"
    if any(key.startswith("gen_ai.") for key in attributes):
        return "gen_ai.log"
    return None


def _trace(record: LogRecord, attributes: Mapping[str, Any]) -> tuple[str, str | None]:
    """Trace id, and the conversation that stands in for a trace that the record does not name."""
    if record.trace not in ("", _NO_TRACE):
        return record.trace, None
    for name in _CONVERSATIONS:
        conversation = clean_text(attributes.get(name))
        if conversation is not None and len(conversation) >= _SHORTEST_ID:
            named = b"conversation\0" + conversation.encode("utf-8", "replace")
            return sha256(named).hexdigest()[:32], conversation
    raise BadInput("it names no trace and no conversation: nothing says which run it belongs to")


def _started(at: int, attributes: Mapping[str, Any]) -> int:
    """When that began which a record tells at its end, where it says how long it took."""
    took = clean_count(attributes.get("duration_ms"))
    return max(at - took * 1_000_000, 0) if took is not None and took <= _LONGEST else at


def _said(record: LogRecord) -> Mapping[str, Any]:
    """What a record says, as the attributes of an event: messages came as span events before they came as logs."""
    body = record.body
    if isinstance(body, Mapping):
        return body
    if body is None:
        return record.attributes
    return {"content" if record.event.endswith(".message") else "body": body}


def _message(record: LogRecord, attributes: Mapping[str, Any]) -> str:
    told = attributes.get("exception.message", record.body)
    return told if isinstance(told, str) else ""


def _digest(trace: str, parent: str | None, event: str, at: int, record: LogRecord) -> str:
    """A span id made from all that a record says: sent again, it is the same span."""
    said = json.dumps([record.body, dict(record.attributes)], sort_keys=True, default=repr)
    source = record.source.scope
    text = "\0".join(("log", trace, parent or "", source, event, str(at), said))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
