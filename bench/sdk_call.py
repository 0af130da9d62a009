"""What recording one call with 15 attributes costs, against the bare OpenTelemetry SDK in the same process.

The recorders take turns, block by block, so that whatever else the machine does falls on all of them. All of
Tallystick's write each call to a spool on disk before it returns, and ship it to a sink that throws it away:

- bare:       TracerProvider + BatchSpanProcessor with an exporter that throws everything away
- tallystick: what ``tallystick.init()`` puts in place where there is no provider yet
- step:       the same through Tallystick's own door (what its decorators do) instead of start_as_current_span
- secrets:    as tallystick, with the rules for secrets before the spool (the default); the two above only mask by shape
- all:        the same with personal data
- joined:     the SDK's own TracerProvider, which Tallystick joined; nobody else listens
- both:       the bare one joined by Tallystick (a program that already has an exporter of its own)
- store:      as tallystick, but shipped into the local store in the same process. What the bare one leaves out (making
              and sending OTLP, and the database at the other end) is in this row, so its process figure is no ratio to
              hold anything against; it says what zero configuration costs a program all in all

Printed are medians over the blocks: CPU of the calling thread, and CPU of the whole process (with the background
threads), in microseconds a call, and the ratios to bare. Run: python bench/sdk_call.py [--json]
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from tallystick import wiring
from tallystick.app.recording.redacting import SpanRedactor
from tallystick.model.span import Span
from tallystick.sdk.local import StoreSink
from tallystick.sdk.place import PLACE_KEY, Place, RunState
from tallystick.sdk.processor import RunProcessor
from tallystick.sdk.providers import OpenProvider
from tallystick.sdk.redacting import BeforeSpool
from tallystick.sdk.runtime import Sink
from tallystick.sdk.shipping import Shipper
from tallystick.sdk.spool import Spool
from tallystick.sdk.stepping import open_step
from tallystick.wiring.redacting import text_redactor

ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.request.max_tokens": 1024,
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.top_p": 1.0,
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.id": "chatcmpl-9a8b7c6d5e4f",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 812,
    "gen_ai.usage.output_tokens": 64,
    "gen_ai.conversation.id": "conversation-4711",
    "server.address": "api.example.com",
    "server.port": 443,
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"It was sent today."}]}]',
}


_calls = itertools.count()


def attributes_of_calls(calls: int) -> list[dict[str, Any]]:
    """Fresh attributes for each call: ids, counts and messages differ from call to call, as they do in real life."""
    return [
        {
            **ATTRIBUTES,
            "gen_ai.response.id": f"chatcmpl-{number:012x}",
            "gen_ai.usage.input_tokens": 512 + number % 7_919,
            "gen_ai.usage.output_tokens": 16 + number % 1_009,
            "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Order '
            f'{number} was sent today."}}]}}]',
        }
        for number in itertools.islice(_calls, calls)
    ]


class NullExporter(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class NullSink:
    def deliver(self, spans: Sequence[Span]) -> None:
        return

    def close(self) -> None:
        return


class Recorder:
    """One of them; ``call`` is one traced call, ``settle`` waits until the background has caught up."""

    def __init__(
        self, name: str, folder: Path, *, batch: bool, tallystick: bool, own: bool = False,
        sink: Callable[[], Sink] = NullSink, redact: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.name = name
        self.provider = (
            OpenProvider(shutdown_on_exit=False, light=True)
            if own
            else TracerProvider(shutdown_on_exit=False)
        )
        self.flushes: list[Callable[[], object]] = []
        if batch:
            exporter = BatchSpanProcessor(NullExporter(), max_queue_size=50_000)
            self.provider.add_span_processor(exporter)
            self.flushes.append(exporter.force_flush)
        self.place: Place | None = None
        if tallystick:
            spool = Spool(folder / name)
            shipper = Shipper(spool, sink)
            self.processor = processor = RunProcessor(spool, wake=shipper.wake)
            processor.visible = batch
            if redact:
                processor.rules = BeforeSpool(SpanRedactor(text_redactor(redact)))
            if isinstance(self.provider, OpenProvider):
                self.provider.add_own_processor(processor)
            else:
                self.provider.add_span_processor(processor)
            self.flushes.append(lambda: shipper.flush(30))
            self.place = Place(RunState(0), "refunds", None, "support")
        self.tracer = self.provider.get_tracer("bench")

    def work(self, facts: list[dict[str, Any]]) -> None:
        tracer = self.tracer
        for attributes in facts:
            with tracer.start_as_current_span("chat gpt-4o-mini", attributes=attributes):
                pass

    def block(self, calls: int) -> tuple[float, float]:
        """(thread, process) CPU in µs a call for a block of calls inside one run."""
        token = None
        if self.place is not None:
            token = otel_context.attach(otel_context.set_value(PLACE_KEY, self.place))
        facts = attributes_of_calls(calls)
        process, thread = time.process_time_ns(), time.thread_time_ns()
        self.work(facts)
        thread = time.thread_time_ns() - thread
        for flush in self.flushes:
            flush()
        process = time.process_time_ns() - process
        if token is not None:
            otel_context.detach(token)
        return thread / calls / 1_000, process / calls / 1_000


def store_sink(folder: Path) -> Callable[[], Sink]:
    """The sink that zero configuration gives: the local store."""

    def made() -> Sink:
        stores = wiring.open_stores(folder)
        return StoreSink(wiring.recorder(stores), stores.close)

    return made


class StepRecorder(Recorder):
    """Calls made the way Tallystick's own decorators make them."""

    def work(self, facts: list[dict[str, Any]]) -> None:
        active: Any = self
        for attributes in facts:
            step = open_step(active, "chat gpt-4o-mini", attributes)
            token = otel_context.attach(step.context)
            otel_context.detach(token)
            step.close()


def measure(blocks: int, calls: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        recorders = [
            Recorder("bare", Path(folder), batch=True, tallystick=False),
            Recorder("tallystick", Path(folder), batch=False, tallystick=True, own=True),
            StepRecorder("step", Path(folder), batch=False, tallystick=True, own=True),
            Recorder("secrets", Path(folder), batch=False, tallystick=True, own=True, redact=("secrets",)),
            Recorder(
                "all", Path(folder), batch=False, tallystick=True, own=True, redact=("secrets", "personal")
            ),
            Recorder("joined", Path(folder), batch=False, tallystick=True),
            Recorder("both", Path(folder), batch=True, tallystick=True),
            Recorder(
                "store",
                Path(folder),
                batch=False,
                tallystick=True,
                own=True,
                sink=store_sink(Path(folder) / "db"),
            ),
        ]
        seen: dict[str, list[tuple[float, float]]] = {recorder.name: [] for recorder in recorders}
        for recorder in recorders:
            recorder.block(calls)
        for turn in range(blocks):
            for recorder in recorders[turn % len(recorders) :] + recorders[: turn % len(recorders)]:
                seen[recorder.name].append(recorder.block(calls))
        for recorder in recorders:
            recorder.provider.shutdown()
    result = {}
    for name, pairs in seen.items():
        thread, process = (statistics.median(side) for side in zip(*pairs, strict=True))
        result[name] = {"thread_us": round(thread, 2), "process_us": round(process, 2)}
    for name, row in result.items():
        row["thread_ratio"] = round(row["thread_us"] / result["bare"]["thread_us"], 3)
        row["process_ratio"] = round(row["process_us"] / result["bare"]["process_us"], 3)
        assert name in seen
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--blocks", type=int, default=120)
    parser.add_argument("--calls", type=int, default=250)
    options = parser.parse_args()
    result = measure(options.blocks, options.calls)
    if options.json:
        json.dump(result, sys.stdout, indent=2)
        print()
        return
    print(f"{'':12}{'thread µs':>11}{'ratio':>8}{'process µs':>12}{'ratio':>8}")
    for name, row in result.items():
        print(
            f"{name:12}{row['thread_us']:11.2f}{row['thread_ratio']:8.2f}"
            f"{row['process_us']:12.2f}{row['process_ratio']:8.2f}"
        )


if __name__ == "__main__":
    main()
