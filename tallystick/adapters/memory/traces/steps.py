"""The steps of a run and their spans (``ports.StepReader``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tallystick.adapters.memory.traces.held_runs import HeldRuns
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.outline import Outline, outline_of


class MemorySteps(HeldRuns):
    """Reads runs step by step. The outline straight from rows: adapters/sqlite/outlining.py."""

    def steps(self, run: str) -> Sequence[Step]:
        """All steps of a run, by start time, then sequence number, then arrival."""
        with self._lock:
            held = self._get(run)
            self._count(held)
            return [step for _, step, _ in held.ordered()]

    def nearby(self, run: str, prefix: str) -> Sequence[Step]:
        """All steps of the run where one begins so: nothing here is quicker than giving them."""
        steps = self.steps(run)
        return steps if any(step.span.startswith(prefix) for step in steps) else []

    def spans(self, run: str, spans: Iterable[str] | None = None) -> Mapping[str, Span]:
        """The original spans of a run by span id. Unknown span ids are left out."""
        with self._lock:
            wanted = None if spans is None else set(spans)
            found: dict[str, Span] = {}
            for _, step, span in sorted(self._get(run).steps.values(), key=lambda one: one[0]):
                if wanted is None or step.span in wanted:
                    found.setdefault(step.span, span)
            return found

    def revision(self, run: str) -> int:
        """A number that grows whenever the run changes. Raises UnknownThing."""
        with self._lock:
            return self._get(run).revision

    def tied(self, run: str) -> Mapping[str, str]:
        """The traces of a run that no id puts there, each with the trace that it goes with. Raises UnknownThing."""
        with self._lock:
            mine = {trace for trace, _ in self._get(run).steps}
            return {trace: host for trace, host in self._ties.tied.items() if trace in mine}

    def outline(self, run: str) -> Outline:
        """The run's steps as columns. Raises UnknownThing."""
        return outline_of(self.steps(run))
