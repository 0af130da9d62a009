"""A light span answers every public question as the SDK's own span does, whatever is done to it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tallystick.sdk.lightspan import ATTRIBUTES_MAX, LightSpan, Origin

RESOURCE = Resource({"service.name": "s"})
IDS = SpanContext(5, 6, False, TraceFlags(1))


class Ends(SpanProcessor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.seen.append(f"start {span.name}")

    def on_end(self, span: Any) -> None:
        self.seen.append(f"end {span.name} {span.end_time}")


plain = st.one_of(
    st.text(max_size=8),
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.binary(max_size=4),
)
values = st.one_of(
    plain,
    st.lists(plain, max_size=3),
    st.tuples(st.text(max_size=3), st.integers()),
    st.dictionaries(st.text(max_size=3), plain, max_size=2),
    st.just(object),
)
keys = st.one_of(st.sampled_from(["a", "b", "c", ""]), st.integers(0, 2))
facts = st.dictionaries(keys, values, max_size=4)
times = st.integers(1, 2**60)
operations = st.one_of(
    st.tuples(st.just("set_attribute"), keys, values),
    st.tuples(st.just("set_attributes"), facts),
    st.tuples(st.just("update_name"), st.text(max_size=5)),
    st.tuples(st.just("add_event"), st.text(max_size=5), st.one_of(st.none(), facts), times),
    st.tuples(
        st.just("add_link"), st.sampled_from([IDS, SpanContext(0, 0, False)]), st.one_of(st.none(), facts)
    ),
    st.tuples(
        st.just("set_status"),
        st.sampled_from(
            [*StatusCode, *(Status(code) for code in StatusCode), Status(StatusCode.ERROR, "why")]
        ),
        st.sampled_from([None, "said"]),
    ),
    st.tuples(st.just("end"), times),
)


def pair(attributes: Any = None) -> tuple[Any, Any, Ends, Ends]:
    heard_sdk, heard_light = Ends(), Ends()
    provider = TracerProvider(
        resource=RESOURCE, span_limits=SpanLimits(max_span_attributes=ATTRIBUTES_MAX), shutdown_on_exit=False
    )
    provider.add_span_processor(heard_sdk)
    sdk = provider.get_tracer("scope", "1", "url").start_span("n", attributes=attributes, start_time=1)
    scope = InstrumentationScope("scope", "1", "url")
    ids = sdk.get_span_context()
    light = LightSpan("n", ids, None, Origin(heard_light, [], RESOURCE, scope), SpanKind.INTERNAL, attributes)
    light.start(1)
    return sdk, light, heard_sdk, heard_light


def as_json(span: Any) -> Any:
    try:
        return json.loads(span.to_json())
    except TypeError as error:  # bytes, which the SDK does not put into JSON either
        return str(error)


def shown(span: Any) -> dict[str, Any]:
    return {
        "name": span.name, "kind": span.kind, "parent": span.parent, "context": span.get_span_context(),
        "attributes": list(span.attributes.items()), "start": span.start_time, "end": span.end_time,
        "recording": span.is_recording(), "status": (span.status.status_code, span.status.description),
        "events": [(event.name, event.timestamp, dict(event.attributes or {})) for event in span.events],
        "links": [(link.context, dict(link.attributes or {})) for link in span.links],
        "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
        "event drops": [event.dropped_attributes for event in span.events],
        "resource": span.resource, "scope": span.instrumentation_scope, "json": as_json(span),
    }  # fmt: skip


@pytest.fixture(autouse=True)
def silent() -> Any:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@settings(max_examples=150, deadline=None)
@given(facts, st.lists(operations, max_size=12))
def test_whatever_is_done_both_say_the_same(attributes: Any, done: list[tuple[Any, ...]]) -> None:
    sdk, light, heard_sdk, heard_light = pair(attributes)
    assert shown(light) == shown(sdk)
    for name, *arguments in done:
        getattr(sdk, name)(*arguments)
        getattr(light, name)(*arguments)
        assert shown(light) == shown(sdk)
    assert heard_light.seen == heard_sdk.seen
    assert isinstance(light, Span)


def test_limits_drop_the_oldest_and_count() -> None:
    sdk, light, _, _ = pair({"first": 1})
    for span in (sdk, light):
        for number in range(ATTRIBUTES_MAX + 5):
            span.set_attribute(f"k{number}", number)
        for number in range(200):
            span.add_event(f"e{number}", {f"a{n}": n for n in range(130)} if number == 199 else None, 5)
            span.add_link(IDS, {"n": number})
    assert shown(light) == shown(sdk)
    assert light.dropped_attributes == 6
    assert (light.dropped_events, light.dropped_links) == (72, 72)


def test_exceptions_are_told_in_the_same_words() -> None:
    sdk, light, _, _ = pair()
    for span in (sdk, light):
        with pytest.raises(KeyError), span:
            raise KeyError("gone")
    first, second = (span.events[0] for span in (sdk, light))
    facts = [{**event.attributes, "exception.stacktrace": ""} for event in (first, second)]
    assert facts[0] == facts[1]
    assert "KeyError: 'gone'" in second.attributes["exception.stacktrace"]
    assert light.status.description == sdk.status.description
    assert light.status.status_code is StatusCode.ERROR
    assert not light.is_recording()


def test_an_unbegun_span_cannot_end() -> None:
    heard = Ends()
    span = LightSpan(
        "n", IDS, None, Origin(heard, [], RESOURCE, InstrumentationScope("s")), SpanKind.INTERNAL, None
    )
    span.end()
    assert span.is_recording()
    assert heard.seen == []
