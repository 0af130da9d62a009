"""Span bodies come back exactly, whatever is in them (adapters/sqlite/payloads.py)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.adapters.sqlite.payloads import INLINE, Packer, Place, unpack
from tallystick.model.errors import BadInput
from tallystick.model.span import Source, Span
from tallystick.model.step import Kind, Step, StepStatus

_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=80) | st.binary(max_size=400)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
)
_JSON = st.lists(st.dictionaries(st.text(max_size=9), st.text(max_size=60), max_size=4), max_size=40)
_ARRAYS = st.builds(
    lambda value, separators, space, end: space + json.dumps(value, separators=separators) + end,
    _JSON, st.sampled_from([(",", ":"), (", ", ": "), (" ,", ":")]), st.sampled_from(["", "", " "]),
    st.sampled_from(["", "", "\n", "]"]),
)  # fmt: skip
_LONG = st.builds(lambda part, times: part * times, st.text(min_size=1, max_size=30), st.integers(1, 2000))


def record(attributes) -> tuple[Step, Span]:
    ids = ("1" * 32, "2" * 16, None)
    return (
        Step(*ids, None, Kind.OTHER, "n", StepStatus.OK, 1, 2, "", ""),
        Span(*ids, "n", 1, 2, Source(), attributes=attributes),
    )


class Contents:
    """Keeps every content at a place of its own; the same content once."""

    def __init__(self) -> None:
        self.places: dict[bytes, Place] = {}

    def keep(self, raw: bytes) -> Place:
        return self.places.setdefault(raw, (1, len(self.places), len(raw)))

    def fetch(self, places: set[Place]) -> dict[Place, bytes]:
        held = {place: raw for raw, place in self.places.items()}
        return {place: held[place] for place in places}


def there_and_back(contents: Contents, attributes) -> Span:
    step, span = record(attributes)
    body = Packer(contents.keep).pack(step, span)
    return unpack({0: (body, step, span.source)}, contents.fetch)[0]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=9), _VALUES | _ARRAYS | _LONG, max_size=6))
def test_attributes_come_back(attributes):
    assert there_and_back(Contents(), attributes) == record(attributes)[1]


@settings(max_examples=60, deadline=None)
@given(_JSON, st.sampled_from([",", ", "]))
def test_a_list_of_messages_is_kept_in_its_items(messages, separator):
    text = "[" + separator.join(json.dumps(message) for message in messages) + "]"
    contents = Contents()
    assert there_and_back(contents, {"m": text}).attributes["m"] == text
    if len(text.encode()) > INLINE:
        assert text.encode() not in contents.places


def test_large_values_leave_the_body_and_small_ones_stay():
    contents = Contents()
    body = Packer(contents.keep).pack(*record({"small": "s" * INLINE, "large": "l" * (INLINE + 1)}))
    assert b"s" * INLINE in body
    assert b"lll" not in body
    assert list(contents.places) == [b"l" * (INLINE + 1)]


@pytest.mark.parametrize("value", [object(), len, 1 + 2j])
def test_what_no_span_can_hold_is_refused(value):
    with pytest.raises(BadInput):
        Packer(Contents().keep).pack(*record({"v": value}))
