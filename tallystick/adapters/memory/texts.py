"""The index of texts in memory (``ports.TextLog``): a set of tokens for each run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tallystick.adapters.memory.held import Held
from tallystick.model.query import Term
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.text_terms import meets_score, score_term, step_meets, wanted
from tallystick.observe.texts import split
from tallystick.ports import Indexed, RunTexts, Score, Unread


@dataclass(slots=True)
class Said:
    """What a run said when it was last indexed. ``steps``: how many it had then."""

    steps: int = 0
    tokens: set[str] = field(default_factory=set)
    scores: set[Score] = field(default_factory=set)


class MemoryTexts:
    """The part of ``MemoryTraces`` that knows what runs said."""

    _lock: AbstractContextManager[bool]
    _runs: dict[str, Held]

    if TYPE_CHECKING:

        def _sweep(self, now: int) -> None: ...
        def _get(self, run: str) -> Held: ...

    def __init__(self) -> None:
        self._said: dict[int, Said] = {}  # by the run's number
        self._upto = 0

    def unindexed(self, *, now: int, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Runs whose texts are not indexed as they stand, oldest change first."""
        with self._lock:
            self._sweep(now)
            return [
                (held.id, held.revision) for held in sorted(self._runs.values(), key=lambda one: one.revision)
                if held.revision > self._upto
                and (not _is_open(held) or held.tally.steps >= 2 * self._said.get(held.no, Said()).steps)
            ][: max(0, limit)]  # fmt: skip

    def unread(self, run: str, revision: int) -> Unread:
        """All steps of a run that may be read now: of an open one those that have ended. Raises UnknownThing."""
        with self._lock:
            held = self._get(run)
            steps = [
                (step, span) for _, step, span in sorted(held.steps.values(), key=lambda one: one[0])
                if step.ended is not None or not _is_open(held)
            ]  # fmt: skip
            return Unread(held.id, revision, iter(steps), (), (held.no, held.tally.steps))

    def index_texts(self, texts: Sequence[RunTexts], *, upto: int) -> None:
        """Put what was read of runs in the place of what they said before."""
        with self._lock:
            for one in texts:
                number, steps = one.read.mark
                self._said[number] = Said(max(1, steps), set(split(one.text)), set(one.scores))
            self._upto = max(self._upto, upto)

    def indexed(self) -> Indexed:
        """How far the index is."""
        with self._lock:
            behind = sum(held.revision > self._upto for held in self._runs.values())
            return Indexed(len(self._runs), behind, self._upto)

    def forget_texts(self, runs: Iterable[str]) -> bool:
        """Take runs out of the index."""
        wanted_runs = set(runs)
        with self._lock:
            here = {held.no for run, held in self._runs.items() if run not in wanted_runs}
            self._said = {number: said for number, said in self._said.items() if number in here}
        return True

    def holding(self, run: str, text: str, *, after: int = 0) -> Iterator[tuple[int, Step, Span]]:
        """All steps of a run from a place on, with their place: nothing here is quicker than reading them."""
        with self._lock:
            steps = sorted(self._get(run).steps.values(), key=lambda one: one[0])
        for place, (_, step, span) in enumerate(steps):
            if place >= after and text:
                yield place, step, span

    def says(self, held: Held) -> Callable[[Term], bool]:
        """Answers for one run whether it meets a term about what it said."""
        said = self._said.get(held.no, Said())

        def meets(term: Term) -> bool:
            score = score_term(term)
            if score is not None:
                return any(meets_score(score, one) for one in said.scores)
            asked = wanted(term)
            if asked is None or not said.tokens.issuperset(asked.tokens):
                return False
            if not all(any(token.startswith(one) for token in said.tokens) for one in asked.beginnings):
                return False
            return not asked.unsure or any(
                step_meets(term, step, span) for _, step, span in held.steps.values()
            )

        return meets


def _is_open(held: Held) -> bool:
    return held.verdict is None or held.verdict.completeness == "open"
