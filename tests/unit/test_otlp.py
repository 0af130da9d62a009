"""The OTLP readers against opentelemetry-proto's own encoder, in both encodings."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tallystick.api.otlp import read_json, read_protobuf
from tallystick.api.otlp.batch import Unreadable
from tallystick.api.otlp.values import read_attributes
from tallystick.model.errors import BadInput
from tallystick.model.span import Span

TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))
_DATA = os.environ.get("TALLYSTICK_SHARED_DATA")
DATA = Path(_DATA) if _DATA else Path(__file__).resolve().parents[2].parent / "shared" / "data"


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


leaves = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=40)
)
contents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
@given(attributes=st.dictionaries(st.text(max_size=150), contents, max_size=8))
def test_attributes_come_back_exactly(encoding: str, attributes: dict[str, Any]) -> None:
    span = only(a_request(attributes), encoding)
    assert span.attributes == attributes
    assert [type(item) for item in span.attributes.values()] == [type(item) for item in attributes.values()]


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
@pytest.mark.parametrize("length", [0, 1, *range(93, 96), *range(124, 132), *range(16_379, 16_386), 300_000])
def test_texts_of_every_length_class(encoding: str, length: int) -> None:
    text = "é" * (length // 2) + "x" * (length % 2)
    assert only(a_request({"key": text}), encoding).attributes == {"key": text}


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_doubles_that_json_cannot_say(encoding: str) -> None:
    span = only(a_request({"a": math.nan, "b": math.inf, "c": -math.inf}), encoding)
    assert math.isnan(span.attributes["a"])
    assert (span.attributes["b"], span.attributes["c"]) == (math.inf, -math.inf)


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_every_field_of_a_span(encoding: str) -> None:
    request = a_request(
        {"k": 1}, parent_span_id=b"\x0a" * 8, kind=3, trace_state="x=y", flags=1,
        dropped_attributes_count=1, dropped_events_count=2, dropped_links_count=4,
    )  # fmt: skip
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.status.code, span.status.message = 2, "no"
    event = span.events.add(name="exception", time_unix_nano=7, dropped_attributes_count=8)
    put(event.attributes.add(key="exception.type").value, "KeyError")
    link = span.links.add(trace_id=b"\x0b" * 16, span_id=b"\x0c" * 8, dropped_attributes_count=16)
    put(link.attributes.add(key="why").value, "because")
    read = only(request, encoding)
    assert (read.trace, read.span, read.parent) == (TRACE.hex(), SPAN.hex(), "0a" * 8)
    assert (read.name, read.kind, read.status, read.status_message, read.dropped) == ("chat", 3, 2, "no", 31)
    assert (read.started, read.ended) == (1_700_000_000_000_000_000, 1_700_000_000_500_000_000)
    assert read.source.resource == {"service.name": "desk"}
    assert (read.source.scope, read.source.scope_version) == ("a.scope", "1.2")
    assert read.source.schema_url == "https://schema/1"
    (found,) = read.events
    assert (found.name, found.at, found.attributes) == ("exception", 7, {"exception.type": "KeyError"})
    (pointer,) = read.links
    assert (pointer.trace, pointer.span, pointer.attributes) == ("0b" * 16, "0c" * 8, {"why": "because"})


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_no_end_is_a_start_record_and_no_status_is_unset(encoding: str) -> None:
    span = only(a_request(end_time_unix_nano=0), encoding)
    assert span.ended is None
    assert span.status == 0
    assert only(a_request(start_time_unix_nano=0), encoding).started == 0


def test_the_scope_name_before_otlp_0_15() -> None:
    document = as_json(a_request({"k": "v"}))
    group = document["resourceSpans"][0]
    part = group.pop("scopeSpans")[0]
    part["instrumentationLibrary"] = part.pop("scope")
    group["instrumentationLibrarySpans"] = [part]
    (span,) = read_json(json.dumps(document).encode()).spans
    assert span.source.scope == "a.scope"
    inner = a_request({"k": "v"}).resource_spans[0].scope_spans[0].SerializeToString()
    old = b"\xc2\x3e" + _varint(len(inner)) + inner  # field 1000, length-delimited
    (span,) = read_protobuf(b"\x0a" + _varint(len(old)) + old).spans
    assert (span.source.scope, span.attributes) == ("a.scope", {"k": "v"})


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def test_json_takes_snake_case_base64_numbers_names_and_unknown_keys() -> None:
    document = {
        "resource_spans": [
            {
                "scope_spans": [
                    {
                        "spans": [
                            {
                                "trace_id": base64.b64encode(TRACE).decode(),
                                "span_id": base64.b64encode(SPAN).decode(),
                                "start_time_unix_nano": 5,
                                "end_time_unix_nano": 6.0,
                                "kind": "SPAN_KIND_CLIENT",
                                "status": {"code": "STATUS_CODE_ERROR"},
                                "dropped_attributes_count": 3,
                                "fromTheFuture": {"x": [1]},
                                "attributes": [
                                    {"key": "i", "value": {"int_value": "-9223372036854775808"}},
                                    {"key": "n", "value": {"intValue": 7}},
                                    {"key": "none"},
                                    {"key": "empty", "value": {}},
                                ],
                            }
                        ]
                    }
                ]
            }
        ]
    }
    (span,) = read_json(json.dumps(document).encode()).spans
    assert (span.trace, span.span, span.parent) == (TRACE.hex(), SPAN.hex(), None)
    assert (span.started, span.ended, span.kind, span.status, span.dropped) == (5, 6, 3, 2, 3)
    assert span.attributes == {"i": -(2**63), "n": 7, "none": None, "empty": None}
    assert type(span.ended) is int


GOOD = {"trace_id": TRACE, "span_id": b"\x09" * 8}


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b"\x01" * 8}, "trace id has 8 bytes instead of 16"),
        ({"span_id": b""}, "span id has 0 bytes instead of 8"),
        ({"trace_id": bytes(16)}, "trace id is all zero"),
        ({"span_id": bytes(8)}, "span id is all zero"),
        ({"end_time_unix_nano": 9}, "end time is before the start"),
        ({"start_time_unix_nano": 2**63}, "start time is out of range"),
        ({"end_time_unix_nano": 2**63}, "end time is out of range"),
    ],
)
def test_a_bad_span_is_rejected_by_name_and_the_others_stay(
    encoding: str, fields: dict[str, Any], reason: str
) -> None:
    request = a_request({"k": "v"}, **fields)
    good = request.resource_spans[0].scope_spans[0].spans.add(**GOOD)
    good.start_time_unix_nano = 1
    if encoding == "protobuf":
        batch = read_protobuf(request.SerializeToString())
    else:
        batch = read_json(json.dumps(as_json(request)).encode())
    assert [span.span for span in batch.spans] == ["09" * 8]
    assert [rejection.reason for rejection in batch.rejected] == [reason]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(b"\x0a\x05val\xff\xfe", "not UTF-8"), (b"\x0a\x7fvalue", "cut off"), (b"\x0b\x05value", "wire type 3")],
)
def test_a_damaged_attribute_costs_one_span(damage: bytes, reason: str) -> None:
    request = a_request({"key": "value"})
    request.resource_spans[0].scope_spans[0].spans.add(**GOOD)
    batch = read_protobuf(request.SerializeToString().replace(b"\x0a\x05value", damage))
    assert [span.span for span in batch.spans] == ["09" * 8]
    assert [(found.span, reason in found.reason) for found in batch.rejected] == [(SPAN.hex(), True)]


def test_a_name_that_is_not_utf8_costs_one_span() -> None:
    batch = read_protobuf(a_request().SerializeToString().replace(b"chat", b"ch\xff\xff"))
    assert "its name is not UTF-8" in batch.rejected[0].reason


def test_every_truncation_is_refused_with_its_place() -> None:
    body = a_request({"key": "value", "other": [1, {"a": b"x"}]}).SerializeToString()
    for cut in range(1, len(body)):
        with pytest.raises(BadInput, match="cut off"):
            read_protobuf(body[:cut])
    text = json.dumps(as_json(a_request({"key": "value"}))).encode()
    for cut in range(len(text)):
        with pytest.raises(BadInput, match="not JSON"):
            read_json(text[:cut])
    with pytest.raises(BadInput, match=r"in resource_spans\[0\]\.scope_spans\[0\]\.spans\[0\]"):
        read_protobuf(body[:-30])


def test_an_empty_request_is_no_error() -> None:
    assert read_protobuf(b"").spans == []
    assert read_json(b"{}").spans == []


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("[]", "the document is not an object"),
        ('{"resourceSpans": {}}', "resourceSpans of the document is not a list"),
        ('{"resourceSpans": [3]}', r"resourceSpans\[0\] is not an object"),
        (
            '{"resourceSpans": [{"scopeSpans": [{"spans": 1}]}]}',
            r"spans of resourceSpans\[0\]\.scopeSpans\[0\] is not",
        ),
        ("nope", "invalid character"),
        ("[" * 50_000, "nested too deep"),
    ],
)
def test_json_of_the_wrong_shape_is_refused_with_its_place(document: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read_json(document.encode())


@pytest.mark.parametrize(
    "value",
    [
        {"stringValue": 3}, {"intValue": "x"}, {"intValue": 1.5}, {"intValue": 2**63}, {"intValue": True},
        {"doubleValue": "x"}, {"boolValue": "true"}, {"bytesValue": "*"}, {"bytesValue": 1}, {"arrayValue": 1},
        {"kvlistValue": {"values": [3]}}, {"kvlistValue": {"values": [{"key": 3}]}}, {"arrayValue": {"values": ["x"]}},
        "text", 3, [],
    ],
)  # fmt: skip
def test_a_json_value_that_is_not_plain_rejects_its_span(value: Any) -> None:
    document = as_json(a_request())
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = [{"key": "k", "value": value}]
    batch = read_json(json.dumps(document).encode())
    assert batch.spans == []
    assert batch.rejected[0].span == SPAN.hex()


def test_deep_nesting_rejects_the_span() -> None:
    value = AnyValue(string_value="x").SerializeToString()
    for _ in range(70):
        inner = b"\x0a" + _varint(len(value)) + value
        value = b"\x2a" + _varint(len(inner)) + inner
    with pytest.raises(Unreadable, match="nested"):
        read_attributes([b"\x0a\x01k\x12" + _varint(len(value)) + value])
    document = as_json(a_request())
    nested: dict[str, Any] = {"stringValue": "x"}
    for _ in range(70):
        nested = {"arrayValue": {"values": [nested]}}
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = [{"key": "k", "value": nested}]
    assert "nested" in read_json(json.dumps(document).encode()).rejected[0].reason


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in (read_protobuf, read_json):
        try:
            read(body)
        except BadInput:
            continue


@given(st.data())
def test_any_damage_to_a_real_request_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(a_request({"a": "text", "b": [1, 2.5, {"c": b"x"}], "d": True}).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadInput):
        read_protobuf(bytes(body))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "key",
                    "value",
                    "values",
                    "stringValue",
                    "kvlistValue",
                    "arrayValue",
                    "name",
                    "traceId",
                    "attributes",
                    "code",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "traceId",
                "spanId",
                "name",
                "status",
                "attributes",
                "events",
                "links",
                "kind",
                "startTimeUnixNano",
            ]
        ),
        json_values,
    )
)
def test_any_json_in_a_span_is_read_or_rejected(fields: dict[str, Any]) -> None:
    span = as_json(a_request())["resourceSpans"][0]["scopeSpans"][0]["spans"][0] | fields
    batch = read_json(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode())
    assert len(batch.spans) + len(batch.rejected) == 1


@pytest.mark.skipif(
    not (DATA / "framework-spans").is_dir(), reason="the recorded framework spans are not here"
)
def test_recorded_dumps_read_the_same_in_both_encodings() -> None:
    dumps = [
        path
        for path in sorted((DATA / "framework-spans").glob("*.pb"))
        if ".logs" not in path.name and ".metrics" not in path.name
    ]
    assert dumps
    for path in dumps:
        from_bytes, from_text = (
            read_protobuf(path.read_bytes()),
            read_json(path.with_suffix(".json").read_bytes()),
        )
        assert from_bytes.rejected == from_text.rejected == []
        assert from_bytes.spans == from_text.spans
        request = ExportTraceServiceRequest.FromString(path.read_bytes())
        expected = [span.name for g in request.resource_spans for s in g.scope_spans for span in s.spans]
        assert [span.name for span in from_bytes.spans] == expected
