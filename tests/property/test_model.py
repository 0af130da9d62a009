"""The ground floor under attack: money, canonical JSON, journal entries and the query grammar."""

import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.canonical import canonical_json, digest
from tallystick.model.commitment import Content, Opening
from tallystick.model.errors import BadInput, TallystickError
from tallystick.model.journal import (
    Entry,
    commitments_of,
    is_commitment,
    leaf_around,
    leaf_bytes,
    leaf_digest,
    opened,
    written_body,
)
from tallystick.model.money import nano_from_usd, round_pico, usd_text
from tallystick.model.query import RUNS, Query, moment, parse_query

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.integers(-(10**18), 10**18))
def test_rounding_is_half_to_even_and_never_off_by_more_than_half(pico):
    nano = round_pico(pico)
    assert nano == round(Fraction(pico, 1000))


@given(st.integers(-(10**15), 10**15))
def test_money_survives_the_way_through_text(nano):
    assert nano_from_usd(str(Decimal(nano) / 10**9)) == nano


@pytest.mark.parametrize("wrong", ["", "abc", "NaN", "Infinity", 0.1])
def test_what_is_not_money_is_refused(wrong):
    with pytest.raises(BadInput):
        nano_from_usd(wrong)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (None, "unknown"),
        (0, "$0"),
        (1_234_567_890_000, "$1,234.57"),
        (1_500_000, "$0.00150"),
        (1, "$0.000000001"),
        (-20_000_000, "$-0.0200"),
    ],
)
def test_money_is_shown_with_three_significant_digits_below_a_dollar(nano, text):
    assert usd_text(nano) == text


@given(json_values)
def test_canonical_json_is_json_and_blind_to_key_order(value):
    encoded = canonical_json(value)
    json.loads(encoded)
    assert digest(value) == digest(_reordered(value))


def _reordered(value):
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in reversed(list(value))}
    if isinstance(value, list):
        return [_reordered(item) for item in value]
    return value


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), {1, 2}, object()])
def test_what_json_cannot_say_is_refused(wrong):
    with pytest.raises(BadInput):
        canonical_json({"value": wrong})


ENTRY = Entry(3, "ent_3", 5, "budget.set", "b1", "r", "me", {"value": 1}, "", 2)


@given(json_values)
def test_a_leaf_covers_every_field_of_its_entry(value):
    entry = replace(ENTRY, body={"value": value})
    leaf = leaf_bytes(entry)
    others = [
        replace(entry, seq=4), replace(entry, id="ent_4"), replace(entry, at=6), replace(entry, kind="budget.gone"),
        replace(entry, subject="b2"), replace(entry, run="s"), replace(entry, run=None), replace(entry, actor="you"),
        replace(entry, body={"value": [value]}), replace(entry, nth=3), replace(entry, nth=None),
        replace(entry, previous="1" * 64),
    ]  # fmt: skip
    leaves = {leaf_bytes(one) for one in others}
    assert leaf not in leaves
    assert len({leaf_digest(one) for one in leaves}) == len(others)
    assert leaf_bytes(replace(entry, digest="0" * 64)) == leaf
    assert json.loads(leaf)["v"] == 2


def test_a_leaf_longer_than_a_bundle_can_hold_is_refused():
    empty = len(leaf_bytes(replace(ENTRY, body={"value": ""})))
    assert len(leaf_bytes(replace(ENTRY, body={"value": "x" * (65_535 - empty)}))) == 65_535
    with pytest.raises(BadInput):
        leaf_bytes(replace(ENTRY, body={"value": "x" * (65_536 - empty)}))


@given(json_values, st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_a_commitment_opens_with_its_salt_and_content_only(value, salt, other):
    content = Content(value, salt)
    whole = Opening(content.commitment, salt, content.bytes)
    assert whole.fits
    assert replace(whole, salt=other).fits == (salt == other)
    assert not replace(whole, content=content.bytes + b" ").fits
    for cut in range(16):  # a salt that takes in the front of the content, or gives its end away
        assert (
            not replace(whole, salt=salt + content.bytes[:cut], content=content.bytes[cut:]).fits or not cut
        )
        assert not replace(whole, salt=salt[:cut], content=salt[cut:] + content.bytes).fits
        with pytest.raises(BadInput):
            Content(value, salt[:cut])
    assert not replace(whole, content=None).fits
    body = {"keep": 1, "list": [content, {"deep": content}]}
    made = written_body(body)
    assert made.contents == [content, content]
    assert commitments_of(made.body) == [content.commitment] * 2
    written = json.loads(made.json)
    assert written == made.body
    assert opened(written, {}) == {"keep": 1, "list": [None, {"deep": None}]}
    assert opened(written, {content.commitment: "v"}) == {"keep": 1, "list": ["v", {"deep": "v"}]}


def objects(value):
    """Every object in a JSON value, itself included."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(item)


@given(st.dictionaries(st.text(max_size=8) | st.just("commitment"), json_values, max_size=6))
def test_a_body_is_written_as_it_will_be_read(value):
    """Whoever parses the written body has the same values, and writes the same bytes again."""
    if any(is_commitment(one) for one in objects(value)):
        with pytest.raises(BadInput, match="commitment"):
            written_body(value)
        return
    made = written_body(value)
    assert made.json == canonical_json(made.body)
    assert json.loads(made.json) == made.body
    assert canonical_json(json.loads(made.json)) == made.json
    entry = replace(ENTRY, body=made.body)
    assert leaf_around(made.json, entry) == leaf_bytes(entry)
    whole = {
        key: getattr(entry, key) for key in ("actor", "body", "id", "kind", "nth", "run", "seq", "subject")
    }
    assert leaf_bytes(entry) == canonical_json({**whole, "at": str(entry.at), "v": 2})


@pytest.mark.parametrize(
    "wrong", [{"commitment": "x"}, {"a": [{"commitment": ""}]}, {1: 2, "1": 3}, {"a": {1, 2}}]
)
def test_a_body_that_would_be_read_otherwise_is_refused(wrong):
    with pytest.raises(BadInput):
        written_body(wrong)


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_a_designed_error(text):
    try:
        answer = parse_query(text)
    except TallystickError as error:
        answer = error.exit_code
    assert answer == 2 or isinstance(answer, Query)


def test_the_grammar_of_the_documentation():
    parsed = parse_query('agent:refunds -status:failed cost:>0.50 tool:refund since:7d "free text"')
    assert [(term.field, term.op, term.value, term.negated) for term in parsed.terms] == [
        ("agent", "=", "refunds", False),
        ("status", "=", "failed", True),
        ("cost", ">", 500_000_000, False),
        ("tool", "=", "refund", False),
        ("since", "=", "7d", False),
        ("text", "=", "free text", False),
    ]


def test_a_misspelt_field_is_answered_with_the_right_one():
    with pytest.raises(BadInput) as caught:
        parse_query("agnet:refunds")
    assert "agent" in caught.value.hint


@pytest.mark.parametrize("wrong", ["cost:>lots", "steps:x", "since:yesterday", "duration:5", "agent:>x"])
def test_values_that_do_not_fit_their_field_are_refused(wrong):
    with pytest.raises(BadInput):
        parse_query(wrong)


def test_a_date_that_does_not_exist_is_refused():
    with pytest.raises(BadInput):
        moment("2026-02-30", now=0)


def test_moments():
    day = 86_400 * 10**9
    assert moment("7d", now=8 * day) == day
    assert moment("1970-01-03", now=0) == 2 * day
    assert "since" in RUNS.fields
