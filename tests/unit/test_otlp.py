"""The OTLP readers against opentelemetry-proto's own encoder, in both encodings."""

from __future__ import annotations

import base64
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_requests import SPAN, STEADY, TRACE, a_request, as_json, only, put, varint

from tallystick.api.otlp import read_json, read_protobuf

_DATA = os.environ.get("TALLYSTICK_SHARED_DATA")
DATA = Path(_DATA) if _DATA else Path(__file__).resolve().parents[2].parent / "shared" / "data"

leaves = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.binary(max_size=40)
)
contents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
@STEADY
@given(attributes=st.dictionaries(st.text(max_size=20), contents, max_size=6))
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
@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 16_383, 16_384, 2**21, 2**63 - 1, -1, -(2**63)])
def test_whole_numbers_of_every_length(encoding: str, number: int) -> None:
    read = only(a_request({"llm.token_count.prompt": number}), encoding).attributes
    assert read == {"llm.token_count.prompt": number}
    assert type(read["llm.token_count.prompt"]) is int


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
    old = b"\xc2\x3e" + varint(len(inner)) + inner  # field 1000, length-delimited
    (span,) = read_protobuf(b"\x0a" + varint(len(old)) + old).spans
    assert (span.source.scope, span.attributes) == ("a.scope", {"k": "v"})


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


@pytest.mark.skipif(
    not (DATA / "framework-spans").is_dir(), reason="shared data is not here: framework-spans"
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
