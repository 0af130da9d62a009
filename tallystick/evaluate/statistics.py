"""Intervals and tests, exact where they can be, with their sources. Pure: no randomness, floats only.

All intervals are two-sided at 95 %. Shares: Wilson's score interval (1927); their difference: Newcombe's hybrid score
interval (1998, method 10). Tables: Fisher's exact test with mid-p (Lancaster 1961). Many tests: Benjamini and Hochberg
(1995). Means: Student's t; a ratio of two sums: the delta method with Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

Z: Final = 1.959963984540054  # the normal distribution's 97.5 % point
_T: Final = (  # Student's 97.5 % points for 1 to 30 degrees of freedom
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


class Interval(NamedTuple):
    """An estimate with the ends of its interval; None where there is nothing to estimate from."""

    value: float | None
    low: float | None
    high: float | None


NOTHING: Final = Interval(None, None, None)


def share(part: int, whole: int) -> Interval:
    """``part`` of ``whole``, both counts, with Wilson's interval; NOTHING where ``whole`` is 0."""
    if whole <= 0:
        return NOTHING
    p, square = part / whole, Z * Z
    middle = (p + square / (2 * whole)) / (1 + square / whole)
    reach = Z / (1 + square / whole) * math.sqrt(p * (1 - p) / whole + square / (4 * whole * whole))
    low = 0.0 if part == 0 else max(0.0, middle - reach)
    high = 1.0 if part == whole else min(1.0, middle + reach)
    return Interval(p, min(low, p), max(high, p))


def difference(part_a: int, whole_a: int, part_b: int, whole_b: int) -> Interval:
    """Share of a less share of b, with Newcombe's interval; NOTHING where either whole is 0."""
    a, b = share(part_a, whole_a), share(part_b, whole_b)
    if (
        a.value is None
        or b.value is None
        or a.low is None
        or b.low is None
        or a.high is None
        or b.high is None
    ):
        return NOTHING
    value = a.value - b.value
    low = value - math.hypot(a.value - a.low, b.high - b.value)
    high = value + math.hypot(a.high - a.value, b.value - b.low)
    return Interval(value, max(-1.0, low), min(1.0, high))


def fisher_mid_p(part_a: int, whole_a: int, part_b: int, whole_b: int) -> float:
    """Two-sided mid-p of Fisher's test that both shares are one: between 0 and 1; 1 where there is nothing to tell.

    The tables that are as unlikely as this one count half. Takes as many steps as the rarer of "with" and "without".
    """
    total, parts = whole_a + whole_b, part_a + part_b
    if not whole_a or not whole_b or not parts or parts == total:
        return 1.0
    first, last = max(0, parts - whole_b), min(parts, whole_a)
    base = _choose(total, parts)
    logs = [_choose(whole_a, k) + _choose(whole_b, parts - k) - base for k in range(first, last + 1)]
    mine = logs[part_a - first]
    near = 1e-9 * max(1.0, abs(mine))
    rarer = math.fsum(math.exp(one) for one in logs if one < mine - near)
    equal = math.fsum(math.exp(one) for one in logs if abs(one - mine) <= near)
    return min(1.0, max(0.0, rarer + equal / 2))


def _choose(n: int, k: int) -> float:
    """Logarithm of the number of ways to choose k of n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def discoveries(ps: Sequence[float]) -> list[float]:
    """For each p the least rate of false discoveries at which it would be one (Benjamini and Hochberg's q)."""
    order = sorted(range(len(ps)), key=lambda at: ps[at], reverse=True)
    found, least = [1.0] * len(ps), 1.0
    for place, at in enumerate(order):
        least = min(least, ps[at] * len(ps) / (len(ps) - place))
        found[at] = least
    return found


def mean(total: float, squares: float, count: int) -> Interval:
    """Mean of ``count`` values from their sum and the sum of their squares; no interval for one value."""
    return ratio(total, squares, count, count, total, count)


def ratio(
    total: float, squares: float, over: float, over_squares: float, product: float, count: int
) -> Interval:
    """Sum of x over sum of y for ``count`` pairs, from the sums of x, x², y, y² and xy.

    NOTHING where the sum of y is 0; without an interval where there is one pair. The low end is never below 0 where
    the ratio is not: what is summed here is money.
    """
    if count <= 0 or over <= 0:
        return NOTHING
    value = total / over
    if count < 2:
        return Interval(value, None, None)
    rest = max(0.0, squares - 2 * value * product + value * value * over_squares)
    reach = student(count - 1) * math.sqrt(rest * count / (count - 1)) / over
    return Interval(value, max(0.0, value - reach) if value >= 0 else value - reach, value + reach)


def student(freedom: int) -> float:
    """Student's 97.5 % point for at least one degree of freedom, to three places."""
    if freedom <= len(_T):
        return _T[max(freedom, 1) - 1]
    cube, fifth = Z**3, Z**5
    first = (cube + Z) / (4 * freedom)
    second = (5 * fifth + 16 * cube + 3 * Z) / (96 * freedom * freedom)
    return Z + first + second
