"""Export: original spans as one OTLP JSON document.

The document is what an OTLP exporter would have sent (``ExportTraceServiceRequest`` in its JSON encoding:
lower-camel-case keys, hex ids, 64-bit integers as text, bytes in base64), so any OTLP receiver, Tallystick
among them, takes it. Steps that were derived from a message history are left out: nobody sent them.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from tallystick.model.attributes import DERIVED, STARTED
from tallystick.model.span import Attributes, Event, Link, Source, Span


def otlp_json(spans: Iterable[Span]) -> dict[str, Any]:
    """Spans as an OTLP JSON document, grouped by resource and scope, in order of start."""
    recorded = [span for span in spans if not span.attributes.get(DERIVED)]
    recorded.sort(key=lambda span: (span.started, span.trace, span.span))
    groups: list[tuple[Source, dict[str, Any], list[Any]]] = []
    for span in recorded:
        for source, _, listed in groups:
            if source == span.source:
                listed.append(_span(span))
                break
        else:
            listed = [_span(span)]
            groups.append((span.source, _group(span.source, listed), listed))
    return {"resourceSpans": [group for _, group, _ in groups]}


def _group(source: Source, listed: list[Any]) -> dict[str, Any]:
    scope = {"name": source.scope, "version": source.scope_version}
    inner = {"scope": {key: value for key, value in scope.items() if value}, "spans": listed}
    if source.schema_url:
        inner["schemaUrl"] = source.schema_url
    return {"resource": {"attributes": _attributes(source.resource)}, "scopeSpans": [inner]}


def _span(span: Span) -> dict[str, Any]:
    status: dict[str, Any] = {"code": span.status}
    if span.status_message:
        status["message"] = span.status_message
    attributes = _attributes(span.attributes)
    if span.ended is None and STARTED not in span.attributes:
        attributes.append({"key": STARTED, "value": {"boolValue": True}})
    answer: dict[str, Any] = {
        "traceId": span.trace,
        "spanId": span.span,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.started),
        "endTimeUnixNano": str(span.ended or 0),
        "attributes": attributes,
        "status": status,
    }
    if span.parent:
        answer["parentSpanId"] = span.parent
    if span.events:
        answer["events"] = [_event(event) for event in span.events]
    if span.links:
        answer["links"] = [_link(link) for link in span.links]
    if span.dropped:
        # The store keeps one sum of what the sender dropped; attributes are what it nearly always is.
        answer["droppedAttributesCount"] = span.dropped
    return answer


def _event(event: Event) -> dict[str, Any]:
    return {"timeUnixNano": str(event.at), "name": event.name, "attributes": _attributes(event.attributes)}


def _link(link: Link) -> dict[str, Any]:
    return {"traceId": link.trace, "spanId": link.span, "attributes": _attributes(link.attributes)}


def _attributes(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": _any(value)} for key, value in attributes.items()]


def _any(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else _not_finite(value)}
    if isinstance(value, bytes):
        return {"bytesValue": b64encode(value).decode("ascii")}
    if isinstance(value, list | tuple):
        return {"arrayValue": {"values": [_any(item) for item in value]}}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _attributes(value)}}
    return {"stringValue": str(value)}


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
