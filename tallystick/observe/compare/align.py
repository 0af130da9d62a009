"""Align two sequences: what is surely the same first, then the best fit between.

Cost is bounded: equal ends are cut off, tokens that occur once on each side anchor the rest (patience), and only what
lies between anchors is fitted pair by pair, within a budget of pairs that were looked at.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from typing import Final

Pairs = list[tuple[int, int]]
Token = Callable[[int], Hashable]
Likeness = Callable[[int, int], float]

BUDGET: Final = 400_000  # pairs that may be looked at in one comparison
_LEAST: Final = 0.3  # two steps that are less alike are two steps
_AHEAD: Final = 6
_SMALL: Final = 40_000  # pairs between anchors that are fitted one by one rather than walked through
_WINDOW: Final = 24  # steps that are looked ahead for the place where two sequences go on alike
_SURE: Final = 6  # equal steps that make such a place
_LOST: Final = 64  # times on end that no such place was found before walking is given up
_TURNS: Final = 5_000  # times that one was looked for


class Aligner:
    """Aligns steps 0…n of one side with those of another.

    ``tokens``: from the surest to the vaguest, each a function for either side that gives what two equal steps share;
    ``like(i, j)``: from 0 (nothing in common) to 1.
    """

    def __init__(self, tokens: Sequence[tuple[Token, Token]], like: Likeness, budget: int = BUDGET) -> None:
        self._tokens = tokens
        self._like = like
        self._budget = budget
        self.exhausted = False  # the budget ran out: the rest was aligned in order only

    def align(self, size_a: int, size_b: int) -> Pairs:
        """Pairs (i, j), both growing. Steps in no pair are on one side only."""
        pairs: Pairs = []
        work = [(0, size_a, 0, size_b, 0)]
        while work:
            a0, a1, b0, b1, level = work.pop()
            if a0 == a1 or b0 == b1:
                continue
            if level == len(self._tokens):
                pairs += self._fit(a0, a1, b0, b1)
                continue
            of_a, of_b = self._tokens[level]
            while a0 < a1 and b0 < b1 and of_a(a0) == of_b(b0):
                pairs.append((a0, b0))
                a0, b0 = a0 + 1, b0 + 1
            while a0 < a1 and b0 < b1 and of_a(a1 - 1) == of_b(b1 - 1):
                a1, b1 = a1 - 1, b1 - 1
                pairs.append((a1, b1))
            told_a, told_b = [of_a(at) for at in range(a0, a1)], [of_b(at) for at in range(b0, b1)]
            anchors, deeper = _anchors(told_a, told_b), level
            if not anchors:
                deeper = level + 1
                if len(told_a) * len(told_b) > _SMALL:
                    anchors = _steady(told_a, told_b)
            i, j = a0, b0
            for da, db in anchors:
                pairs.append((a0 + da, b0 + db))
                # Between anchors the same token may be unique now: look again, but only where there were any.
                if i < a0 + da and j < b0 + db:
                    work.append((i, a0 + da, j, b0 + db, deeper))
                i, j = a0 + da + 1, b0 + db + 1
            work.append((i, a1, j, b1, deeper))
        pairs.sort()
        return pairs

    def _fit(self, a0: int, a1: int, b0: int, b1: int) -> Pairs:
        """The pairs of greatest likeness together, in order (Needleman–Wunsch); greedy where that is too many."""
        rows, columns = a1 - a0, b1 - b0
        if rows * columns > self._budget:
            return self._greedy(a0, a1, b0, b1)
        self._budget -= rows * columns
        like = self._like
        best: list[list[float]] = [[0.0] * (columns + 1)]
        for i in range(rows):
            above, here = best[-1], [0.0] * (columns + 1)
            for j in range(columns):
                most = above[j + 1] if above[j + 1] >= here[j] else here[j]
                alike = like(a0 + i, b0 + j)
                if alike >= _LEAST and above[j] + alike > most:
                    most = above[j] + alike
                here[j + 1] = most
            best.append(here)
        pairs: Pairs = []
        i, j = rows, columns
        while i and j:
            if best[i][j] == best[i - 1][j]:
                i -= 1
            elif best[i][j] == best[i][j - 1]:
                j -= 1
            else:
                i, j = i - 1, j - 1
                pairs.append((a0 + i, b0 + j))
        return pairs

    def _greedy(self, a0: int, a1: int, b0: int, b1: int) -> Pairs:
        """In order, each step with the most like of the next few."""
        self.exhausted = True
        pairs: Pairs = []
        i, j = a0, b0
        while i < a1 and j < b1:
            near = [(i, j)]
            near += [(i, at) for at in range(j + 1, min(j + _AHEAD, b1))]
            near += [(at, j) for at in range(i + 1, min(i + _AHEAD, a1))]
            scored = [(self._like(*pair) - 0.01 * (pair[0] - i + pair[1] - j), pair) for pair in near[:1]]
            if scored[0][0] < 0.99:
                scored += [
                    (self._like(*pair) - 0.01 * (pair[0] - i + pair[1] - j), pair) for pair in near[1:]
                ]
            score, pair = max(scored, key=lambda one: one[0])
            if score >= _LEAST - 0.1:
                pairs.append(pair)
                i, j = pair[0] + 1, pair[1] + 1
            else:
                i, j = i + 1, j + 1
        return pairs


def _anchors(a: Sequence[Hashable], b: Sequence[Hashable]) -> Pairs:
    """Places of tokens that occur once on each side, as many as keep one order."""
    once_b = _once(b)
    common = [(at, once_b[token]) for token, at in _once(a).items() if token in once_b]
    kept = rising([place for _, place in common])
    return [common[at] for at in kept]


def _steady(a: Sequence[Hashable], b: Sequence[Hashable]) -> Pairs:
    """Equal tokens in order, walked through with a bounded look ahead: for long stretches that repeat themselves."""
    pairs: Pairs = []
    i = j = lost = turns = 0
    while i < len(a) and j < len(b) and lost < _LOST and turns < _TURNS:
        if a[i] == b[j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
            continue
        turns += 1
        for far in range(1, _WINDOW):
            place = next(
                (
                    (x, y) for x in range(i, min(i + far + 1, len(a)))
                    if (y := j + far - (x - i)) < len(b) and a[x] == b[y] and a[x : x + _SURE] == b[y : y + _SURE]
                ),
                None,
            )  # fmt: skip
            if place is not None:
                i, j, lost = *place, 0
                break
        else:
            i, j, lost = i + 1, j + 1, lost + 1
    return pairs


def _once(tokens: Sequence[Hashable]) -> dict[Hashable, int]:
    places: dict[Hashable, int] = {}
    for at, token in enumerate(tokens):
        places[token] = -1 if token in places else at
    return {token: at for token, at in places.items() if at >= 0}


def rising(numbers: Sequence[int]) -> list[int]:
    """Indices of a longest subsequence that grows. O(n log n)."""
    ends: list[int] = []
    at_end: list[int] = []
    before: list[int] = []
    for index, number in enumerate(numbers):
        place = bisect_left(ends, number)
        before.append(at_end[place - 1] if place else -1)
        if place == len(ends):
            ends.append(number)
            at_end.append(index)
        else:
            ends[place], at_end[place] = number, index
    found: list[int] = []
    at = at_end[-1] if at_end else -1
    while at >= 0:
        found.append(at)
        at = before[at]
    return found[::-1]
