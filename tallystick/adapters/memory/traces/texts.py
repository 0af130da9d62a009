"""The index of texts in memory (``ports.TextLog``): a set of tokens for each run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tallystick.adapters.memory.held import Held
from tallystick.adapters.memory.said import Said
from tallystick.adapters.memory.traces.held_runs import HeldRuns
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.texts import split
from tallystick.ports import Indexed, RunTexts, Unread


class MemoryTexts(HeldRuns):
    """What of which run is in the index, what is due, and which steps may hold a text."""

    def unindexed(self, *, now: int, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Runs whose texts are not indexed as they stand, oldest change first."""
        with self._lock:
            self._sweep(now)
            return [
                (held.id, held.revision) for held in sorted(self._runs.values(), key=lambda one: one.revision)
                if held.revision > self._indexed_upto
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
                self._said[number] = Said(
                    max(1, steps), set(split(one.text)), set(one.scores), dict(one.numbers)
                )
            self._indexed_upto = max(self._indexed_upto, upto)

    def indexed(self) -> Indexed:
        """How far the index is."""
        with self._lock:
            behind = sum(held.revision > self._indexed_upto for held in self._runs.values())
            return Indexed(len(self._runs), behind, self._indexed_upto)

    def forget_texts(self, runs: Iterable[str]) -> bool:
        """Take runs out of the index."""
        wanted_runs = set(runs)
        with self._lock:
            here = {held.no for run, held in self._runs.items() if run not in wanted_runs}
            self._said = {number: said for number, said in self._said.items() if number in here}
        return True

    def holding(
        self, run: str, text: str, *, after: int = 0, most: int | None = None
    ) -> Iterator[tuple[int, Step, Span]]:
        """All steps of a run from a place on, with their place: nothing here is quicker than reading them."""
        with self._lock:
            steps = sorted(self._get(run).steps.values(), key=lambda one: one[0])
        end = len(steps) if most is None else after + most
        for place, (_, step, span) in enumerate(steps[:end]):
            if place >= after and text:
                yield place, step, span


def _is_open(held: Held) -> bool:
    return held.verdict is None or held.verdict.completeness == "open"
