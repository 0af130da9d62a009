"""POST /v1/traces against a real server on a loopback port."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from server_double import Serving

from tallystick.api.settings import ServerSettings
from tallystick.model.errors import StoreFault

PROTOBUF, JSON = "application/x-protobuf", "application/json"
SMALL = ServerSettings(max_body=100_000, max_unpacked=300_000)


def request_of(first: int, count: int, *, trace: int = 1, **names: str) -> bytes:
    """Spans numbered from ``first``; ``names`` renames some ("s3" -> name of number 3)."""
    request = ExportTraceServiceRequest()
    part = request.resource_spans.add().scope_spans.add()
    for number in range(first, first + count):
        part.spans.add(
            trace_id=trace.to_bytes(16), span_id=number.to_bytes(8), name=names.get(f"s{number}", "step"),
            start_time_unix_nano=1, end_time_unix_nano=2,
        )  # fmt: skip
    return request.SerializeToString()


def json_of(first: int, count: int) -> bytes:
    spans = [
        {
            "traceId": "01" * 16,
            "spanId": f"{number:016x}",
            "name": "step",
            "startTimeUnixNano": "1",
            "endTimeUnixNano": "2",
        }
        for number in range(first, first + count)
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def post(
    serving: Serving, body: bytes, kind: str | None = PROTOBUF, path: str = "/v1/traces", **headers: str
) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=20)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if kind is not None:
            given["content-type"] = kind
        connection.request("POST", path, body, given)
        response = connection.getresponse()
        response.content = response.read()  # type: ignore[attr-defined]
        return response
    finally:
        connection.close()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with Serving(tmp_path, SMALL) as started:
        yield started


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
def test_both_encodings_and_every_compression(serving: Serving, encoding: str, pack: Any) -> None:
    headers = {"content_encoding": encoding} if encoding else {}
    answer = post(serving, pack(request_of(1, 3)), **headers)
    assert (answer.status, answer.content, answer.headers["content-type"]) == (200, b"", PROTOBUF)
    answer = post(serving, pack(json_of(4, 3)), JSON + "; charset=utf-8", **headers)
    assert (answer.status, answer.content, answer.headers["content-type"]) == (200, b"{}", JSON)
    assert serving.recorder.ids() == {f"{number:016x}" for number in range(1, 7)}


def test_bad_spans_come_back_in_partial_success_and_good_ones_stay(serving: Serving) -> None:
    request = ExportTraceServiceRequest.FromString(request_of(1, 4, s2="bad"))
    request.resource_spans[0].scope_spans[0].spans[3].trace_id = b"short"
    answer = post(serving, request.SerializeToString())
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status, told.rejected_spans) == (200, 2)
    assert "trace id has 5 bytes instead of 16" in told.error_message
    assert "its name is bad" in told.error_message
    assert serving.recorder.ids() == {f"{1:016x}", f"{3:016x}"}
    document = json.loads(json_of(5, 2))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["spanId"] = "xyz"
    answer = post(serving, json.dumps(document).encode(), JSON)
    told_json = json.loads(answer.content)["partialSuccess"]
    assert told_json["rejectedSpans"] == "1"
    assert "spanId is neither hex nor base64" in told_json["errorMessage"]
    tally = serving.app._ingest.tally
    assert (tally.accepted, tally.rejected) == (3, 3)


def test_malformed_bodies_get_400_with_the_reason_in_their_own_encoding(serving: Serving) -> None:
    answer = post(serving, request_of(1, 3)[:-5])
    assert answer.status == 400
    assert answer.content[:2] == b"\x08\x03"  # google.rpc.Status with INVALID_ARGUMENT
    assert b"cut off in the field at byte" in answer.content
    answer = post(serving, b'{"resourceSpans": [', JSON)
    told = json.loads(answer.content)
    assert (answer.status, told["code"]) == (400, 3)
    assert "not JSON" in told["message"]
    answer = post(serving, gzip.compress(request_of(1, 3))[:-4], content_encoding="gzip")
    assert (answer.status, b"cut off" in answer.content) == (400, True)
    answer = post(serving, request_of(1, 3), content_encoding="zstd")
    assert (answer.status, b"not zstd" in answer.content) == (400, True)
    answer = post(serving, request_of(1, 3), content_encoding="br")
    assert (answer.status, b"not known" in answer.content) == (400, True)
    assert serving.recorder.ids() == set()
    assert serving.app._ingest.tally.refused_requests == 5


def test_content_types_methods_and_paths_that_are_not_taken(serving: Serving) -> None:
    assert post(serving, request_of(1, 1), "text/plain").status == 415
    assert post(serving, request_of(1, 1), None).status == 415
    answer = post(serving, b"{}", JSON, "/v1/other")
    assert answer.status == 404
    assert json.loads(answer.content)["code"] == 12
    assert post(serving, b"{}", JSON, "/v1/metrics").content == b"{}"
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=10)
    connection.request("GET", "/v1/traces", headers={"content-type": JSON})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    connection.close()


def test_bodies_over_the_limits_get_413(serving: Serving) -> None:
    answer = post(serving, b"x" * 100_001, JSON)
    assert (answer.status, json.loads(answer.content)["code"]) == (413, 8)
    for encoding, bomb in [
        ("gzip", gzip.compress(bytes(5_000_000))),
        ("zstd", zstandard.ZstdCompressor().compress(bytes(5_000_000))),
    ]:
        assert post(serving, bomb, content_encoding=encoding).status == 413
    with socket.create_connection(
        ("127.0.0.1", serving.port), timeout=10
    ) as raw:  # chunked: no length is told
        raw.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(11):
            raw.sendall(b"%x\r\n" % 10_000 + b"y" * 10_000 + b"\r\n")
        assert b" 413 " in raw.recv(200)
    assert post(serving, request_of(1, 1)).status == 200  # and the server goes on


def test_a_body_that_never_ends_stores_nothing(serving: Serving) -> None:
    body = request_of(1, 2)
    with socket.create_connection(("127.0.0.1", serving.port), timeout=10) as raw:
        raw.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
            b"Content-Length: %d\r\n\r\n" % (len(body) + 10) + body
        )
    assert post(serving, request_of(7, 1)).status == 200
    assert serving.recorder.ids() == {f"{7:016x}"}


def test_a_full_disk_is_503_and_the_same_request_is_taken_later(serving: Serving) -> None:
    serving.recorder.full = True
    answer = post(serving, request_of(1, 2))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert b"no room on the disk" in answer.content
    assert serving.recorder.ids() == set()
    serving.recorder.full = False
    assert post(serving, request_of(1, 2)).status == 200
    assert len(serving.recorder.ids()) == 2


def test_a_store_fault_is_told_as_retryable(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(spans: object) -> None:
        raise StoreFault("the store is damaged")

    monkeypatch.setattr(serving.recorder, "record", broken)
    answer = post(serving, request_of(1, 2))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


def test_one_span_that_trips_a_fault_does_not_lose_the_others(serving: Serving) -> None:
    answer = post(serving, request_of(1, 9, s6="bug"))
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status, told.rejected_spans) == (200, 1)
    assert f"{6:016x}: it could not be recorded (ZeroDivisionError)" in told.error_message
    assert serving.recorder.ids() == {f"{number:016x}" for number in range(1, 10) if number != 6}


def test_requests_that_wait_are_joined_and_each_gets_its_own_answer(tmp_path: Path) -> None:
    with Serving(tmp_path, ServerSettings()) as serving:
        gate = threading.Event()
        record = serving.recorder.record

        def slow(spans: Any) -> Any:
            gate.wait(10)
            return record(spans)

        serving.recorder.record = slow  # type: ignore[method-assign]
        answers: dict[int, Any] = {}

        def send(number: int) -> None:
            names = (
                {f"s{number * 10}": "bad"}
                if number == 3
                else {f"s{number * 10 + 1}": "bug"}
                if number == 5
                else {}
            )
            answers[number] = post(serving, request_of(number * 10, 4, **names))

        threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 9)]
        for thread in threads:
            thread.start()
        writer = serving.app._ingest._writer
        deadline = threading.Event()
        while writer.pending_requests < 8:
            assert not deadline.wait(0.01)
        gate.set()
        for thread in threads:
            thread.join()
        assert {answer.status for answer in answers.values()} == {200}
        refused = {
            number: ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans
            for number, answer in answers.items()
        }
        assert refused == {1: 0, 2: 0, 3: 1, 4: 0, 5: 1, 6: 0, 7: 0, 8: 0}
        assert len(serving.recorder.ids()) == 8 * 4 - 2


def test_quiet_joins_become_one_commit(tmp_path: Path) -> None:
    with Serving(tmp_path, ServerSettings()) as serving:
        gate = threading.Event()
        record = serving.recorder.record
        serving.recorder.record = lambda spans: (gate.wait(10), record(spans))[1]  # type: ignore[method-assign]
        threads = [threading.Thread(target=post, args=(serving, request_of(n * 10, 5))) for n in range(1, 7)]
        for thread in threads:
            thread.start()
        while serving.app._ingest._writer.pending_requests < 6:
            assert not threading.Event().wait(0.01)
        gate.set()
        for thread in threads:
            thread.join()
        assert sum(serving.recorder.sizes) == 30
        assert len(serving.recorder.sizes) <= 3  # those that waited for the first commit went into one


def test_a_server_with_too_much_waiting_says_come_back(tmp_path: Path) -> None:
    with Serving(tmp_path, replace(SMALL, max_pending=500)) as serving:
        gate = threading.Event()
        record = serving.recorder.record
        serving.recorder.record = lambda spans: (gate.wait(10), record(spans))[1]  # type: ignore[method-assign]
        first = threading.Thread(target=post, args=(serving, request_of(1, 8)))
        first.start()
        while not serving.app._ingest._writer.pending_requests:
            assert not threading.Event().wait(0.01)
        answer = post(serving, request_of(20, 8))
        gate.set()
        first.join()
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert b"more waiting than it can hold" in answer.content
        assert len(serving.recorder.ids()) == 8


def test_the_second_port_takes_otlp_only(tmp_path: Path) -> None:
    with Serving(tmp_path, SMALL, otlp=True) as serving:
        port = int(serving.otlp_url.rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/v1/traces", request_of(1, 1), {"content-type": PROTOBUF})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        connection.request("GET", "/api/runs")
        answer = connection.getresponse()
        assert (answer.status, "OTLP only" in answer.read().decode()) == (404, True)
        connection.close()
