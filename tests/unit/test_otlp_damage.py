"""The OTLP readers on what is broken: the place is named, one bad span costs one span, and nothing escapes."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from otlp_requests import SPAN, STEADY, TRACE, a_request, as_json, varint

from tallystick.api.otlp import read_json, read_protobuf
from tallystick.api.otlp.batch import Unreadable
from tallystick.api.otlp.values import read_attributes
from tallystick.model.errors import BadInput

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
        inner = b"\x0a" + varint(len(value)) + value
        value = b"\x2a" + varint(len(inner)) + inner
    with pytest.raises(Unreadable, match="nested"):
        read_attributes([b"\x0a\x01k\x12" + varint(len(value)) + value])
    document = as_json(a_request())
    nested: dict[str, Any] = {"stringValue": "x"}
    for _ in range(70):
        nested = {"arrayValue": {"values": [nested]}}
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = [{"key": "k", "value": nested}]
    assert "nested" in read_json(json.dumps(document).encode()).rejected[0].reason


@STEADY
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in (read_protobuf, read_json):
        try:
            read(body)
        except BadInput:
            continue


@STEADY
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


@STEADY
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


@pytest.mark.parametrize("field", ["trace_id", "span_id"])
def test_an_id_of_a_megabyte_is_refused_in_few_words(field: str) -> None:
    batch = read_protobuf(a_request({"k": "v"}, **{field: b"\x01" * 1_000_000}).SerializeToString())
    (refused,) = batch.rejected
    assert len(refused.trace) + len(refused.span) + len(refused.reason) < 300
