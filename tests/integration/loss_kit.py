"""A bad road to the server: every 7th export is dropped, every 5th answer is lost, the collector is killed.

Each sort of agent has a road of its own, so that what is dropped does not depend on which of them is faster.

The road knows what it dropped, the agents write down what they recorded: so a test knows the truth.
"""

from __future__ import annotations

import gzip
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

DROP_EVERY = 7  # answered with 200 and thrown away: the loss that no sender can see
MUTE_EVERY = 5  # committed, but the answer is lost: the sender sends it again

# What both agents share: each step is written down as "run trace span parent" at the moment it begins.
_SHARED = """
import os, random, sys, time
skew, true = int(os.environ.get("SKEW", "0")), time.time_ns  # a clock that is wrong
time.time_ns = lambda: true() + skew
from pathlib import Path
from opentelemetry import trace
random.seed(int(sys.argv[1]))
log = open(sys.argv[2], "a", buffering=1)
def note(run, parent=None):
    context = trace.get_current_span().get_span_context()
    span = f"{context.span_id:016x}"
    log.write(f"{run or format(context.trace_id, '032x')} {context.trace_id:032x} {span} {parent or '-'}\\n")
    return span
"""

# Our SDK: records go through the spool. ``die`` runs later it kills itself in the middle of one.
SDK_AGENT = (
    _SHARED
    + """
import tallystick
tallystick.init(agent="teller", instrument=False)
@tallystick.tool(effect="read")
def look(run, parent, deep, number):
    span = note(run, parent)
    time.sleep(random.uniform(0.002, 0.012))
    if deep:
        look(run, span, False, number + 0.5)
    return f"found {number}"
for number in range(int(sys.argv[3])):
    with tallystick.run(goal="count"):
        root = note(None)
        run = f"{trace.get_current_span().get_span_context().trace_id:032x}"
        for turn in range(random.randint(4, 14)):
            look(run, root, turn % 3 == 0, turn)
            if number + 1 == int(sys.argv[4]) and turn == 3:
                os._exit(9)
    if number % 3:  # else a slow machine would put all runs into one export
        tallystick.flush(5)
left = time.monotonic() + 60
while not tallystick.shutdown() and time.monotonic() < left:
    tallystick.init(agent="teller", instrument=False)
"""
)

# Plain OpenTelemetry: its own batch processor, its own exporter, nothing of ours.
FOREIGN_AGENT = (
    _SHARED
    + """
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider(resource=Resource({"service.name": "stranger"}))
exporter = OTLPSpanExporter(endpoint=os.environ["ENDPOINT"] + "/v1/traces", timeout=3)
provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=40, max_export_batch_size=16))
if os.environ.get("TWICE"):  # another exporter copies the roots to the same server
    class Roots(BatchSpanProcessor):
        def on_end(self, span):
            if span.parent is None:
                super().on_end(span)
    copies = OTLPSpanExporter(endpoint=os.environ["ENDPOINT"] + "/v1/traces", timeout=3)
    provider.add_span_processor(Roots(copies, schedule_delay_millis=90))
tracer = provider.get_tracer("stranger")
def step(run, parent, deep):
    with tracer.start_as_current_span("execute_tool", attributes={"gen_ai.operation.name": "execute_tool"}):
        span = note(run, parent)
        time.sleep(random.uniform(0.002, 0.012))
        if deep:
            step(run, span, deep - 1)
for number in range(int(sys.argv[3])):
    with tracer.start_as_current_span("invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
        root = note(None)
        for turn in range(random.randint(3, 8)):
            step(None, root, turn % 3)
    provider.force_flush()
provider.shutdown()
"""
)


class Road:
    """A proxy in front of ``target``; ``dropped`` are (trace, span, ended) that were thrown away."""

    def __init__(self, in_a_row: int = 1) -> None:
        self.target = 0
        self.in_a_row = in_a_row
        self.exports = self.mute = 0
        self.dropped: list[tuple[str, str, bool]] = []
        self._lock = threading.Lock()
        road = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, answer = road.carry(self.path, body, dict(self.headers.items()))
                if not status:  # the answer is lost: the connection breaks instead
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.send_header("content-type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Road:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def carry(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """What the sender hears; 0 where its connection breaks."""
        with self._lock:
            self.exports += 1
            number = self.exports
        if number >= DROP_EVERY and number % DROP_EVERY < self.in_a_row:
            self._drop(body, headers)
            return 200, b""
        kept = {
            name: headers[name] for name in headers if name.lower() in ("content-type", "content-encoding")
        }
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=10)
            connection.request("POST", path, body, kept)
            answer = connection.getresponse()
            told = answer.status, answer.read()
            connection.close()
        except (OSError, http.client.HTTPException):
            return 503, b""  # killed: whether it was committed, nobody can say here
        if number % MUTE_EVERY == 0:
            self.mute += 1
            return 0, b""
        return told

    def _drop(self, body: bytes, headers: dict[str, str]) -> None:
        packed = any(
            name.lower() == "content-encoding" and value == "gzip" for name, value in headers.items()
        )
        request = ExportTraceServiceRequest.FromString(gzip.decompress(body) if packed else body)
        with self._lock:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.dropped += [
                        (span.trace_id.hex(), span.span_id.hex(), span.end_time_unix_nano > 0)
                        for span in scope.spans
                    ]
