"""What agents were seen using (``ports.UseLog``)."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.adapters.memory import held as uses_of
from tallystick.adapters.memory.sharing import owners_of
from tallystick.adapters.memory.traces.held_runs import HeldRuns
from tallystick.adapters.naming import unknown_run
from tallystick.model.registry import Use
from tallystick.observe.summary import SEEN_TYPES


class MemoryUses(HeldRuns):
    """Uses, run by run and summed up."""

    def unlisted(self, *, now: int, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Runs whose uses are not listed as they stand, oldest change first."""
        with self._lock:
            self._sweep(now)
            return uses_of.due(self._runs.values(), limit)

    def list_uses(self, run: str, revision: int, uses: Sequence[Use]) -> None:
        """Put the uses of a run in the place of those it had. UnknownThing for a run that is not here."""
        with self._lock:
            if run not in self._runs:
                raise unknown_run(run)
            uses_of.list_uses(self._runs, self._runs[run], revision, uses)
            self._uses_revision += 1

    def uses_revision(self) -> int:
        """A number that grows whenever a run was listed."""
        return self._uses_revision

    def seen(self) -> Sequence[tuple[str, str]]:
        """Type and name of every agent, tool, model and workflow that was seen."""
        with self._lock:
            runs = [(held.parts, owners_of(self._summary(held))) for held in self._runs.values()]
        return sorted({key for both in runs for keys in both for key in keys if key[0] in SEEN_TYPES})

    def uses(
        self, *, agent: str | None = None, type: str | None = None, name: str | None = None, since: int | None = None,
        run: str | None = None,
    ) -> Sequence[Use]:  # fmt: skip
        """Uses summed up by agent, type, name and detail, in that order; with ``run`` only that run's."""
        with self._lock:
            runs = self._runs.values() if run is None else [self._get(run)]
            rows = [held.uses for held in runs]
            return uses_of.read_uses(rows, agent=agent, type=type, name=name, since=since)
