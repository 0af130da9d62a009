"""OTLP log records in both encodings: read alike, one bad record costs one record, and nothing escapes."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_requests import SPAN, STEADY, TRACE, put

from tallystick.api.otlp import Batch, count_metrics, read_json_logs, read_protobuf_logs
from tallystick.model.errors import BadInput

AT = 1_700_000_000_000_000_000
ENCODINGS = pytest.mark.parametrize("encoding", ["protobuf", "json"])


def request_of(*records: dict[str, Any]) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add(schema_url="https://schema/1")
    put(group.resource.attributes.add(key="service.name").value, "desk")
    part = group.scope_logs.add()
    part.scope.name, part.scope.version = "a.scope", "1.2"
    for given_fields in records:
        fields = {"trace_id": TRACE, "span_id": SPAN, "time_unix_nano": AT} | given_fields
        attributes, body = fields.pop("attributes", {}), fields.pop("body", None)
        record = part.log_records.add(**fields)
        if body is not None:
            put(record.body, body)
        for key, content in attributes.items():
            put(record.attributes.add(key=key).value, content)
    return request


def as_json(request: Any) -> bytes:
    document = json_format.MessageToDict(request)

    def mend(node: Any) -> None:
        for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            mend(item)
        if isinstance(node, dict):
            for key in {"traceId", "spanId"} & node.keys():
                node[key] = base64.b64decode(node[key]).hex()

    mend(document)
    return json.dumps(document).encode()


def read(request: ExportLogsServiceRequest, encoding: str) -> Batch:
    if encoding == "json":
        return read_json_logs(as_json(request))
    return read_protobuf_logs(request.SerializeToString())


@ENCODINGS
def test_every_field_of_a_record(encoding: str) -> None:
    body = {"content": "hello", "n": [1, 2.5, True]}
    batch = read(
        request_of(
            {
                "event_name": "gen_ai.user.message", "severity_number": 9, "severity_text": "INFO", "body": body,
                "attributes": {"gen_ai.system": "openai"}, "observed_time_unix_nano": AT + 5,
                "dropped_attributes_count": 3,
            }
        ),
        encoding,
    )  # fmt: skip
    (span,) = batch.spans
    assert (span.trace, span.parent, span.name) == (TRACE.hex(), SPAN.hex(), "gen_ai.user.message")
    assert (span.started, span.ended, span.dropped) == (AT, AT, 3)
    assert (span.source.scope, span.source.scope_version) == ("a.scope", "1.2")
    assert span.source.resource == {"service.name": "desk"}
    assert span.attributes["tallystick.log.event"] == "gen_ai.user.message"
    assert span.attributes["tallystick.log.severity"] == "INFO"
    assert span.attributes["gen_ai.system"] == "openai"
    assert [(event.name, event.attributes) for event in span.events] == [("gen_ai.user.message", body)]


def test_both_encodings_make_the_same_span() -> None:
    request = request_of({"event_name": "e", "body": {"b": 1, "a": "x"}, "attributes": {"k": [1, 2]}})
    assert read(request, "json").spans == read(request, "protobuf").spans


@ENCODINGS
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b"\x01" * 8, "event_name": "e"}, "trace id has 8 bytes instead of 16"),
        ({"span_id": b"\x01" * 4, "event_name": "e"}, "span id has 4 bytes instead of 8"),
        ({"time_unix_nano": 0, "event_name": "e"}, "it has no time"),
        ({"time_unix_nano": 2**63, "event_name": "e"}, "it has no time, or one out of range"),
        ({"body": "GET / 200"}, "a plain log line"),
        ({"trace_id": b"", "event_name": "e"}, "it names no trace and no conversation"),
        ({"trace_id": bytes(16), "event_name": "e", "attributes": {"session.id": "1"}}, "names no trace"),
    ],
)
def test_a_bad_record_is_rejected_by_name_and_the_others_stay(
    encoding: str, fields: dict[str, Any], reason: str
) -> None:
    batch = read(request_of(fields, {"event_name": "good"}), encoding)
    assert [span.name for span in batch.spans] == ["good"]
    assert [reason in rejection.reason for rejection in batch.rejected] == [True]


def test_text_that_is_not_utf8_costs_one_record() -> None:
    request = request_of({"event_name": "event", "body": "words"}, {"event_name": "other"})
    for old, new, reason in (
        (b"event", b"ev\xff\xff\xff", "the event's name is not"),
        (b"words", b"wo\xff\xff\xff", "the body is not"),
    ):
        batch = read_protobuf_logs(request.SerializeToString().replace(old, new))
        assert [span.name for span in batch.spans] == ["other"]
        assert reason in batch.rejected[0].reason


def test_a_damaged_scope_rejects_its_records_by_name() -> None:
    damaged = request_of({"event_name": "e"}).SerializeToString().replace(b"a.scope", b"a.sc\xff\xff\xff")
    batch = read_protobuf_logs(damaged)
    assert "resource or scope cannot be read" in batch.rejected[0].reason
    document = json.loads(as_json(request_of({"event_name": "e"})))
    document["resourceLogs"][0]["scopeLogs"][0]["scope"] = 3
    assert read_json_logs(json.dumps(document).encode()).rejected[0].span == SPAN.hex()


def test_every_truncation_is_refused_with_its_place() -> None:
    body = request_of({"event_name": "e", "body": "words"}).SerializeToString()
    for cut in range(1, len(body)):
        with pytest.raises(BadInput, match="cut off"):
            read_protobuf_logs(body[:cut])
    with pytest.raises(BadInput, match=r"in resource_logs\[0\]\.scope_logs\[0\]"):
        read_protobuf_logs(body[:-30])
    with pytest.raises(BadInput, match=r"resourceLogs\[0\] is not an object"):
        read_json_logs(b'{"resourceLogs": [3]}')


@STEADY
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadInput):
        read_protobuf_logs(body)
    with contextlib.suppress(BadInput):
        count_metrics(body, as_json=False)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["stringValue", "intValue", "kvlistValue", "arrayValue", "values", "key", "value"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@STEADY
@given(
    st.dictionaries(
        st.sampled_from(["traceId", "timeUnixNano", "body", "attributes", "severityNumber", "eventName"]),
        _JSON,
    )
)
def test_any_json_in_a_record_is_read_or_rejected(fields: dict[str, Any]) -> None:
    record = {
        "traceId": TRACE.hex(),
        "spanId": SPAN.hex(),
        "timeUnixNano": str(AT),
        "eventName": "e",
    } | fields
    document = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    with contextlib.suppress(BadInput):
        batch = read_json_logs(json.dumps(document).encode())
        assert len(batch.spans) + len(batch.rejected) == 1


def test_metrics_are_counted_in_both_encodings() -> None:
    request = ExportMetricsServiceRequest()
    part = request.resource_metrics.add().scope_metrics.add()
    for shape, points in (
        ("gauge", 1),
        ("sum", 2),
        ("histogram", 3),
        ("exponential_histogram", 1),
        ("summary", 2),
    ):
        metric = part.metrics.add(name=shape)
        for _ in range(points):
            getattr(metric, shape).data_points.add()
    assert count_metrics(request.SerializeToString(), as_json=False) == 9
    assert count_metrics(as_json(request), as_json=True) == 9
    assert count_metrics(b"", as_json=False) == count_metrics(b"{}", as_json=True) == 0
    bad = b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"sum": {"dataPoints": 3}}]}]}]}'
    with pytest.raises(BadInput, match=r"dataPoints is not a list of objects in resourceMetrics\[0\]"):
        count_metrics(bad, as_json=True)
    with pytest.raises(BadInput, match="not an OTLP metrics request"):
        count_metrics(request.SerializeToString()[:-3], as_json=False)
