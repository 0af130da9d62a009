"""The ground floor under attack: money, canonical JSON, journal entries and the query grammar."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.model.canonical import canonical_json, digest
from tallystick.model.errors import BadInput, TallystickError
from tallystick.model.journal import GENESIS, Draft, seal
from tallystick.model.money import nano_from_usd, round_pico, usd_text
from tallystick.model.query import FIELDS, Query, moment, parse_query

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


@given(json_values, st.sampled_from(["kind", "subject", "run", "actor", "body", "previous"]))
def test_an_entry_digest_covers_every_field(value, field):
    draft = Draft("budget.set", "b1", {"value": value}, run="r", actor="me")
    entry = seal(draft, seq=1, entry_id="ent_1", at=5, previous=GENESIS)
    changed = {
        "kind": Draft("budget.gone", "b1", {"value": value}, run="r", actor="me"),
        "subject": Draft("budget.set", "b2", {"value": value}, run="r", actor="me"),
        "run": Draft("budget.set", "b1", {"value": value}, run="s", actor="me"),
        "actor": Draft("budget.set", "b1", {"value": value}, run="r", actor="you"),
        "body": Draft("budget.set", "b1", {"value": [value]}, run="r", actor="me"),
        "previous": draft,
    }[field]
    previous = "1" * 64 if field == "previous" else GENESIS
    assert seal(changed, seq=1, entry_id="ent_1", at=5, previous=previous).digest != entry.digest


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
    assert "since" in FIELDS
