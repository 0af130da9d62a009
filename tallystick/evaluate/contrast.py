"""Why two sets of runs differ: which of their features separate them, ranked, with intervals and a stated confidence.

A feature is a pair of texts, (attribute, value); a number becomes features "> cut point" at the quartiles and the ninth
decile of both sets together, so that the cut does not know which set a run is in. Every feature is tested by
Fisher's exact test (mid-p); q is corrected for the number of tests (Benjamini and Hochberg).

Confidence: ``strong``: q ≤ 0.01, at least 20 runs on each side, and the interval leaves at least 0.1 of difference;
``likely``: q ≤ 0.05, at least 10 runs on each side, and the interval leaves out 0; everything else is ``weak``, which
says that chance may have done it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tallystick.evaluate.statistics import difference, discoveries, fisher_mid_p

Feature = tuple[str, str]
MOST_FEATURES: Final = 5_000  # that are tested: the most frequent; which set they are in plays no part
_CUTS: Final = (0.25, 0.5, 0.75, 0.9)
_STRONG: Final = (0.01, 20, 0.1)  # q, runs a side, least difference
_LIKELY: Final = (0.05, 10, 0.0)
_RANKS: Final = {"strong": 0, "likely": 1, "weak": 2}


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: its features, and its numbers by name. A number that is not known is not there.

    ``blind``: the run was not looked at for features whose attribute begins with this.
    """

    features: frozenset[Feature]
    numbers: Mapping[str, float] = field(default_factory=dict)
    blind: str | None = None


@dataclass(frozen=True, slots=True)
class Separation:
    """A feature with its counts: ``with_a`` of ``of_a`` runs of the first set have it, and so on.

    ``difference`` (share in a less share in b), ``low`` and ``high`` are between -1 and 1. ``aliases`` are features
    that exactly the same runs have.
    """

    feature: Feature
    with_a: int
    of_a: int
    with_b: int
    of_b: int
    difference: float
    low: float
    high: float
    p: float
    q: float
    confidence: str
    aliases: tuple[Feature, ...] = ()


def contrast(
    a: Sequence[Sample], b: Sequence[Sample], *, most: int = 30, show: Mapping[str, str] | None = None
) -> tuple[list[Separation], int]:
    """The ``most`` features that separate two sets best, best first, and how many were tested.

    Features that all runs or fewer than two have are not tested. ``show`` gives for the name of a number the way its
    cut points are written ("usd", "ns"); without it as they are.
    """
    samples = [*a, *b]
    split: dict[tuple[frozenset[int], frozenset[int]], list[Feature]] = {}
    everyone = frozenset(range(len(samples)))
    for feature, members, measured in _members(samples, show or {}):
        of = everyone if measured is None else measured
        if 2 <= len(members) < len(of):
            split.setdefault((members, of), []).append(feature)
    kept = sorted(split.items(), key=lambda one: (-len(one[0][0]), one[1][0]))[:MOST_FEATURES]
    tested = [_counted(features, members, of, len(a)) for (members, of), features in kept]
    qs = discoveries([one[1] for one in tested])
    found = [_judged(counts, p, q, features) for (counts, p, features), q in zip(tested, qs, strict=True)]
    found.sort(key=_rank)
    return _without_mirrors(found)[:most], len(tested)


def _members(
    samples: Sequence[Sample], show: Mapping[str, str]
) -> list[tuple[Feature, frozenset[int], frozenset[int] | None]]:
    """(feature, runs that have it, runs of which it is known or None for all)."""
    having: dict[Feature, set[int]] = {}
    numbers: dict[str, dict[int, float]] = {}
    for at, sample in enumerate(samples):
        for feature in sample.features:
            having.setdefault(feature, set()).add(at)
        for name, value in sample.numbers.items():
            numbers.setdefault(name, {})[at] = value
    blind = {sample.blind for sample in samples} - {None}
    seeing = {start: frozenset(at for at, one in enumerate(samples) if one.blind != start) for start in blind}
    found: list[tuple[Feature, frozenset[int], frozenset[int] | None]] = []
    for feature, members in having.items():
        start = next((start for start in blind if start and feature[0].startswith(start)), None)
        found.append((feature, frozenset(members), None if start is None else seeing[start]))
    for name, values in numbers.items():
        ordered = sorted(values.values())
        measured = None if len(values) == len(samples) else frozenset(values)
        for cut in sorted({ordered[int(share * (len(ordered) - 1))] for share in _CUTS}):
            above = frozenset(at for at, value in values.items() if value > cut)
            found.append(((name, "> " + _number(cut, show.get(name))), above, measured))
    return found


def _number(value: float, how: str | None) -> str:
    if how == "usd":
        return f"${value / 1e9:.6f}".rstrip("0").rstrip(".")
    if how == "ns":
        return f"{value / 1e9:.3g}s"
    return f"{value:g}"


def _counted(
    features: list[Feature], members: Collection[int], measured: Collection[int], size_a: int
) -> tuple[tuple[int, int, int, int], float, list[Feature]]:
    with_a, of_a = sum(at < size_a for at in members), sum(at < size_a for at in measured)
    counts = with_a, of_a, len(members) - with_a, len(measured) - of_a
    return counts, fisher_mid_p(*counts), sorted(features)


def _judged(counts: tuple[int, int, int, int], p: float, q: float, features: list[Feature]) -> Separation:
    told = difference(*counts)
    value, low, high = (
        told.value or 0.0,
        -1.0 if told.low is None else told.low,
        1.0 if told.high is None else told.high,
    )
    return Separation(
        features[0], *counts, value, low, high, p, q, _confidence(counts, low, high, q), tuple(features[1:9])
    )


def _confidence(counts: tuple[int, int, int, int], low: float, high: float, q: float) -> str:
    least = max(low, -high, 0.0)  # what the interval leaves of the difference
    for word, (rate, runs, margin) in (("strong", _STRONG), ("likely", _LIKELY)):
        if q <= rate and min(counts[1], counts[3]) >= runs and least >= margin and least > 0:
            return word
    return "weak"


def _rank(one: Separation) -> tuple[int, float, float, Feature]:
    return _RANKS[one.confidence], -max(one.low, -one.high, 0.0), one.p, one.feature


def _without_mirrors(found: Sequence[Separation]) -> list[Separation]:
    """Of two values of one attribute that split the runs the other way round, the one that set a has more of; and of
    a number its best cut."""
    kept: list[Separation] = []
    cut: set[str] = set()
    seen: dict[tuple[str, int, int], Separation] = {}
    for one in found:
        if one.feature[1].startswith("> "):  # of a number the cut that separates best says it all
            if one.feature[0] in cut:
                continue
            cut.add(one.feature[0])
        mirror = seen.get((one.feature[0], one.of_a - one.with_a, one.of_b - one.with_b))
        if mirror is not None and abs(mirror.difference + one.difference) < 1e-12:
            if one.difference > mirror.difference:
                kept[kept.index(mirror)] = one
            continue
        seen[one.feature[0], one.with_a, one.with_b] = one
        kept.append(one)
    return kept
