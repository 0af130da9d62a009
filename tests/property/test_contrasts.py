"""Contrast: a planted difference is found first, and chance is not taken for a finding."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.evaluate.contrast import Sample, contrast
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.observe.features import in_a_row


def sample(rng: random.Random, *, planted: float = 0.0, cost: float = 1.0) -> Sample:
    features = {("tool", f"t{at}") for at in range(12) if rng.random() < 0.1 + 0.06 * at}
    features.add(("model", rng.choice("mno")))
    if rng.random() < planted:
        features |= {("prompt", "new"), ("attr.release", "new")}
    return Sample(frozenset(features), {"cost": rng.expovariate(1) * cost, "steps": rng.randrange(3, 40)})


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(40, 120))
def test_a_planted_difference_is_found_first_with_its_alias(seed, size) -> None:
    rng = random.Random(seed)
    a, b = [sample(rng, planted=0.9) for _ in range(size)], [sample(rng, planted=0.1) for _ in range(size)]
    rows, tested = contrast(a, b)
    first = rows[0]
    assert first.feature == ("attr.release", "new")
    assert first.aliases == (("prompt", "new"),)
    assert first.confidence == "strong"
    assert 0 < first.low <= first.difference <= first.high
    assert (first.of_a, first.of_b) == (size, size)
    assert tested >= len(rows) > 1


def test_random_labels_are_hardly_ever_a_strong_finding() -> None:
    rng = random.Random(11)
    strong = likely = 0
    for _ in range(200):
        pool = [sample(rng, planted=0.5) for _ in range(120)]
        rng.shuffle(pool)
        words = {row.confidence for row in contrast(pool[:60], pool[60:])[0]}
        strong += "strong" in words
        likely += bool(words - {"weak"})
    assert strong <= 0.05 * 200
    assert likely <= 0.1 * 200


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_few_runs_never_make_more_than_a_weak_finding(seed) -> None:
    rng = random.Random(seed)
    a, b = [sample(rng, planted=1.0) for _ in range(9)], [sample(rng) for _ in range(200)]
    assert {row.confidence for row in contrast(a, b)[0]} <= {"weak"}


def test_numbers_are_cut_where_both_sets_together_are() -> None:
    rng = random.Random(2)
    rows, _ = contrast(
        [sample(rng, cost=20) for _ in range(60)], [sample(rng) for _ in range(60)], show={"cost": "usd"}
    )
    assert rows[0].feature[0] == "cost"
    assert rows[0].feature[1].startswith("> $")
    assert rows[0].confidence == "strong"


def test_what_was_not_looked_at_is_not_taken_for_absent() -> None:
    seen = [Sample(frozenset({("attr.region", "eu" if at % 2 else "us")})) for at in range(20)]
    unseen = [Sample(frozenset(), {}, "attr.") for _ in range(80)]
    rows, _ = contrast(seen + unseen, seen)
    assert rows[0].difference == 0
    assert (rows[0].of_a, rows[0].of_b) == (20, 20)


def test_nothing_to_compare_gives_nothing() -> None:
    assert contrast([], []) == ([], 0)
    rows, _ = contrast([Sample(frozenset({("tool", "a")})) for _ in range(3)], [])
    assert all(row.confidence == "weak" for row in rows)


def test_two_values_that_split_the_runs_alike_are_one_row() -> None:
    a = [Sample(frozenset({("model", "x" if at < 30 else "y")})) for at in range(40)]
    b = [Sample(frozenset({("model", "x" if at < 5 else "y")})) for at in range(40)]
    rows, tested = contrast(a, b)
    assert [row.feature for row in rows] == [("model", "x")]
    assert tested == 2


def test_a_loop_is_a_difference() -> None:
    def made(calls: list[str]) -> int:
        steps = [
            Step(f"{1:032x}", f"{at + 1:016x}", None, None, Kind.TOOL, tool, StepStatus.OK, at, at + 1, "s",
                 "canonical", agent="a", tool=tool)
            for at, tool in enumerate(calls)
        ]  # fmt: skip
        return in_a_row(steps)

    assert [made(list(calls)) for calls in ("", "a", "abab", "abbba", "aab")] == [0, 1, 1, 3, 2]
