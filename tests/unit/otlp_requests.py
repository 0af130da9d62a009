"""OTLP requests for tests, made with opentelemetry-proto's own encoder."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf import json_format
from hypothesis import HealthCheck, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tallystick.api.otlp import read_json, read_protobuf
from tallystick.model.span import Span

# A busy machine makes slow examples, which are no fault of what is tested.
STEADY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))


def put(value: AnyValue, content: Any) -> None:
    if isinstance(content, bool):
        value.bool_value = content
    elif isinstance(content, int):
        value.int_value = content
    elif isinstance(content, float):
        value.double_value = content
    elif isinstance(content, str):
        value.string_value = content
    elif isinstance(content, bytes):
        value.bytes_value = content
    elif isinstance(content, list):
        value.array_value.SetInParent()
        for item in content:
            put(value.array_value.values.add(), item)
    elif isinstance(content, dict):
        value.kvlist_value.SetInParent()
        for key, item in content.items():
            pair = value.kvlist_value.values.add(key=key)
            put(pair.value, item)
            pair.value.SetInParent()


def a_request(attributes: dict[str, Any] | None = None, **fields: Any) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add(schema_url="https://schema/1")
    put(group.resource.attributes.add(key="service.name").value, "desk")
    part = group.scope_spans.add()
    part.scope.name, part.scope.version = "a.scope", "1.2"
    given_fields: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": SPAN,
        "name": "chat",
        "start_time_unix_nano": 1_700_000_000_000_000_000,
        "end_time_unix_nano": 1_700_000_000_500_000_000,
    } | fields
    span = part.spans.add(**given_fields)
    for key, content in (attributes or {}).items():
        pair = span.attributes.add(key=key)
        pair.value.SetInParent()
        put(pair.value, content)
    return request


def as_json(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """The request as OTLP JSON: protobuf-JSON with ids in hex instead of base64."""
    document = json_format.MessageToDict(request)

    def mend(node: Any) -> None:
        if isinstance(node, dict):
            for key in ("traceId", "spanId", "parentSpanId"):
                if key in node:
                    node[key] = base64.b64decode(node[key]).hex()
            for item in node.values():
                mend(item)
        elif isinstance(node, list):
            for item in node:
                mend(item)

    mend(document)
    return document


def only(request: ExportTraceServiceRequest, encoding: str) -> Span:
    if encoding == "protobuf":
        batch = read_protobuf(request.SerializeToString())
    else:
        batch = read_json(json.dumps(as_json(request)).encode())
    assert batch.rejected == []
    (span,) = batch.spans
    return span


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))
