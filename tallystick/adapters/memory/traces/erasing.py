"""Contents that are taken out of runs (``ports.ErasableTraces``)."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.adapters.blanking import blank
from tallystick.adapters.memory.held import Pair
from tallystick.adapters.memory.traces.blobs import MemoryBlobbing
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.ports import Wiped


class MemoryErasing(MemoryBlobbing):
    """Erases runs."""

    def concerning(self, subject: str) -> Sequence[str]:
        """Runs that have a step which concerns a subject, oldest first."""
        with self._lock:
            return [
                held.id for held in sorted(self._runs.values(), key=lambda held: held.no)
                if any(step.subject == subject for _, step, _ in held.steps.values())
            ]  # fmt: skip

    def unfinished(self) -> Sequence[str]:
        """None: here an erasure is done whole or not at all."""
        return ()

    def finish_erasing(self) -> None:
        """Nothing: see ``unfinished``."""

    def erase(self, runs: Sequence[str]) -> Wiped:
        """Take the contents out of runs (see ``ports.ErasableTraces``)."""
        steps = records = 0
        with self._lock:
            named = [blob.sha256 for run in runs for blob in self.blobs(run)]
            for held in [self._get(run) for run in runs]:
                for pair, (arrived, step, span) in held.steps.items():
                    records += self._logs.erase(pair, span)
                    held.steps[pair] = (arrived, *blank(step, span))
                    steps += 1
                held.erased = held.stale = True
                self._count(held)
                self._revision += 1
                held.revision = self._revision
                self._unlink(held.id)
                self._ties.forget({trace for trace, _ in held.steps})
            self.settle_blobs(named)
        return Wiped(steps, records, 0)

    def _unlink(self, run: str) -> None:
        """No conversation leads to a run any more."""
        for key in [one for one, led in self._keys.items() if led == run and one.startswith("conversation:")]:
            del self._keys[key]

    def _bare(self, batch: Sequence[tuple[Step, Span]]) -> Sequence[tuple[Step, Span]]:
        """The batch without the contents of what comes for erased runs."""
        if not any(held.erased for held in self._runs.values()):
            return batch
        return [
            blank(step, span) if self._is_erased(step.run or self._keys.get(step.trace)) else (step, span)
            for step, span in batch
        ]

    def _is_erased(self, run: str | None) -> bool:
        if run in self._aliases:
            run = self._aliases[run][0]
        return run in self._runs and self._runs[run].erased

    def _bare_late(self, fresh: dict[Pair, tuple[Step, Span]], runs: Sequence[str]) -> None:
        """The same for what turned out to belong to an erased run when runs were given out."""
        for pair, run in zip(fresh, runs, strict=True):
            if self._runs[run].erased:
                fresh[pair] = blank(*fresh[pair])
                self._unlink(run)
