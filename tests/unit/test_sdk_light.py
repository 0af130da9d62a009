"""When light spans are made, when not, and that a program cannot tell."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from tallystick.sdk import install as installing
from tallystick.sdk.lightspan import LightSpan
from tallystick.sdk.providers import OpenProvider

# Older releases of the SDK do not hand on that a trace id is random.
KNOWN_FLAGS = 3 if hasattr(RandomIdGenerator, "is_trace_id_random") else 1


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Kept(SpanProcessor):
    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.ended: list[Any] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.begun.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


def provider(**settings: Any) -> tuple[OpenProvider, Kept, trace.Tracer]:
    made, kept = OpenProvider(shutdown_on_exit=False, **{"light": True, **settings}), Kept()
    made.add_own_processor(kept)
    return made, kept, made.get_tracer("app", "1", "url", {"k": "v"})


def remote(flags: int, *, valid: bool = True) -> Context:
    ids = SpanContext(7 if valid else 0, 8, True, TraceFlags(flags), trace.TraceState([("a", "b")]))
    return trace.set_span_in_context(NonRecordingSpan(ids), Context())


Use = Callable[[trace.Tracer], Any]


@pytest.mark.parametrize("flags", [0, 1, 2, 3, None])
@pytest.mark.parametrize("kind", [SpanKind.INTERNAL, SpanKind.CLIENT])
def test_ids_flags_and_parents_are_those_of_the_sdk(flags: int | None, kind: SpanKind) -> None:
    _, kept, tracer = provider()
    plain, heard = TracerProvider(shutdown_on_exit=False), Kept()
    plain.add_span_processor(heard)
    where = Context() if flags is None else remote(flags)
    for one in (tracer, plain.get_tracer("app", "1", "url", {"k": "v"})):
        with one.start_as_current_span("outer", where, kind) as outer, one.start_as_current_span("inner"):
            pass
        assert trace.get_current_span() is trace.INVALID_SPAN
        ids = outer.get_span_context()
        assert ids.is_remote is False
    assert len(kept.ended) == len(heard.ended)
    for light, sdk in zip(kept.ended, heard.ended, strict=True):
        mine, theirs = light.get_span_context(), sdk.get_span_context()
        assert isinstance(light, LightSpan)
        assert mine.trace_flags & KNOWN_FLAGS == theirs.trace_flags & KNOWN_FLAGS
        assert mine.trace_state == theirs.trace_state
        assert (light.parent is None) == (sdk.parent is None)
        assert light.kind is sdk.kind
        assert light.instrumentation_scope == sdk.instrumentation_scope
        if flags is not None:
            assert mine.trace_id == theirs.trace_id == 7
    if kept.ended:
        assert kept.ended[0].parent == kept.ended[1].get_span_context()


def test_an_unsampled_parent_is_respected() -> None:
    _, kept, tracer = provider()
    with tracer.start_as_current_span("n", remote(0)) as span:
        assert not span.is_recording()
    assert kept.begun == []


def test_spans_with_links_or_other_manners_are_made_by_the_sdk() -> None:
    _, kept, tracer = provider()
    ids = SpanContext(5, 6, False, TraceFlags(1))
    with tracer.start_as_current_span("linked", links=[Link(ids)]):
        pass
    with pytest.raises(OSError), tracer.start_as_current_span("quiet", record_exception=False):
        raise OSError("x")
    linked, quiet = kept.ended
    assert not isinstance(linked, LightSpan)
    assert linked.links[0].context == ids
    assert quiet.events == ()
    assert quiet.status.status_code is StatusCode.ERROR


def fails(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("n"):
        raise KeyError("gone")


def exits(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("n"):
        raise SystemExit(3)


def returns(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("n", end_on_exit=False) as span:
        pass
    assert span.is_recording()
    span.end()


def decorated(tracer: trace.Tracer) -> None:
    @tracer.start_as_current_span("n")
    def work(number: int) -> int:
        return number + 1

    assert (work(1), work(2)) == (2, 3)
    assert work.__name__ == "work"


def awaited(tracer: trace.Tracer) -> None:
    @tracer.start_as_current_span("n")
    async def work(number: int) -> Any:
        await asyncio.sleep(0)
        assert trace.get_current_span().is_recording()
        return number

    assert asyncio.run(work(4)) == 4


@pytest.mark.parametrize("use", [fails, exits, returns, decorated, awaited])
def test_blocks_and_decorators_end_as_with_the_sdk(use: Use) -> None:
    _, kept, tracer = provider()
    plain, heard = TracerProvider(shutdown_on_exit=False), Kept()
    plain.add_span_processor(heard)
    raised = []
    for one in (tracer, plain.get_tracer("app")):
        try:
            use(one)
        except (KeyError, SystemExit) as error:
            raised.append(type(error))
        assert otel_context.get_current() == {}
    assert len(raised) in (0, 2)
    assert len(kept.ended) == len(heard.ended) > 0
    for light, sdk in zip(kept.ended, heard.ended, strict=True):
        assert (light.status.status_code, light.status.description) == (
            sdk.status.status_code, sdk.status.description,
        )  # fmt: skip
        assert [event.name for event in light.events] == [event.name for event in sdk.events]


def test_a_processor_that_comes_later_hears_of_open_spans_too() -> None:
    made, kept, tracer = provider()
    memory = InMemorySpanExporter()
    with tracer.start_as_current_span("before", attributes={"a": 1}) as before:
        made.add_span_processor(SimpleSpanProcessor(memory))
        with tracer.start_as_current_span("after") as after:
            pass
    assert isinstance(before, LightSpan)
    assert not isinstance(after, LightSpan)
    assert [span.name for span in memory.get_finished_spans()] == ["after", "before"]
    assert memory.get_finished_spans()[1].attributes == {"a": 1}
    assert [span.name for span in kept.ended] == ["after", "before"]


@pytest.mark.parametrize("why", ["not asked for", "a sampler", "switched off"])
def test_settings_that_light_spans_do_not_know_are_left_to_the_sdk(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "switched off":
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    made, _kept, tracer = provider(light=why != "not asked for")
    if why == "a sampler":
        made.sampler = ALWAYS_OFF
        tracer = made.get_tracer("other")
    with tracer.start_as_current_span("n") as span:
        assert not isinstance(span, LightSpan)
        assert span.is_recording() is (why == "not asked for")


@pytest.mark.parametrize(
    ("name", "light"),
    [
        ("OTEL_TRACES_SAMPLER", False),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", False),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", False),
        ("OTEL_SERVICE_NAME", True),
    ],
)
def test_the_environment_decides_whether_spans_may_be_light(
    name: str, light: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert installing._nothing_asked()
    monkeypatch.setenv(name, "1")
    assert installing._nothing_asked() is light


def test_many_threads_on_one_span_raise_nothing_and_end_it_once() -> None:
    _, kept, tracer = provider()
    faults: list[BaseException] = []
    for _ in range(20):
        span = tracer.start_span("shared")
        gate = threading.Barrier(4)

        def work(span: trace.Span = span, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                for number in range(300):
                    span.set_attribute("k", number)
                    span.set_attributes({"a": number, "b": (number,)})
                span.end()
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is a failure
                faults.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []
    assert len(kept.ended) == 20
