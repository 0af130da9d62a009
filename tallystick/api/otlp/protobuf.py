"""OTLP protobuf: an ``ExportTraceServiceRequest`` as spans.

The message is read with a trimmed schema of our own: the field numbers and wire types of opentelemetry-proto, with
attributes, text, scope and status left as bytes. The runtime (upb) then does only the framing, and what it would
refuse a whole request for (text that is not UTF-8, a damaged attribute) is found here and costs one span.

Spec: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tallystick.api.otlp.batch import NO_SPAN, NO_TRACE, Batch, Unreadable, flaw_of_ids, flaw_of_times
from tallystick.api.otlp.locate import locate_fault
from tallystick.api.otlp.values import known_text, read_attributes, read_scope, read_status, read_text
from tallystick.app.record import Rejection
from tallystick.model.errors import BadInput
from tallystick.model.span import Event, Link, Source, Span

_BYTES, _FIXED64, _UINT32, _INT32, _MESSAGE = 12, 6, 13, 5, 11
_ONE, _MANY = 1, 3

_MESSAGES: Final[dict[str, tuple[tuple[str, int, int, int, str], ...]]] = {
    "Request": (("resource_spans", 1, _MESSAGE, _MANY, "ResourceSpans"),),
    "ResourceSpans": (
        ("resource", 1, _MESSAGE, _ONE, "Resource"),
        ("scope_spans", 2, _MESSAGE, _MANY, "ScopeSpans"),
        ("schema_url", 3, _BYTES, _ONE, ""),
        ("library_spans", 1000, _MESSAGE, _MANY, "ScopeSpans"),  # the name before OTLP 0.15: same shape
    ),
    "Resource": (("attributes", 1, _BYTES, _MANY, ""),),
    "ScopeSpans": (
        ("scope", 1, _BYTES, _ONE, ""),
        ("spans", 2, _MESSAGE, _MANY, "Span"),
        ("schema_url", 3, _BYTES, _ONE, ""),
    ),
    "Span": (
        ("trace_id", 1, _BYTES, _ONE, ""),
        ("span_id", 2, _BYTES, _ONE, ""),
        ("parent_span_id", 4, _BYTES, _ONE, ""),
        ("name", 5, _BYTES, _ONE, ""),
        ("kind", 6, _INT32, _ONE, ""),
        ("start", 7, _FIXED64, _ONE, ""),
        ("end", 8, _FIXED64, _ONE, ""),
        ("attributes", 9, _BYTES, _MANY, ""),
        ("dropped_attributes", 10, _UINT32, _ONE, ""),
        ("events", 11, _MESSAGE, _MANY, "Event"),
        ("dropped_events", 12, _UINT32, _ONE, ""),
        ("links", 13, _MESSAGE, _MANY, "Link"),
        ("dropped_links", 14, _UINT32, _ONE, ""),
        ("status", 15, _BYTES, _ONE, ""),
    ),
    "Event": (
        ("at", 1, _FIXED64, _ONE, ""),
        ("name", 2, _BYTES, _ONE, ""),
        ("attributes", 3, _BYTES, _MANY, ""),
        ("dropped_attributes", 4, _UINT32, _ONE, ""),
    ),
    "Link": (
        ("trace_id", 1, _BYTES, _ONE, ""),
        ("span_id", 2, _BYTES, _ONE, ""),
        ("attributes", 4, _BYTES, _MANY, ""),
        ("dropped_attributes", 5, _UINT32, _ONE, ""),
    ),
}


def _compile() -> Any:
    """Build the trimmed schema and return its request class."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tallystick/otlp_trimmed.proto", package="tallystick.otlp", syntax="proto3"
    )
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind, label, type_name in fields:
            field = described.field.add(name=name, number=number)
            field.type = kind
            field.label = label
            if type_name:
                field.type_name = f".tallystick.otlp.{type_name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tallystick.otlp.Request"))


_REQUEST: Final = _compile()
_STATUSES: Final = {b"": (0, ""), b"\x18\x01": (1, ""), b"\x18\x02": (2, "")}  # nearly all there are


def read_protobuf(body: bytes) -> Batch:
    """Read a serialised ``ExportTraceServiceRequest``.

    Raises BadInput, naming the byte and the place, when the framing is broken or cut off; a span whose own content
    is at fault is listed in ``rejected`` and the others are read.
    """
    try:
        request = _REQUEST.FromString(body)
    except DecodeError as error:
        place = locate_fault(body)
        raise BadInput(
            f"not an OTLP trace request: {place or error}",
            hint="send a serialised ExportTraceServiceRequest, complete and not compressed twice",
        ) from error
    batch = Batch()
    for group in request.resource_spans:
        for part in (*group.scope_spans, *group.library_spans):
            _read_part(group, part, batch)
    return batch


def _read_part(group: Any, part: Any, batch: Batch) -> None:
    """Read the spans of one scope into the batch; a damaged resource or scope rejects each of them by name."""
    try:
        name, version = read_scope(part.scope)
        schema = _text(part.schema_url, "the schema URL") or _text(group.schema_url, "the schema URL")
        source = Source(read_attributes(group.resource.attributes), name, version, schema)
    except Unreadable as error:
        reason = f"its resource or scope cannot be read: {error.message}"
        batch.rejected.extend(Rejection(raw.trace_id.hex(), raw.span_id.hex(), reason) for raw in part.spans)
        return
    spans = batch.spans
    ids: dict[bytes, str] = {}  # traces and parents come many times: one text for all
    for raw in part.spans:
        try:
            spans.append(_read_span(raw, source, ids))
        except Unreadable as error:
            batch.rejected.append(Rejection(raw.trace_id.hex(), raw.span_id.hex(), error.message))


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
            Event(_text(event.name, "an event's name"), event.at, read_attributes(event.attributes))
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
        trace, span, parent, known_text(raw.name) or _text(raw.name, "its name"), started, ended, source, raw.kind,
        status, message, read_attributes(raw.attributes), events, links, dropped,
    )  # fmt: skip


def _text(raw: bytes, what: str) -> str:
    try:
        return read_text(raw)
    except UnicodeDecodeError as error:
        raise Unreadable(f"{what} is not UTF-8: {error.reason} at byte {error.start}") from None
