"""Runs and which of them meet a query (``ports.RunReader``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tallystick.adapters.memory.matching import page_of
from tallystick.adapters.memory.traces.held_runs import HeldRuns
from tallystick.adapters.naming import unknown_run
from tallystick.model.query import Query
from tallystick.model.run import Run
from tallystick.observe.text_terms import is_unsure
from tallystick.ports import Change, RunPage


class MemoryRuns(HeldRuns):
    """Lists of runs, one run, and what changed."""

    def runs(self, query: Query, *, now: int, limit: int = 50, before: str | None = None) -> RunPage:
        """Runs that match, newest first."""
        with self._lock:
            found = self._chosen(query, now)
            last = None if before is None else self._get(before)
            return page_of(
                query, [(one.place, run) for one, run in found], limit=max(0, limit),
                after=None if last is None else (last.place, last.id),
            )  # fmt: skip

    def statuses(self, query: Query, *, now: int) -> Mapping[str, int] | None:
        """Runs that match, counted by status."""
        if any(is_unsure(term) for term in query.terms):
            return None
        with self._lock:
            return Counter(str(run.status) for _, run in self._chosen(query, now))

    def run(self, run: str, *, now: int) -> Run:
        """One run by id. Raises UnknownThing."""
        with self._lock:
            self._sweep(now)
            return self._summary(self._get(run))

    def resolve(self, prefix: str) -> str:
        """The one run id that starts with ``prefix``; ids of merged runs and of traces lead to their run."""
        with self._lock:
            if prefix in self._runs:
                return prefix
            found = {run for run in self._runs if run.startswith(prefix)}
            found |= {run for alias, (run, _) in self._aliases.items() if alias.startswith(prefix)}
            if not found and prefix:
                found = {
                    run for key, run in self._keys.items() if ":" not in key and key.startswith(prefix.lower())
                }  # fmt: skip
            if len(found) == 1 and prefix:
                return found.pop()
            raise unknown_run(prefix, several=len(found) > 1)

    def changes(self, after: int, *, limit: int = 500) -> Sequence[Change]:
        """Runs changed since a cursor, oldest first."""
        with self._lock:
            if after < 0:
                return [Change(self._revision, "")]
            changes = [Change(held.revision, run) for run, held in self._runs.items()]
            changes += [Change(revision, alias) for alias, (_, revision) in self._aliases.items()]
        return sorted([one for one in changes if one.cursor > after], key=lambda one: one.cursor)[:limit]
