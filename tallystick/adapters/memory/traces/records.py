"""Records of steps, for the journal (``ports.RecordLog``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tallystick.adapters.memory.traces.held_runs import HeldRuns
from tallystick.ports import Account, Charge, Flaw, Kept, Record, Segment


class MemoryRecords(HeldRuns):
    """The logs of records, what of them is attested and sealed, and runs as evidence needs them."""

    def unattested(self, *, limit: int = 10_000) -> Sequence[Segment]:
        """Records that were not marked as attested, one segment a run at most, oldest runs first."""
        with self._lock:
            return self._logs.unattested(limit)

    def attested(self, marks: Mapping[str, int]) -> None:
        """Mark the first ``n`` records of each run as attested. Marking fewer than before changes nothing."""
        with self._lock:
            self._logs.attested(marks)

    def records(self, run: str) -> Sequence[Record]:
        """All records of a run and of the runs that were merged into it, by log and number. Raises UnknownThing."""
        with self._lock:
            held = self._get(run)
            names = [held.id, *(alias for alias, (to, _) in self._aliases.items() if to == held.id)]
            return self._logs.records(names, held.steps)

    def account(self, run: str) -> Account:
        """A run as it stands, charges in the order of its records. Raises UnknownThing."""
        with self._lock:
            held = self._get(run)
            summary = self._summary(held)
            counted = [
                Charge(step.trace, step.span, step.cost_nano, step.cost_gap) for _, step, _ in held.steps.values()
                if step.same_as is None and (step.cost_nano is not None or step.cost_gap is not None)
            ]  # fmt: skip
            counted.sort(key=lambda one: self._logs.mark_of((one.trace, one.span)) or ("", 0))
            return Account(summary, len(self.records(run)), tuple(counted))

    def kept(self, run: str) -> Iterator[Kept]:
        """All steps of a run in order of arrival. Raises UnknownThing."""
        with self._lock:
            records = {(one.trace, one.span): one for one in self.records(run) if one.replaced_by is None}
            held = self._get(run)
            self._count(held)
            steps = sorted(held.steps.values(), key=lambda one: one[0])
        yield from (Kept(step, span, records.get((step.trace, step.span))) for _, step, span in steps)

    def unsealed(self, *, now: int, limit: int = 500) -> Sequence[tuple[str, int]]:
        """Runs that have ended and changed since they were sealed, with the revision to seal."""
        with self._lock:
            self._sweep(now)
            return [
                (held.id, held.revision) for held in sorted(self._runs.values(), key=lambda held: held.no)
                if held.sealed < held.revision and held.verdict is not None and held.verdict.completeness != "open"
            ][:limit]  # fmt: skip

    def sealed(self, marks: Mapping[str, int]) -> None:
        """Remember the revision at which each run was sealed."""
        with self._lock:
            for run in marks.keys() & self._runs.keys():
                self._runs[run].sealed = max(self._runs[run].sealed, marks[run])

    def logs(self, runs: Iterable[str] | None = None) -> Mapping[str, tuple[int, int]]:
        """Logs by run id (all, or those asked for): how many records each has, and how many are marked as attested."""
        with self._lock:
            return self._logs.logs(runs)

    def flaws(self) -> Iterator[Flaw]:
        """Nothing here is on a disk that somebody could have changed."""
        return iter(())
