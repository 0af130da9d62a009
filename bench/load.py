"""The load that every server gets, byte for byte the same: OTLP protobuf requests in OpenInference's words.

A hundred spans a request, about twenty spans a run and one run of 2,000 in every 8,000 spans; 77% of the spans
carry a payload of 2 KB on average, one in two hundred carries 50 KB. The words are OpenInference's because all three
servers read them. Everything comes from one seed: a second run of the bench sends the same text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

BATCH = 100
LONG_RUN = 2_000
LONG_EVERY = 8_000
KINDS = ("LLM", "TOOL", "LLM", "RETRIEVER", "CHAIN")


@dataclass(frozen=True)
class Load:
    """Requests ready to post. ``long_run``: trace id of a run of 2,000 spans; ``last``: that of the last run sent."""

    bodies: list[bytes]
    spans: int
    runs: int
    long_run: str
    last: str
    last_spans: int


class Text:
    """Prose of made-up words that compresses about as well as agents' prompts do (zstd level 3: 3 to 4 times)."""

    def __init__(self, chance: random.Random) -> None:
        letters = "etaoinshrdlucmfwypvbgk"
        self.words = ["".join(chance.choices(letters, k=chance.randint(2, 10))) for _ in range(6_000)]
        self._weights = [1 / (rank + 8) for rank in range(len(self.words))]
        self._chance = chance
        pool = chance.choices(self.words, self._weights, k=200_000)
        self._pool = " ".join(pool)

    def take(self, size: int) -> str:
        """Text of exactly ``size`` characters, cut at a random place of the pool."""
        start = self._chance.randrange(len(self._pool) - size)
        return self._pool[start : start + size]


def _sizes(total: int) -> Iterator[int]:
    """Spans of each run: one long run first in every LONG_EVERY spans, then runs of 15 to 25."""
    chance = random.Random(total)
    sent = 0
    next_long = 0
    while sent < total:
        size = (
            LONG_RUN
            if sent >= next_long and total - sent >= LONG_RUN
            else min(chance.randint(15, 25), total - sent)
        )
        if size == LONG_RUN:
            next_long += LONG_EVERY
        sent += size
        yield size


def make(total: int, *, seed: int, now_ns: int) -> Load:
    """Build ``total`` spans as request bodies. ``now_ns``: the runs end shortly before this time."""
    chance = random.Random(seed)
    text = Text(random.Random(7))
    bodies: list[bytes] = []
    request, spans = _request()
    long_run = last = ""
    last_size = runs = 0
    for size in _sizes(total):
        trace = chance.randbytes(16)
        runs += 1
        if size == LONG_RUN and not long_run:
            long_run = trace.hex()
        last, last_size = trace.hex(), size
        for span in _run(size, trace, now_ns - 3_600_000_000_000 + runs * 1_000_000, chance, text):
            spans.add().CopyFrom(span)
            if len(spans) == BATCH:
                bodies.append(request.SerializeToString())
                request, spans = _request()
    if len(spans):
        bodies.append(request.SerializeToString())
    return Load(bodies, total, runs, long_run, last, last_size)


def _request() -> tuple[ExportTraceServiceRequest, Any]:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _put(resource.resource.attributes, "service.name", "bench")
    scope = resource.scope_spans.add()
    scope.scope.name = "openinference.instrumentation.openai"
    scope.scope.version = "0.1.66"
    return request, scope.spans


def _run(size: int, trace: bytes, started: int, chance: random.Random, text: Text) -> Iterator[Any]:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    root = chance.randbytes(8)
    parent = root
    for index in range(size):
        span = Span()
        span.trace_id = trace
        span.span_id = root if index == 0 else chance.randbytes(8)
        if index:
            span.parent_span_id = parent if index % 5 else root
        kind = "AGENT" if index == 0 else KINDS[index % len(KINDS)]
        if kind == "CHAIN":
            parent = span.span_id
        span.name = f"{kind.lower()}_{index % 7}"
        span.kind = 1
        span.start_time_unix_nano = started + index * 1_000_000
        span.end_time_unix_nano = started + (size * 1_000_000 if index == 0 else index * 1_000_000 + 900_000)
        span.status.code = 2 if chance.random() < 0.02 else 1
        _attributes(span.attributes, kind, trace, index, chance, text)
        yield span


def _attributes(out: Any, kind: str, trace: bytes, index: int, chance: random.Random, text: Text) -> None:
    _put(out, "openinference.span.kind", kind)
    _put(out, "session.id", f"session-{trace[:4].hex()}")
    _put(out, "user.id", f"user-{trace[0]}")
    _put(out, "metadata", '{"environment": "production", "release": "1.4.0"}')
    _put(out, "agent.name", f"agent-{trace[1] % 8}")
    if kind == "LLM":
        prompt, completion = chance.randint(200, 4_000), chance.randint(5, 600)
        _put(out, "llm.model_name", "gpt-4o-mini")
        _put(out, "llm.provider", "openai")
        _put(out, "llm.token_count.prompt", prompt)
        _put(out, "llm.token_count.completion", completion)
        _put(out, "llm.token_count.total", prompt + completion)
        _put(out, "llm.invocation_parameters", '{"temperature": 0.2, "max_tokens": 600}')
    elif kind == "TOOL":
        _put(out, "tool.name", f"tool_{index % 11}")
        _put(out, "tool.description", "Looks something up.")
        _put(out, "tool_call.id", f"call_{trace[:6].hex()}{index}")
    if chance.random() < 0.77:
        size = 50_000 if chance.random() < 0.005 else max(40, int(chance.gammavariate(2.0, 880)))
        _put(out, "input.value", text.take(size * 2 // 3))
        _put(out, "input.mime_type", "text/plain")
        _put(out, "output.value", text.take(size // 3))
        _put(out, "output.mime_type", "text/plain")


def _put(out: Any, key: str, value: str | int) -> None:
    item = out.add()
    item.key = key
    if isinstance(value, str):
        item.value.string_value = value
    else:
        item.value.int_value = value
