"""OTLP JSON: an ``ExportTraceServiceRequest`` in the JSON encoding as spans. What it accepts is said in json_values.py.

Spec: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tallystick.api.otlp.batch import Batch, Unreadable, flaw_of_ids, flaw_of_times
from tallystick.api.otlp.json_values import (
    attributes_of,
    decode,
    enum_of,
    get,
    id_of,
    integer_of,
    list_of,
    object_of,
    objects_of,
    read_part,
    source_of,
    text_of,
)
from tallystick.model.span import Event, Link, Source, Span

_KINDS: Final = {
    "SPAN_KIND_UNSPECIFIED": 0,
    "SPAN_KIND_INTERNAL": 1,
    "SPAN_KIND_SERVER": 2,
    "SPAN_KIND_CLIENT": 3,
    "SPAN_KIND_PRODUCER": 4,
    "SPAN_KIND_CONSUMER": 5,
}
_STATUSES: Final = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


def read_json(body: bytes) -> Batch:
    """Read an ``ExportTraceServiceRequest`` in JSON.

    Raises BadInput, with the byte or the place, for what is not JSON or not a trace request; a span whose own content
    is at fault is listed in ``rejected`` and the others are read.
    """
    batch = Batch()
    for group, place in objects_of(decode(body), "resourceSpans", "the document"):
        resource = object_of(get(group, "resource") or {}, f"{place}.resource")
        keys = ("scopeSpans", "instrumentationLibrarySpans")
        for part, where in (found for key in keys for found in objects_of(group, key, place)):
            raws = [raw for raw, _ in objects_of(part, "spans", where)]
            read_part(raws, partial(source_of, group, part, resource), _read_span, batch)
    return batch


def _read_span(raw: dict[str, Any], source: Source) -> Span:
    trace, span = id_of(raw, "traceId"), id_of(raw, "spanId")
    started, ended = integer_of(raw, "startTimeUnixNano"), integer_of(raw, "endTimeUnixNano") or None
    flaw = flaw_of_ids(trace, span) or flaw_of_times(started, ended)
    if flaw is not None:
        raise Unreadable(flaw)
    status = get(raw, "status") or {}
    if not isinstance(status, dict):
        raise Unreadable("status is not an object")
    dropped = sum(
        integer_of(raw, key) for key in ("droppedAttributesCount", "droppedEventsCount", "droppedLinksCount")
    )
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    if raw_events := list_of(raw, "events"):
        events = tuple(
            Event(text_of(event, "name"), integer_of(event, "timeUnixNano"), attributes_of(event))
            for event in raw_events
        )
        dropped += sum(integer_of(event, "droppedAttributesCount") for event in raw_events)
    if raw_links := list_of(raw, "links"):
        links = tuple(
            Link(id_of(link, "traceId"), id_of(link, "spanId"), attributes_of(link)) for link in raw_links
        )
        dropped += sum(integer_of(link, "droppedAttributesCount") for link in raw_links)
    return Span(
        trace,
        span,
        id_of(raw, "parentSpanId") or None,
        text_of(raw, "name"),
        started,
        ended,
        source,
        enum_of(raw, "kind", _KINDS),
        enum_of(status, "code", _STATUSES),
        text_of(status, "message"),
        attributes_of(raw),
        events,
        links,
        dropped,
    )
