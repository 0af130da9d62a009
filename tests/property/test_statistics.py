"""Intervals and tests: held to each other's definitions, to published values, and to what they promise."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.evaluate import statistics
from tallystick.evaluate.statistics import (
    NOTHING,
    difference,
    discoveries,
    fisher_mid_p,
    mean,
    ratio,
    share,
    student,
)


@st.composite
def counts(draw) -> tuple[int, int]:
    whole = draw(st.integers(0, 300))
    return draw(st.integers(0, whole)), whole


def test_published_values() -> None:
    # Newcombe (1998), table II, 56/70 and 48/80 by method 10: 0.0524 to 0.3339; Wilson for 81/263: 0.2553 to 0.3662
    told = difference(56, 70, 48, 80)
    assert (round(told.value or 0, 4), round(told.low or 0, 4), round(told.high or 0, 4)) == (
        0.2,
        0.0524,
        0.3339,
    )
    wilson = share(81, 263)
    assert (round(wilson.low or 0, 4), round(wilson.high or 0, 4)) == (0.2553, 0.3662)
    assert student(1) == 12.706
    assert student(60) == pytest.approx(2.000, abs=0.001)
    assert student(120) == pytest.approx(1.980, abs=0.001)
    # Tea tasting, 3 of 4 against 1 of 4: Fisher's two-sided p is 34/70, its mid-p half of the like tables less.
    assert fisher_mid_p(3, 4, 1, 4) == pytest.approx(34 / 70 - 32 / 140)


@given(counts())
def test_a_share_lies_in_its_interval(one) -> None:
    told = share(*one)
    if one[1] == 0:
        assert told is NOTHING
    else:
        assert 0 <= told.low <= told.value <= told.high <= 1  # type: ignore[operator]


@given(counts(), counts())
def test_a_difference_is_turned_round_with_its_sides(a, b) -> None:
    one, other = difference(*a, *b), difference(*b, *a)
    if one.value is None:
        assert not a[1] or not b[1]
        return
    assert one.low <= one.value + 1e-12  # type: ignore[operator]
    assert one.value <= one.high + 1e-12  # type: ignore[operator]
    assert one.value == pytest.approx(-other.value)
    assert one.low == pytest.approx(-other.high)
    assert fisher_mid_p(*a, *b) == pytest.approx(fisher_mid_p(*b, *a), abs=1e-9)
    assert 0 <= fisher_mid_p(*a, *b) <= 1


@given(st.lists(st.floats(0, 1), max_size=60))
def test_rates_of_false_discoveries_keep_the_order_and_never_fall_below_p(ps) -> None:
    qs = discoveries(ps)
    assert all(p <= q + 1e-12 and q <= 1 for p, q in zip(ps, qs, strict=True))
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    assert all(qs[one] <= qs[two] + 1e-12 for one, two in itertools.pairwise(order))


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=80))
def test_a_mean_from_sums_is_that_of_the_values(values) -> None:
    told = mean(sum(values), float(sum(v * v for v in values)), len(values))
    middle = sum(values) / len(values)
    spread = math.sqrt(sum((v - middle) ** 2 for v in values) / (len(values) - 1) / len(values))
    assert told.value == pytest.approx(middle)
    assert told.high == pytest.approx(middle + student(len(values) - 1) * spread, rel=1e-3, abs=1e4)
    assert mean(5, 25, 1) == (5, None, None)
    assert mean(0, 0, 0) is NOTHING


def test_intervals_hold_about_as_often_as_they_say() -> None:
    rng = random.Random(5)
    held = priced = 0
    for _ in range(600):
        runs = [(rng.gammavariate(2, 50), int(rng.random() < 0.7)) for _ in range(60)]
        part = share(sum(ok for _, ok in runs), 60)
        held += part.low <= 0.7 <= part.high  # type: ignore[operator]
        told = ratio(
            sum(c for c, _ in runs), sum(c * c for c, _ in runs), sum(o for _, o in runs), sum(o for _, o in runs),
            sum(c * o for c, o in runs), 60,
        )  # fmt: skip
        priced += told.low <= 100 / 0.7 <= told.high  # type: ignore[operator]
    assert held / 600 > 0.92
    assert priced / 600 > 0.9


def test_the_module_needs_no_chance() -> None:
    assert "random" not in vars(statistics)
