"""What is exported reads back as what was stored, whatever it holds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.api.otlp import read_json
from tallystick.app.keeping.exporting import otlp_json
from tallystick.cli.output import json_text
from tallystick.model.attributes import DERIVED, STARTED
from tallystick.model.span import Event, Link, Source, Span

texts = st.text(max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=True)
    | texts
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.text(min_size=1, max_size=20).filter(lambda name: name not in (DERIVED, STARTED))
attributes = st.dictionaries(names, values, max_size=4)
times = st.integers(1, 2**63 - 1)
traces = st.text("0123456789abcdef", min_size=32, max_size=32).filter(lambda text: set(text) != {"0"})
ids = st.text("0123456789abcdef", min_size=16, max_size=16).filter(lambda text: set(text) != {"0"})
sources = st.builds(Source, resource=attributes, scope=texts, scope_version=texts, schema_url=texts)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    started, ended = sorted([draw(times), draw(times)])
    return Span(
        trace=draw(traces), span=draw(ids), parent=draw(st.none() | ids), name=draw(texts), started=started,
        ended=ended, source=draw(sources), kind=draw(st.integers(0, 5)), status=draw(st.integers(0, 2)),
        status_message=draw(texts), attributes=draw(attributes),
        events=tuple(draw(st.lists(st.builds(Event, texts, times, attributes), max_size=2))),
        links=tuple(draw(st.lists(st.builds(Link, traces, ids, attributes), max_size=2))),
        dropped=draw(st.integers(0, 2**31)),
    )  # fmt: skip


def _comparable(value: Any) -> Any:
    """NaN is not equal to itself, and True equals 1: compare with types and by name."""
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value, math.copysign(1, value) if value == 0 else 0)
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, Span | Source | Event | Link):
        return {name: _comparable(getattr(value, name)) for name in value.__slots__}
    return (type(value).__name__, value)


@settings(max_examples=60)
@given(st.lists(spans(), max_size=4, unique_by=lambda span: (span.trace, span.span)))
def test_export_and_import_give_the_same_spans(given_spans: list[Span]) -> None:
    batch = read_json(json_text(otlp_json(given_spans)).encode())
    assert batch.rejected == []
    back = {(span.trace, span.span): _comparable(span) for span in batch.spans}
    assert back == {(span.trace, span.span): _comparable(span) for span in given_spans}


@settings(max_examples=20)
@given(spans())
def test_what_nobody_sent_is_not_exported(span: Span) -> None:
    derived = replace(span, attributes={DERIVED: True})
    assert otlp_json([derived]) == {"resourceSpans": []}


@settings(max_examples=20)
@given(spans())
def test_a_step_that_has_not_ended_is_exported_as_begun(span: Span) -> None:
    (back,) = read_json(json_text(otlp_json([replace(span, ended=None)])).encode()).spans
    assert back.ended is None
    assert back.attributes[STARTED] is True


@settings(max_examples=20)
@given(st.lists(sources, min_size=1, max_size=3), st.lists(ids, min_size=2, max_size=6, unique=True))
def test_spans_of_one_sender_stand_together(senders: list[Source], names: list[str]) -> None:
    many = [
        Span("a" * 32, name, None, "n", 1, 2, senders[number % len(senders)])
        for number, name in enumerate(names)
    ]
    groups = otlp_json(many)["resourceSpans"]
    different: list[Source] = []
    for span in many:
        if all(_comparable(span.source) != _comparable(source) for source in different):
            different.append(span.source)
    assert sum(len(group["scopeSpans"][0]["spans"]) for group in groups) == len(many)
    assert len(groups) >= len(different)
