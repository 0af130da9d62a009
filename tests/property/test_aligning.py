"""Alignment: pairs grow on both sides, what is surely equal is found, and cost stays bounded."""

from __future__ import annotations

import itertools
import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.observe.compare.align import Aligner, rising
from tallystick.observe.compare.plain import same, settled, text_of

LETTERS = st.lists(st.sampled_from("abcdefgh"), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab 1", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


def align(a, b):
    like = lambda i, j: 1.0 if a[i] == b[j] else 0.6 if a[i].lower() == b[j].lower() else 0.0  # noqa: E731
    return Aligner([(a.__getitem__, b.__getitem__)], like).align(len(a), len(b))


@given(LETTERS, LETTERS)
def test_pairs_grow_on_both_sides_and_pair_what_is_alike(a, b) -> None:
    pairs = align(a, b)
    assert all(one[0] < two[0] and one[1] < two[1] for one, two in itertools.pairwise(pairs))
    assert all(a[i] == b[j] for i, j in pairs)


@given(LETTERS, LETTERS, LETTERS)
def test_what_was_put_in_between_is_all_that_is_left_over(head, extra, tail) -> None:
    a, b = head + tail, head + [letter.upper() + "!" for letter in extra] + tail
    assert len(align(a, b)) == len(a)


@given(st.lists(st.integers(0, 60), unique=True, max_size=60))
def test_a_rising_subsequence_rises_and_none_is_longer(numbers) -> None:
    kept = [numbers[at] for at in rising(numbers)]
    assert kept == sorted(kept)
    best = [1] * len(numbers)
    for i, one in enumerate(numbers):
        best[i] += max((best[j] for j in range(i) if numbers[j] < one), default=0)
    assert len(kept) == max(best, default=0)


@given(JSON)
def test_a_value_is_the_same_as_itself_and_its_text_says_so(value) -> None:
    assert same(value, value)
    assert same(settled(value), settled(value))
    assert text_of(value) == text_of(value)


@given(JSON, JSON)
def test_sameness_has_no_sides(a, b) -> None:
    assert same(a, b) is same(b, a)
    assert same(a, b, loose=True) is same(b, a, loose=True)
    assert same(a, b) <= same(a, b, loose=True)


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32))
def test_long_sequences_that_repeat_themselves_take_bounded_time(seed) -> None:
    rng = random.Random(seed)
    a = [rng.choice("abcdef") for _ in range(8_000)]
    b = [letter for letter in a if rng.random() > 0.05]
    began = time.process_time()
    pairs = align(a, b)
    assert time.process_time() - began < 5
    assert len(pairs) > 0.8 * len(b)
