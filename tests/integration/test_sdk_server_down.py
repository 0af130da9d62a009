"""A server that is down, comes up, goes down again: nothing is lost and nothing is shown twice by mistake."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tallystick.sdk.active import Recording
from tallystick.sdk.install import flush, install, uninstall
from tallystick.sdk.running import run
from tallystick.sdk.tools import tool
from tallystick.sdk.transport import ServerSink


class Server:
    """A stand-in for the server's OTLP door, on a port that stays the same when it goes and comes back."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bool]] = []
        self.port = 0
        self.down_after: int | None = None  # requests until it stops answering (503)
        self._server: HTTPServer | None = None
        self._thread: threading.Thread | None = None

    def up(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                busy = outer.down_after == 0
                if not busy:
                    outer.take(gzip.decompress(body))
                self.send_response(503 if busy else 200)
                if busy:
                    self.send_header("retry-after", "0")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        HTTPServer.allow_reuse_address = True
        self._server = HTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def take(self, body: bytes) -> None:
        if self.down_after is not None:
            self.down_after -= 1
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.got += [(span.span_id.hex(), bool(span.end_time_unix_nano)) for span in scope.spans]

    def down(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    def ended(self) -> set[str]:
        return {span for span, ended in self.got if ended}


class Clock:
    def now(self) -> int:
        return time.time_ns()


class Ids:
    def new(self, prefix: str) -> str:
        return prefix + "_1"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    made.up()
    yield made
    made.down()


def start(server: Server, folder: Path, **settings: Any) -> Recording:
    return install(
        spool_dir=folder, clock=Clock(), ids=Ids(), instrument=False,
        sink=lambda: ServerSink(f"http://127.0.0.1:{server.port}", timeout=5), **settings,
    )  # fmt: skip


@tool(effect="read")
def look(number: int) -> int:
    return number


def work(steps: int) -> None:
    with run(workflow="w"):
        for number in range(steps):
            look(number)


def test_records_wait_for_a_server_that_is_down(server: Server, tmp_path: Path) -> None:
    server.down()
    made = start(server, tmp_path / "spool")
    try:
        work(20)
        assert not flush(0.5)
        assert made.spool.lost == 0
        assert server.got == []
        server.up()
        assert flush(20)
        assert len(server.ended()) == 21
        server.down()
        work(5)
        assert not flush(0.5)
        server.up()
        assert flush(20)
        assert len(server.ended()) == 27
    finally:
        assert uninstall()
    assert not list((tmp_path / "spool").iterdir())


def test_a_server_that_fails_between_batches_loses_nothing(server: Server, tmp_path: Path) -> None:
    server.down_after = 2
    made = start(server, tmp_path / "spool", segment=40_000)
    try:
        work(1_500)
        assert not flush(1)
        assert 0 < len(server.ended()) < 1_501
        server.down_after = None
        assert flush(30)
        assert len(server.ended()) == 1_501
        assert made.spool.lost == 0
    finally:
        uninstall()


def test_what_was_left_at_exit_is_delivered_by_the_next_recording(server: Server, tmp_path: Path) -> None:
    server.down()
    start(server, tmp_path / "spool")
    work(3)
    assert not uninstall(flush=0.3)
    server.up()
    start(server, tmp_path / "spool")
    try:
        assert flush(20)
        assert len(server.ended()) == 4
    finally:
        uninstall()
