"""Span bodies come back exactly, whatever is in them (adapters/sqlite/payloads.py)."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.adapters.sqlite import payloads
from tallystick.adapters.sqlite.payloads import INLINE, Packer, unpack
from tallystick.adapters.sqlite.traces import SqliteTraces
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


def there_and_back(packer: Packer, attributes) -> Span:
    step, span = record(attributes)
    body = packer.pack(step, span)
    contents = {key: raw for key, (_, raw) in packer.contents.items()}
    return unpack({"2" * 16: (body, step, span.source)}, lambda keys: {key: contents[key] for key in keys})[
        "2" * 16
    ]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=9), _VALUES | _ARRAYS | _LONG, max_size=6))
def test_attributes_come_back(attributes):
    assert there_and_back(Packer(), attributes) == record(attributes)[1]


@settings(max_examples=60, deadline=None)
@given(_JSON, st.sampled_from([",", ", "]))
def test_a_list_of_messages_is_kept_in_its_items(messages, separator):
    text = "[" + separator.join(json.dumps(message) for message in messages) + "]"
    packer = Packer()
    assert there_and_back(packer, {"m": text}).attributes["m"] == text
    if len(text.encode()) > INLINE:
        assert text.encode() not in [raw for _, raw in packer.contents.values()]


def test_large_values_leave_the_body_and_small_ones_stay():
    packer = Packer()
    body = packer.pack(*record({"small": "s" * INLINE, "large": "l" * (INLINE + 1)}))
    assert b"s" * INLINE in body
    assert b"lll" not in body
    assert [raw for _, raw in packer.contents.values()] == [b"l" * (INLINE + 1)]


class _Weak:
    """A digest whose first half is always the same."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def digest(self) -> bytes:
        return b"\0" * 8 + sha256(self._raw).digest()


def test_contents_whose_digests_collide_are_told_apart(monkeypatch, tmp_path):
    monkeypatch.setattr(payloads, "sha256", _Weak)
    store = SqliteTraces(tmp_path / "traces.db")
    texts = [
        "a" * 400,
        "b" * 400,
        "a" * 400,
        "[" + ", ".join(f'"{"c" * 90}{n}"' for n in range(40)) + "]",
        "d" * 9000,
    ]
    for number, text in enumerate(texts):
        step, span = record({"text": text, "twice": text[::-1]})
        step.span = span.span = f"{number + 1:016x}"
        store.write([(step, span)], at=1)
    spans = store.spans("1" * 32)
    assert [spans[f"{number + 1:016x}"].attributes["text"] for number in range(len(texts))] == texts
    store.close()


@pytest.mark.parametrize("value", [object(), len, 1 + 2j])
def test_what_no_span_can_hold_is_refused(value):
    with pytest.raises(BadInput):
        Packer().pack(*record({"v": value}))
