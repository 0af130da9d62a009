"""A run's steps, and its outline made of them. The same straight from rows: adapters/sqlite/outlining.py."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from tallystick.adapters.memory.held import Held
from tallystick.model.step import Step
from tallystick.observe.outline import Outline, outline_of


class OutlineOf:
    """Reads a run's steps; mixed into the store."""

    _lock: AbstractContextManager[bool]

    def _get(self, run: str) -> Held:
        raise NotImplementedError

    def _count(self, held: Held) -> None:
        raise NotImplementedError

    def steps(self, run: str) -> Sequence[Step]:
        """All steps of a run, by start time, then sequence number, then arrival."""
        with self._lock:
            held = self._get(run)
            self._count(held)
            return [step for _, step, _ in held.ordered()]

    def revision(self, run: str) -> int:
        """A number that grows whenever the run changes. Raises UnknownThing."""
        with self._lock:
            return self._get(run).revision

    def outline(self, run: str) -> Outline:
        """The run's steps as columns. Raises UnknownThing."""
        return outline_of(self.steps(run))
