"""The archive: steps of ended runs as files of their own, a segment at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tallystick.ports.traces import TraceStore


@dataclass(frozen=True, slots=True)
class ArchivedStep:
    """One step on its way into the archive, or out of it.

    ``position`` is its row in the segment, ``row`` its number in the trace store, ``span`` its span id; ``columns`` are
    what anybody may read, by the names of ``ARCHIVE_COLUMNS``; ``rest`` is what the store knows of the step, and
    ``body`` its span with references to contents, both in the store's own encoding. ``body`` is empty where it was not
    asked for. Of a step that is read, ``columns`` has only what ``rest`` leaves to them: nothing, but in old segments.
    """

    position: int
    row: int
    span: bytes
    columns: Mapping[str, Any]
    rest: bytes
    body: bytes


# name: (type, what it says). Types are those of Parquet readers that speak SQL; times are nanoseconds since 1970 (UTC).
ARCHIVE_COLUMNS: Mapping[str, tuple[str, str]] = {
    "run": ("VARCHAR", "id of the run"),
    "trace": ("VARCHAR", "trace id, 32 hexadecimal digits"),
    "span": ("VARCHAR", "span id, 16 hexadecimal digits: the step's id"),
    "parent": ("VARCHAR", "span id of the step around this one"),
    "kind": ("VARCHAR", "kind of the step: goal, plan, model, tool, …"),
    "name": ("VARCHAR", "name of the span"),
    "status": ("VARCHAR", "ok, error, running or unknown"),
    "error": ("VARCHAR", "what went wrong, as the step says it"),
    "started": ("BIGINT", "start in nanoseconds"),
    "ended": ("BIGINT", "end in nanoseconds; empty where no end came"),
    "seq": ("BIGINT", "number of the step in its run, as the recorder counted"),
    "agent": ("VARCHAR", "agent that took the step"),
    "version": ("VARCHAR", "label of the agent's version"),
    "workflow": ("VARCHAR", "workflow that the run belongs to"),
    "environment": ("VARCHAR", "where it ran (production, staging, …)"),
    "subject": ("VARCHAR", "whom the step concerns: the end user's id"),
    "conversation": ("VARCHAR", "conversation that the step belongs to"),
    "provider": ("VARCHAR", "provider of the model"),
    "model": ("VARCHAR", "model that answered"),
    "tool": ("VARCHAR", "tool that was called"),
    "call": ("VARCHAR", "id of the tool call"),
    "response": ("VARCHAR", "id of the model's response"),
    "effect": ("VARCHAR", "what the tool can do: none, read, write, irreversible"),
    "outcome": ("VARCHAR", "what became of the effect: did not happen, in doubt, landed"),
    "decision": ("VARCHAR", "allow, deny or hold"),
    "input_tokens": ("BIGINT", "tokens read by the model"),
    "output_tokens": ("BIGINT", "tokens written by the model"),
    "cache_read_tokens": ("BIGINT", "of the tokens read, those from a cache"),
    "cache_write_tokens": ("BIGINT", "tokens written into a cache"),
    "reasoning_tokens": ("BIGINT", "of the tokens written, those of reasoning"),
    "cost_nano": ("BIGINT", "cost in nano-dollars; empty where it is not known or nothing was charged"),
    "cost_gap": ("VARCHAR", "why the cost is not known"),
    "same_as": ("VARCHAR", "span id of the step that this one repeats; such a step is not counted"),
    "derived": ("BOOLEAN", "whether the step was worked out from a message history, and not recorded"),
    "dropped": ("BIGINT", "attributes, events and links that the sender dropped"),
    "scope": ("VARCHAR", "instrumentation scope that recorded the span"),
    "dialect": ("VARCHAR", "dialect in which the span was read"),
}


@dataclass(frozen=True, slots=True)
class Archived:
    """What archiving did: runs and steps moved, size of the segments in bytes. ``busy``: another process does it."""

    runs: int = 0
    steps: int = 0
    bytes: int = 0
    segments: int = 0
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """What deleting runs did: which runs went, and how many steps they had."""

    runs: tuple[str, ...] = ()
    steps: int = 0


class Archive(Protocol):
    """Files of archived steps. A segment is written whole or not at all, never changed, and read by many processes.

    A segment's name is ``DAY/NUMBER``. The steps of a run follow each other in it, with growing numbers. Every method
    raises StoreFault that names the file where one is missing, damaged or cannot be written, and where what reads or
    writes it is not installed.
    """

    def available(self) -> bool:
        """Whether segments can be written here."""
        ...

    def readable(self, segment: str) -> bool:
        """Whether what is installed reads a segment; whether its files are whole, it does not say."""
        ...

    def write(self, segment: str, steps: Iterable[ArchivedStep], contents: Sequence[bytes]) -> int:
        """Write a segment, durable on return; its size in bytes. Steps come by position, contents by theirs.

        ``contents`` is read after the last step was taken, so that the steps may still fill it.
        """
        ...

    def steps(
        self, segment: str, first: int, count: int, *, after: int = -1, limit: int | None = None,
        spans: Collection[bytes] | None = None, bodies: bool = False,
    ) -> list[ArchivedStep]:  # fmt: skip
        """The steps of one run, at the positions ``first`` and following, in order; those with a ``row`` beyond
        ``after``, at most ``limit``, and of the given span ids only."""
        ...

    def columns(self, segment: str, first: int, count: int) -> Sequence[Mapping[str, Any]]:
        """The readable columns of the steps at these positions, in order."""
        ...

    def contents(self, segment: str, positions: Collection[int]) -> Mapping[int, bytes]:
        """Contents by position; one that is not there is left out."""
        ...

    def found(self) -> Mapping[str, int]:
        """Segments that have files, also unfinished ones, with their size in bytes."""
        ...

    def remove(self, segment: str) -> None:
        """Remove a segment's files, those that are there."""
        ...


class ArchivingTraces(TraceStore, Protocol):
    """A trace store that moves old runs into an archive and lets whole runs go."""

    def archive(
        self, *, before: int, now: int, dry_run: bool = False, say: Callable[[str], None] = ...
    ) -> Archived:
        """Move the steps of runs that ended before ``before`` (nanoseconds) and were silent since into the archive.

        Nothing that is asked of the runs is answered differently afterwards. A crash loses nothing, and of two
        processes one does it. Raises StoreFault where there is no archive, StoreFull where it has no room.
        """
        ...

    def tidy(self, *, now: int) -> None:
        """Take away files of the archive that no run needs, and what was deleted or erased out of the others."""
        ...

    def deletable(self, runs: Sequence[str]) -> Sequence[str]:
        """Those of some runs that may go: they ended, and all of them is attested and sealed in the journal."""
        ...

    def bring_back(self, runs: Sequence[str]) -> None:
        """Take runs out of the archive, for whoever changes what they hold; ``tidy`` takes them out of the files."""
        ...

    def delete_runs(self, runs: Sequence[str], *, now: int) -> Deleted:
        """Delete runs that are ``deletable``: all of them but the hashes of their records, which the journal attests.

        Contents that no other run has are wiped out of the files, also out of the archive's.
        """
        ...

    def deleted_runs(self) -> Mapping[str, int]:
        """Logs (run ids) of runs that were deleted, with the number of records they had."""
        ...
