"""Spans as OTLP protobuf, for the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from tallystick.model.span import Source, Span

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


def encode(spans: Sequence[Span]) -> bytes:
    """An ExportTraceServiceRequest with all spans, grouped by resource and scope in order of first appearance."""
    request = ExportTraceServiceRequest()
    groups: dict[int, ScopeSpans] = {}
    for span in spans:
        group = groups.get(id(span.source))
        if group is None:
            group = groups[id(span.source)] = _open_group(request, span.source)
        _write_span(group.spans.add(), span)
    return bytes(request.SerializeToString())


def _open_group(request: ExportTraceServiceRequest, source: Source) -> ScopeSpans:
    resource_spans = request.resource_spans.add()
    _write_attributes(resource_spans.resource.attributes, source.resource)
    scope_spans: ScopeSpans = resource_spans.scope_spans.add()
    scope_spans.scope.name = source.scope
    scope_spans.scope.version = source.scope_version
    scope_spans.schema_url = source.schema_url
    return scope_spans


def _write_span(wire: WireSpan, span: Span) -> None:
    wire.trace_id, wire.span_id = bytes.fromhex(span.trace), bytes.fromhex(span.span)
    if span.parent is not None:
        wire.parent_span_id = bytes.fromhex(span.parent)
    wire.name = span.name
    wire.kind = span.kind  # type: ignore[assignment]  # the generated stub wants its own enum type
    wire.start_time_unix_nano = span.started
    wire.end_time_unix_nano = span.ended or 0  # zero on the wire is "not ended": a start record
    wire.status.code = span.status  # type: ignore[assignment]
    wire.status.message = span.status_message
    wire.dropped_attributes_count = span.dropped
    _write_attributes(wire.attributes, span.attributes)
    for event in span.events:
        made = wire.events.add()
        made.name, made.time_unix_nano = event.name, event.at
        _write_attributes(made.attributes, event.attributes)
    for link in span.links:
        pointer = wire.links.add()
        pointer.trace_id, pointer.span_id = bytes.fromhex(link.trace), bytes.fromhex(link.span)
        _write_attributes(pointer.attributes, link.attributes)


def _write_attributes(target: Any, attributes: Mapping[str, Any]) -> None:
    target.extend(_pairs(attributes))


def _pairs(attributes: Mapping[str, Any]) -> Iterable[KeyValue]:
    for key, value in attributes.items():
        pair = KeyValue(key=key)
        _write_value(pair.value, value)
        yield pair


def _write_value(target: AnyValue, value: Any) -> None:
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        if _INT_MIN <= value <= _INT_MAX:
            target.int_value = value
        else:
            target.string_value = str(value)
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, bytes):
        target.bytes_value = value
    elif isinstance(value, Mapping):
        target.kvlist_value.SetInParent()
        target.kvlist_value.values.extend(_pairs({str(key): item for key, item in value.items()}))
    elif isinstance(value, list | tuple):
        target.array_value.SetInParent()
        for item in value:
            _write_value(target.array_value.values.add(), item)
    # None stays an AnyValue without a value: OTLP's own way to say so
