"""Contents that are taken out of runs (``ports.ErasableTraces``)."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.adapters.blanking import blank
from tallystick.adapters.memory.traces.blobs import MemoryBlobbing
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
                for key in [
                    one
                    for one, run in self._keys.items()
                    if run == held.id and one.startswith("conversation:")
                ]:
                    del self._keys[key]
            self._drop_blobs(named)
        return Wiped(steps, records, 0)
