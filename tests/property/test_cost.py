"""Usage and money: buckets that never overlap, charges that never go below zero, and cache that never costs twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.cost.rates import Rates, buckets, charge_pico, load_card
from tallystick.model.money import round_pico
from tallystick.model.usage import Usage

counts = st.none() | st.integers(-5, 10**7)
usages = st.builds(Usage, counts, counts, counts, counts, counts)
rate = st.none() | st.integers(0, 10**9)
rates = st.builds(Rates, rate, rate, rate, rate, rate, st.integers(0, 10**9))


@settings(deadline=None)
@given(usages)
def test_buckets_are_disjoint_or_there_are_none(usage: Usage) -> None:
    split = buckets(usage)
    if split is None:
        return
    assert min(split) >= 0
    assert usage.input_tokens is not None
    assert usage.output_tokens is not None
    assert split.fresh + split.read + split.write == usage.input_tokens
    assert split.output + split.reasoning == usage.output_tokens


@settings(deadline=None)
@given(usages, rates)
def test_a_charge_lies_between_nothing_and_the_dearest_way(usage: Usage, card: Rates) -> None:
    split = buckets(usage)
    if split is None:
        return
    most = (usage.input_tokens or 0) * card.highest_input + (usage.output_tokens or 0) * card.highest_output
    assert 0 <= charge_pico(card, split) <= most + card.call


@settings(deadline=None)
@given(
    usages,
    st.sampled_from(["m", "other", "", None]),
    st.sampled_from(["acme", "nobody", None]),
    st.integers(0, 2**62),
)
def test_a_price_is_a_number_or_a_reason_never_both(
    usage: Usage, model: str | None, provider: str | None, at: int
) -> None:
    card = load_card([
        {"provider": "acme", "models": {"equals": "m"}},
        {"provider": "acme", "model": "m", "match": {"equals": "m"},
         "prices": [{"in": [7, [9, 9]], "read": 1, "out": 2}]},
    ])  # fmt: skip
    nano, gap = card.price(provider, model, usage, at=at)
    assert (nano is None) == (gap is not None)
    assert gap in (None, "no usage", "no price", "partial usage")
    assert nano is None or nano >= 0


@settings(deadline=None)
@given(st.integers(0, 10**15))
def test_rounding_is_off_by_half_a_nano_at_most(pico: int) -> None:
    assert abs(round_pico(pico) * 1000 - pico) <= 500
