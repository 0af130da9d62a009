"""The sink over OTLP/HTTP against a real HTTP server that answers protobuf."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tallystick.model.errors import BadInput, ConfigError, NotSignedIn, Unreachable
from tallystick.model.span import Event, Link, Source, Span
from tallystick.sdk.otlp import encode
from tallystick.sdk.transport import ServerSink

Answer = tuple[int, dict[str, str], bytes]


class Server:
    """A server whose answers a test decides; it keeps the requests it got."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[Any] = []
        self.answer: Callable[[ExportTraceServiceRequest], Answer] = lambda _request: (200, {}, b"")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
                outer.requests.append(request)
                outer.headers.append(self.headers)
                status, headers, answer = outer.answer(request)
                self.send_response(status)
                for key, value in {**headers, "content-length": str(len(answer))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def span(number: int, **facts: Any) -> Span:
    return Span(
        f"{number:032x}", f"{number:016x}", None, f"s{number}", 1, 2, facts.pop("source", Source()), **facts
    )


def names(request: ExportTraceServiceRequest) -> list[str]:
    return [s.name for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]


def test_a_batch_arrives_whole(server: Server) -> None:
    source = Source({"service.name": "x"}, "scope", "1.0", "http://schema")
    one = span(
        1, source=source, kind=3, status=2, status_message="no", dropped=4,
        attributes={"s": "t", "b": True, "i": -5, "f": 1.5, "raw": b"\x00", "list": ["a", 1], "map": {"k": [None]},
                    "none": None, "huge": 2**70, "empty": [], "nothing": {}},
        events=(Event("e", 7, {"k": "v"}),), links=(Link("a" * 32, "b" * 16, {"l": 1}),),
    )  # fmt: skip
    start = Span("c" * 32, "d" * 16, "e" * 16, "begun", 5, None, source)
    sink = ServerSink(server.url, token="secret")
    sink.deliver([one, start, span(2)])
    sink.close()
    (request,) = server.requests
    assert names(request) == ["s1", "begun", "s2"]
    assert server.headers[0]["authorization"] == "Bearer secret"
    first = request.resource_spans[0]
    assert first.resource.attributes[0].value.string_value == "x"
    assert (first.scope_spans[0].scope.name, first.scope_spans[0].schema_url) == ("scope", "http://schema")
    wire = first.scope_spans[0].spans[0]
    values = {pair.key: pair.value for pair in wire.attributes}
    assert values["b"].WhichOneof("value") == "bool_value"
    assert values["i"].int_value == -5
    assert values["raw"].bytes_value == b"\x00"
    assert values["list"].array_value.values[1].int_value == 1
    assert values["map"].kvlist_value.values[0].value.array_value.values[0].WhichOneof("value") is None
    assert values["none"].WhichOneof("value") is None
    assert values["huge"].string_value == str(2**70)
    assert values["empty"].WhichOneof("value") == "array_value"
    assert values["nothing"].WhichOneof("value") == "kvlist_value"
    assert (wire.kind, wire.status.code, wire.dropped_attributes_count) == (3, 2, 4)
    assert wire.events[0].time_unix_nano == 7
    assert wire.links[0].span_id.hex() == "b" * 16
    begun = first.scope_spans[0].spans[1]
    assert begun.end_time_unix_nano == 0
    assert begun.parent_span_id.hex() == "e" * 16


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])) | st.binary(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), VALUES, max_size=5))
def test_every_value_survives_the_wire(attributes: dict[str, Any]) -> None:
    request = ExportTraceServiceRequest.FromString(encode([span(1, attributes=attributes)]))
    wire = request.resource_spans[0].scope_spans[0].spans[0]
    assert {pair.key: back(pair.value) for pair in wire.attributes} == attributes


def back(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [back(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: back(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def test_busy_is_waited_for_as_long_as_the_server_asks(server: Server) -> None:
    waits: list[float] = []
    answers = [(503, {"retry-after": "3"}, b""), (429, {}, b""), (200, {}, b"")]
    server.answer = lambda _request: answers.pop(0)
    sink = ServerSink(server.url, sleep=waits.append)
    sink.deliver([span(1)])
    assert waits == [3.0, 1.0]
    server.answer = lambda _request: (503, {"retry-after": "99"}, b"")
    with pytest.raises(Unreachable, match="busy"):
        sink.deliver([span(1)])
    sink.close()


def test_a_batch_too_large_is_halved_and_a_bad_record_does_not_stop_the_rest(server: Server) -> None:
    stored: list[str] = []

    def answer(request: ExportTraceServiceRequest) -> Answer:
        found = names(request)
        if len(found) > 2:
            return 413, {}, b""
        if "s5" in found:
            return 400, {}, b"cannot read s5"
        stored.extend(found)
        return 200, {}, b""

    server.answer = answer
    refused: list[tuple[str, str]] = []
    sink = ServerSink(server.url, on_refused=lambda one, why: refused.append((one.name, why)))
    sink.deliver([span(number) for number in range(1, 10)])
    assert sorted(stored) == ["s1", "s2", "s3", "s4", "s6", "s7", "s8", "s9"]
    assert sink.refused == 1
    assert refused[0][0] == "s5"
    assert "cannot read s5" in refused[0][1]
    with pytest.raises(BadInput):
        sink.deliver([span(5)])
    sink.close()


def test_partial_success_is_counted_and_kept_visible(server: Server) -> None:
    partial = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="end before start")
    )
    server.answer = lambda _request: (200, {}, partial.SerializeToString())
    sink = ServerSink(server.url)
    sink.deliver([span(1), span(2), span(3)])
    assert (sink.refused, sink.reason) == (2, "end before start")
    sink.close()


def test_refusals_that_are_not_the_record_s_fault_keep_it(server: Server) -> None:
    sink = ServerSink(server.url)
    for status, error in ((401, NotSignedIn), (403, NotSignedIn), (404, Unreachable), (500, Unreachable)):
        server.answer = lambda _request, status=status: (status, {}, b"no")
        with pytest.raises(error):
            sink.deliver([span(1)])
    sink.close()


def test_a_connection_that_the_server_dropped_is_opened_again(server: Server) -> None:
    sink = ServerSink(server.url)
    server.answer = lambda _request: (200, {"connection": "close"}, b"")
    sink.deliver([span(1)])
    sink.deliver([span(2)])
    sink.close()
    assert [names(request) for request in server.requests] == [["s1"], ["s2"]]


def test_nobody_there_is_unreachable_and_bad_addresses_are_told() -> None:
    sink = ServerSink("http://127.0.0.1:9", timeout=2)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        sink.deliver([span(1)])
    for address in ("127.0.0.1:4777", "ftp://x", "http://", ""):
        with pytest.raises(ConfigError):
            ServerSink(address)
