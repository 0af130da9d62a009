"""The trace store: what is written into it, and all that is asked of it, one Protocol a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.ports.blobs import BlobTraces
from tallystick.ports.erasure import ErasableTraces
from tallystick.ports.records import RecordLog
from tallystick.ports.runs import RunReader
from tallystick.ports.search import TextLog
from tallystick.ports.steps import StepReader
from tallystick.ports.sums import RunSums
from tallystick.ports.uses import UseLog


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did. ``runs`` are the ids of the runs it touched; ``repeated`` names (trace, span) each step of the
    batch that was here already, once for each time."""

    steps: int
    repeated: tuple[tuple[str, str], ...]
    runs: tuple[str, ...]

    @property
    def repeats(self) -> int:
        """How many steps of the batch were here already, those read out of a history among them."""
        return len(self.repeated)


class TraceStore(RunReader, StepReader, RunSums, BlobTraces, Protocol):
    """Runs, steps, the spans they came from and the blobs that these name. Many processes may use one store at once."""

    def write(self, batch: Sequence[tuple[Step, Span]], *, at: int) -> Written:
        """Commit a batch, all or nothing, durable against the death of the process on return.

        Assigns each step to a run (stamped id, then known trace, then links, else the trace id; runs that links
        join are merged), merges start and end records of one span, ignores repeats, and keeps run summaries and
        roll-ups in the same transaction. Raises StoreFull when the disk has no room; then nothing was written.
        """
        ...

    def info(self) -> Mapping[str, Any]:
        """Facts for ``tally store info``: path, schema version, counts, bytes."""
        ...

    def close(self) -> None:
        """Release files and connections. Closing twice is allowed."""
        ...


class Traces(TraceStore, RecordLog, UseLog, TextLog, ErasableTraces, Protocol):
    """A trace store with its log of records, its uses and its index of texts, and whose contents can be erased."""
