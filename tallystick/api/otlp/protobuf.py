"""OTLP protobuf: an ``ExportTraceServiceRequest`` as spans.

The message is read with a trimmed schema of our own: the field numbers and wire types of opentelemetry-proto, with
attributes, text, scope and status left as bytes. The runtime (upb) then does only the framing, and what it would
refuse a whole request for (text that is not UTF-8, a damaged attribute) is found here and costs one span.

Spec: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

from __future__ import annotations

from typing import Any, Final

from tallystick.api.otlp.batch import NO_SPAN, NO_TRACE, Batch, Unreadable, flaw_of_ids, flaw_of_times
from tallystick.api.otlp.trimmed import (
    BYTES,
    FIXED64,
    INT32,
    MANY,
    MESSAGE,
    ONE,
    RESOURCE,
    UINT32,
    Schema,
    compile_schema,
    parse,
    rejection_of,
    source_of,
    text_of,
)
from tallystick.api.otlp.values import known_text, read_attributes, read_status
from tallystick.model.span import Event, Link, Source, Span

_MESSAGES: Final[Schema] = {
    "Request": (("resource_spans", 1, MESSAGE, MANY, "ResourceSpans"),),
    "ResourceSpans": (
        ("resource", 1, MESSAGE, ONE, "Resource"),
        ("scope_spans", 2, MESSAGE, MANY, "ScopeSpans"),
        ("schema_url", 3, BYTES, ONE, ""),
        ("library_spans", 1000, MESSAGE, MANY, "ScopeSpans"),  # the name before OTLP 0.15: same shape
    ),
    "Resource": RESOURCE,
    "ScopeSpans": (
        ("scope", 1, BYTES, ONE, ""),
        ("spans", 2, MESSAGE, MANY, "Span"),
        ("schema_url", 3, BYTES, ONE, ""),
    ),
    "Span": (
        ("trace_id", 1, BYTES, ONE, ""),
        ("span_id", 2, BYTES, ONE, ""),
        ("parent_span_id", 4, BYTES, ONE, ""),
        ("name", 5, BYTES, ONE, ""),
        ("kind", 6, INT32, ONE, ""),
        ("start", 7, FIXED64, ONE, ""),
        ("end", 8, FIXED64, ONE, ""),
        ("attributes", 9, BYTES, MANY, ""),
        ("dropped_attributes", 10, UINT32, ONE, ""),
        ("events", 11, MESSAGE, MANY, "Event"),
        ("dropped_events", 12, UINT32, ONE, ""),
        ("links", 13, MESSAGE, MANY, "Link"),
        ("dropped_links", 14, UINT32, ONE, ""),
        ("status", 15, BYTES, ONE, ""),
    ),
    "Event": (
        ("at", 1, FIXED64, ONE, ""),
        ("name", 2, BYTES, ONE, ""),
        ("attributes", 3, BYTES, MANY, ""),
        ("dropped_attributes", 4, UINT32, ONE, ""),
    ),
    "Link": (
        ("trace_id", 1, BYTES, ONE, ""),
        ("span_id", 2, BYTES, ONE, ""),
        ("attributes", 4, BYTES, MANY, ""),
        ("dropped_attributes", 5, UINT32, ONE, ""),
    ),
}


_REQUEST: Final = compile_schema(_MESSAGES, "Request")
_STATUSES: Final = {b"": (0, ""), b"\x18\x01": (1, ""), b"\x18\x02": (2, "")}  # nearly all there are


def read_protobuf(body: bytes) -> Batch:
    """Read a serialised ``ExportTraceServiceRequest``.

    Raises BadInput, naming the byte and the place, when the framing is broken or cut off; a span whose own content
    is at fault is listed in ``rejected`` and the others are read.
    """
    request = parse(_REQUEST, body, root="request", what="trace", message="ExportTraceServiceRequest")
    batch = Batch()
    for group in request.resource_spans:
        for part in (*group.scope_spans, *group.library_spans):
            _read_part(group, part, batch)
    return batch


def _read_part(group: Any, part: Any, batch: Batch) -> None:
    """Read the spans of one scope into the batch; a damaged resource or scope rejects each of them by name."""
    try:
        source = source_of(group, part)
    except Unreadable as error:
        reason = f"its resource or scope cannot be read: {error.message}"
        batch.rejected.extend(rejection_of(raw, reason) for raw in part.spans)
        return
    spans = batch.spans
    ids: dict[bytes, str] = {}  # traces and parents come many times: one text for all
    for raw in part.spans:
        try:
            spans.append(_read_span(raw, source, ids))
        except Unreadable as error:
            batch.rejected.append(rejection_of(raw, error.message))


def _read_span(raw: Any, source: Source, ids: dict[bytes, str]) -> Span:
    trace_id, parent_id, span = raw.trace_id, raw.parent_span_id, raw.span_id.hex()
    started, ended = raw.start, raw.end or None
    trace = ids.get(trace_id)
    if trace is None:
        trace = ids[trace_id] = trace_id.hex()
    if len(trace) != 32 or len(span) != 16 or trace == NO_TRACE or span == NO_SPAN:
        raise Unreadable(flaw_of_ids(trace, span) or "")
    if ended is None or not started <= ended < 2**63:
        flaw = flaw_of_times(started, ended)
        if flaw is not None:
            raise Unreadable(flaw)
    parent: str | None = None
    if parent_id:
        parent = ids.get(parent_id)
        if parent is None:
            parent = ids[parent_id] = parent_id.hex()
    status, message = _STATUSES.get(raw.status) or read_status(raw.status)
    dropped = raw.dropped_attributes + raw.dropped_events + raw.dropped_links
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    if raw_events := raw.events:
        events = tuple(
            Event(text_of(event.name, "an event's name"), event.at, read_attributes(event.attributes))
            for event in raw_events
        )
        dropped += sum(event.dropped_attributes for event in raw_events)
    if raw_links := raw.links:
        links = tuple(
            Link(link.trace_id.hex(), link.span_id.hex(), read_attributes(link.attributes))
            for link in raw_links
        )
        dropped += sum(link.dropped_attributes for link in raw_links)
    return Span(
        trace, span, parent, known_text(raw.name) or text_of(raw.name, "its name"), started, ended, source, raw.kind,
        status, message, read_attributes(raw.attributes), events, links, dropped,
    )  # fmt: skip
