"""CPU per span of ingest's stages, without HTTP: decode, read into steps, price, commit.

Run: ``python -m bench.ingest_core``

The load is that of the spine bench (bench/load.py) and, beside it, spans with fifteen attributes as Tallystick's SDK
writes them. Each stage is the smallest of several rounds over the same requests, and commits go to an empty store each
time. What HTTP adds runs on the event loop's thread and is not in here. Only ratios mean anything: the same code takes
a quarter more when a neighbour uses the other half of the core.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import random
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench import load
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.api.otlp import read_protobuf
from tallystick.api.unpack import unpack
from tallystick.app.recording.record import Recorder
from tallystick.app.recording.redacting import SpanRedactor
from tallystick.cost.rates import RateCard, load_card
from tallystick.model.span import Span
from tallystick.observe.normalise import read_span
from tallystick.wiring.redacting import text_redactor

START_NS = 1_795_000_000_000_000_000
REDACTORS: dict[str, SpanRedactor | None] = {
    "nothing": None,
    "secrets": SpanRedactor(text_redactor(("secrets",))),
    "all": SpanRedactor(text_redactor(("secrets", "personal"))),
}
SENDERS = 4  # busy at once, as in the spine bench: the server commits what waits together


class Clock:
    """Time that stands still, so that no stage pays for asking."""

    def now(self) -> int:
        return START_NS


def sdk_requests(count: int, seed: int) -> list[bytes]:
    """``count`` requests of 100 model steps with fifteen attributes each."""
    chance = random.Random(seed)
    bodies = []
    for batch in range(count):
        request = ExportTraceServiceRequest()
        part = request.resource_spans.add().scope_spans.add()
        part.scope.name = "tallystick"
        for number in range(100):
            run = f"{(batch * 5 + number // 20):032x}"
            message = {"role": "user", "parts": [{"content": chance.randbytes(300).hex()}]}
            reply = {"role": "assistant", "parts": [{"content": chance.randbytes(300).hex()}]}
            texts = {
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
                "gen_ai.response.id": f"resp-{chance.randbytes(12).hex()}",
                "tallystick.run.id": run, "gen_ai.agent.name": "refunds", "tallystick.workflow.name": "support",
                "gen_ai.input.messages": json.dumps([message]),
                "gen_ai.output.messages": json.dumps([reply]),
                "server.address": "api.example.com", "gen_ai.output.type": "text",
            }  # fmt: skip
            span = part.spans.add(
                trace_id=bytes.fromhex(run)[:15] + b"\x01", span_id=chance.randbytes(8), parent_span_id=b"\x01" * 8,
                name="chat gpt-4o-mini", kind=3, start_time_unix_nano=START_NS, end_time_unix_nano=START_NS + 5,
            )  # fmt: skip
            for key, text in texts.items():
                span.attributes.add(key=key).value.string_value = text
            whole = {
                "gen_ai.usage.input_tokens": 4_000,
                "gen_ai.usage.output_tokens": 900,
                "tallystick.seq": 20,
            }
            for key, most in whole.items():
                span.attributes.add(key=key).value.int_value = chance.randrange(1, most)
        bodies.append(request.SerializeToString())
    return bodies


def per_span(work: Callable[[], object], spans: int, rounds: int) -> float:
    """Microseconds of CPU for each span, the smallest of several rounds."""
    least = float("inf")
    for _ in range(rounds):
        gc.collect()
        start = time.process_time_ns()
        work()
        least = min(least, time.process_time_ns() - start)
    return least / spans / 1_000


def measure(name: str, bodies: list[bytes], rounds: int) -> None:
    """Print one line a stage."""
    batches = [read_protobuf(body).spans for body in bodies]
    spans = sum(len(batch) for batch in batches)
    limit = 1 << 26
    zipped = [gzip.compress(body, 6) for body in bodies]
    packed = [zstandard.ZstdCompressor().compress(body) for body in bodies]
    stages: dict[str, Callable[[], object]] = {
        "gunzip": lambda: [unpack(body, "gzip", limit=limit) for body in zipped],
        "unzstd": lambda: [unpack(body, "zstd", limit=limit) for body in packed],
        "decode": lambda: [read_protobuf(body) for body in bodies],
        "read into steps": lambda: [read_span(span) for batch in batches for span in batch],
    }
    size = sum(map(len, bodies)) / spans
    attributes = sum(len(span.attributes) for batch in batches for span in batch) / spans
    print(f"{name}: {spans} spans, {size:.0f} B and {attributes:.1f} attributes a span")
    for stage, work in stages.items():
        print(f"  {stage:<24}{per_span(work, spans, rounds):>8.1f} µs")
    card = load_card(json.loads(resources.files("tallystick.cost").joinpath("card.json").read_text("utf-8")))
    joined = [
        [span for batch in batches[at : at + SENDERS] for span in batch]
        for at in range(0, len(batches), SENDERS)
    ]
    for label, groups in (("commit each request", batches), (f"commit {SENDERS} together", joined)):
        for told, redactor in REDACTORS.items():
            cost = min(_commit(groups, card, redactor) for _ in range(rounds)) / spans / 1_000
            print(f"  {label:<24}{cost:>8.1f} µs   (read, price, commit; redact = {told})")
    for told, redactor in REDACTORS.items():
        cost = per_span(
            lambda by=redactor: [by.spans(batch) for batch in batches] if by else None, spans, rounds
        )  # type: ignore[misc]
        print(f"  redact {told:<17}{cost:>8.1f} µs")


def _commit(groups: list[list[Span]], card: RateCard, redactor: SpanRedactor | None) -> int:
    """Nanoseconds of CPU that recording takes in an empty store; a second record of the same spans is a repeat."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteTraces(Path(folder) / "traces.db")
        recorder = Recorder(store, card, Clock(), redactor=redactor)
        gc.collect()
        start = time.process_time_ns()
        for group in groups:
            recorder.record(group)
        spent = time.process_time_ns() - start
        store.close()
    return spent


def main() -> None:
    """Measure both loads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    gc.set_threshold(50_000, 20, 50)  # as the server does
    gc.freeze()
    measure("spine load", load.make(given.spans, seed=1, now_ns=START_NS).bodies, given.rounds)
    measure("SDK spans", sdk_requests(given.spans // 100, seed=1), given.rounds)


if __name__ == "__main__":
    main()
