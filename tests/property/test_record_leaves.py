"""Records: the definition loses nothing of a span, and the fast way to a hash gives the same bytes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.adapters.recording import hash_of
from tallystick.model.canonical import canonical_json
from tallystick.model.commitment import commitment
from tallystick.model.errors import BadInput
from tallystick.model.span import Event, Link, Source, Span
from tallystick.model.step import Effect, EffectOutcome, Kind, Step, StepStatus
from tallystick.model.usage import NO_USAGE, Usage
from tallystick.proof.records import (
    content_bytes,
    content_of,
    reading_of,
    record_hash,
    record_leaf,
    source_bytes,
    source_digest,
    source_of,
    span_of,
)

TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # lone surrogates too
KEYS = st.text(max_size=6) | st.sampled_from(
    ["$map", "$bytes", "$", "gen_ai.usage.input_tokens", "b", "é", "\U00010000", "\uffff"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.integers(-10, 10) | st.floats() | TEXT
    | st.binary(max_size=20) | st.sampled_from([0.0, -0.0, 1.0, 1e300, 1e-7, 2.0**53, 2**53, -(2**53) + 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=5)
TIMES = st.integers(0, 2**63 - 1)
SOURCES = st.builds(Source, ATTRIBUTES, TEXT, TEXT, TEXT)
SPANS = st.builds(
    Span, st.just("ab" * 16), st.just("cd" * 8), st.none() | st.just("ef" * 8), TEXT, TIMES, st.none() | TIMES,
    SOURCES, st.integers(0, 5), st.integers(0, 2), TEXT, ATTRIBUTES,
    st.lists(st.builds(Event, TEXT, TIMES, ATTRIBUTES), max_size=2).map(tuple),
    st.lists(st.builds(Link, st.just("ab" * 16), st.just("cd" * 8), ATTRIBUTES), max_size=2).map(tuple),
    st.integers(0, 2**40),
)  # fmt: skip
_NAME = st.none() | st.text(max_size=8)
_COUNT = st.none() | st.integers(0, 2**63 - 1) | st.integers(0, 99)
STEPS = st.builds(
    Step, st.just("ab" * 16), st.just("cd" * 8), st.none(), _NAME, st.sampled_from(Kind), st.text(max_size=4),
    st.sampled_from(StepStatus), TIMES, st.none() | TIMES, st.text(max_size=4), st.sampled_from(["", "canonical"]),
    seq=_COUNT, agent=_NAME, workflow=_NAME, error=_NAME, provider=_NAME, model=_NAME, response_id=_NAME,
    usage=st.just(NO_USAGE) | st.builds(Usage, _COUNT, _COUNT, _COUNT, _COUNT, _COUNT),
    exclusive_input=st.booleans(), cost_nano=_COUNT, cost_gap=_NAME, tool=_NAME, call_id=_NAME,
    effect=st.none() | st.sampled_from(Effect), outcome=st.none() | st.sampled_from(EffectOutcome), decision=_NAME,
    derived=st.booleans(), dropped=st.integers(0, 2**60),
    facts=st.none() | st.dictionaries(st.sampled_from(["root", "goal", "steps", "source", "lost", "process"]),
                                      st.booleans() | st.text(max_size=5) | st.integers(0, 2**63 - 1)),
)  # fmt: skip


def shown(value: Any) -> str:
    """A value with its types, NaN and minus zero told apart, mappings without order."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {shown(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return repr(value)


def all_of(span: Span) -> str:
    source = span.source
    return shown([
        span.name, span.kind, span.status, span.status_message, span.attributes, span.dropped,
        [[one.name, one.at, one.attributes] for one in span.events],
        [[one.trace, one.span, one.attributes] for one in span.links],
        source.resource, source.scope, source.scope_version, source.schema_url,
    ])  # fmt: skip


def definition(step: Step, span: Span, source: str, salt: bytes) -> bytes:
    held = commitment(content_bytes(span, source), salt)
    return record_hash(record_leaf(span, reading_of(step), held))


@given(SPANS)
def test_a_content_opened_is_the_span_that_was_recorded(span: Span) -> None:
    content = json.loads(content_bytes(span, source_digest(span.source)))
    source = source_of(json.loads(source_bytes(span.source)))
    again = span_of(content, span.trace, span.span, span.parent, span.started, span.ended, source)
    assert all_of(again) == all_of(span)
    assert content_bytes(again, source_digest(source)) == content_bytes(span, source_digest(span.source))


@given(STEPS, SPANS)
def test_the_fast_way_gives_the_hash_of_the_definition(step: Step, span: Span) -> None:
    salt, source = b"\x07" * 16, source_digest(span.source)
    assert hash_of(step, span, source, salt) == definition(step, span, source, salt)


_EASY = st.dictionaries(
    st.sampled_from(["gen_ai.request.model", "temperature", "n", "messages", "stop", "b", "B", "a.b"]),
    st.text(st.characters(codec="utf-8")) | st.integers(-(2**54), 2**54) | st.booleans() | st.none()
    | st.floats(allow_nan=False) | st.lists(st.text(max_size=4), max_size=3),
    min_size=2, max_size=8,
)  # fmt: skip


@given(_EASY, STEPS)
def test_ordinary_attributes_give_the_hash_of_the_definition(attributes: dict[str, Any], step: Step) -> None:
    source = source_digest(Source())
    span = Span("ab" * 16, "cd" * 8, None, "chat", 1, 2, Source(), attributes=attributes)
    assert hash_of(step, span, source, bytes(16)) == definition(step, span, source, bytes(16))


@given(SPANS, SPANS)
def test_spans_that_differ_have_contents_that_differ(one: Span, other: Span) -> None:
    same = content_bytes(one, source_digest(one.source)) == content_bytes(other, source_digest(other.source))
    assert same == (all_of(one) == all_of(other))


def test_a_record_is_written_as_the_format_page_says() -> None:
    span = Span("ab" * 16, "cd" * 8, None, "chat", 5, 9, Source({"service.name": "shop"}), 3, 1, "",
                {"n": 1, "f": 1.0, "raw": b"x", "big": 2**60, "nan": math.nan}, dropped=2)  # fmt: skip
    step = Step("ab" * 16, "cd" * 8, None, "r", Kind.MODEL, "chat", StepStatus.OK, 5, 9, "", "canonical", seq=0,
                agent="refunds", usage=Usage(3, 4), cost_nano=0, facts={"goal": "sell", "root": True})  # fmt: skip
    source = source_digest(span.source)
    assert content_of(span, source) == {
        "attributes": {"n": 1, "f": {"$float": "1"}, "raw": {"$bytes": "eA=="}, "big": {"$int": str(2**60)},
                       "nan": {"$float": "nan"}},
        "dropped": 2, "events": [], "kind": 3, "links": [], "message": "", "name": "chat", "source": source,
        "status": 1,
    }  # fmt: skip
    assert source_bytes(span.source) == canonical_json([{"service.name": "shop"}, "", "", ""])
    assert record_leaf(span, reading_of(step), "00" * 32).decode() == (
        '{"content":"' + "00" * 32 + '","ended":"9","parent":null,"span":"cdcdcdcdcdcdcdcd","started":"5",'
        '"step":{"agent":"refunds","cost_nano":0,"dialect":"canonical","facts":{"root":true},"kind":"model","seq":0,'
        '"status":"ok","usage":{"input_tokens":3,"output_tokens":4}},"trace":"' + "ab" * 16 + '","v":3}'
    )  # fmt: skip


@pytest.mark.parametrize("change", [
    {"extra": 1}, {"name": 5}, {"attributes": []}, {"attributes": {"a": {"$odd": 1}}}, {"events": [["only a name"]]},
    {"attributes": {"$bytes": "eA=="}}, {"attributes": {"a": {"$bytes": "?"}}}, {"attributes": {"a": {"$int": "1_0"}}},
    {"events": [["a", 5, {}]]}, {"links": 7}, {"kind": True}, {"attributes": {"a": {"$map": []}}},
])  # fmt: skip
def test_what_is_no_content_is_refused_by_name(change: dict[str, Any]) -> None:
    span = Span("ab" * 16, "cd" * 8, None, "chat", 5, 9, Source())
    content = {**content_of(span, source_digest(span.source)), **change}
    with pytest.raises(BadInput):
        span_of(content, span.trace, span.span, None, 5, 9, Source())
