"""The trace store: runs, steps, the spans they came from, the log of their records, and what agents used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tallystick.model.query import Query
from tallystick.model.registry import Use
from tallystick.model.run import Run
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.outline import Outline
from tallystick.ports.blobs import BlobTraces
from tallystick.ports.erasure import ErasableTraces
from tallystick.ports.search import TextLog
from tallystick.ports.tallies import TallyRow


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did. ``runs`` are the ids of the runs it touched; repeats are spans that were here already."""

    steps: int
    repeats: int
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of runs, newest first; ``total`` counts all that match.

    ``at_least``: it counts those that were found, and there may be more, because each has to be read to know.
    """

    total: int
    runs: tuple[Run, ...]
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Spend:
    """Money by one key. ``unknown`` counts the steps whose cost is not known, ``token_gaps`` the model calls whose
    tokens are not."""

    key: str | None
    cost_nano: int
    unknown: int
    steps: int
    runs: int
    input_tokens: int
    output_tokens: int
    token_gaps: int = 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """A thing seen in the traces: type is agent, tool, model or workflow."""

    type: str
    name: str
    first: int
    last: int
    runs: int
    steps: int
    errors: int
    cost_nano: int
    cost_gaps: int


WHOLENESS_KEYS: Final = ("agent", "day")


@dataclass(frozen=True, slots=True)
class Wholeness:
    """How the runs of one agent, or of one day (UTC, of their start), stand.

    ``missing`` sums the steps known to be missing; ``missing_unknown`` counts the runs that are not complete and of
    which nobody knows how many steps are missing.
    """

    key: str | None
    runs: int
    complete: int
    lossy: int
    open: int
    crashed: int
    missing: int
    missing_unknown: int


@dataclass(frozen=True, slots=True)
class Change:
    """A run changed. ``cursor`` grows with every change in the store, also across processes."""

    cursor: int
    run: str


class TraceStore(Protocol):
    """Runs, steps and the spans they came from. Many processes may read and write one store at once."""

    def write(self, batch: Sequence[tuple[Step, Span]], *, at: int) -> Written:
        """Commit a batch, all or nothing, durable against the death of the process on return.

        Assigns each step to a run (stamped id, then known trace, then links, else the trace id; runs that links
        join are merged), merges start and end records of one span, ignores repeats, and keeps run summaries and
        roll-ups in the same transaction. Raises StoreFull when the disk has no room; then nothing was written.
        """
        ...

    def runs(self, query: Query, *, now: int, limit: int = 50, before: str | None = None) -> RunPage:
        """Runs that match, newest start first. ``before``: only runs listed after that run id (paging)."""
        ...

    def run(self, run: str, *, now: int) -> Run:
        """One run by id. Raises UnknownThing."""
        ...

    def resolve(self, prefix: str) -> str:
        """The one run id that starts with ``prefix``. Raises UnknownThing for none or several."""
        ...

    def steps(self, run: str) -> Sequence[Step]:
        """All steps of a run without contents, by start time then sequence number; repeats carry ``same_as``."""
        ...

    def outline(self, run: str) -> Outline:
        """What a tree shows of ``steps``, as columns: fast for runs of many thousand steps. Raises UnknownThing."""
        ...

    def revision(self, run: str) -> int:
        """A number that grows whenever the run changes: while it stands, so does its outline. Raises UnknownThing."""
        ...

    def spans(self, run: str, spans: Iterable[str] | None = None) -> Mapping[str, Span]:
        """The original spans of a run by span id (all of them, or those asked for), attributes byte for byte."""
        ...

    def spend(self, by: str, query: Query, *, now: int) -> Sequence[Spend]:
        """Cost by agent, tool, workflow, run or model, dearest first."""
        ...

    def completeness(self, by: str, query: Query, *, now: int) -> Sequence[Wholeness]:
        """How the runs that match stand, by agent or by day of their start, in that order; no key comes last.

        Raises BadInput for another ``by``. Costs what the runs' summaries cost, not their steps.
        """
        ...

    def tallies(self, by: str, query: Query, *, now: int, owner: str | None = None) -> Sequence[TallyRow]:
        """Sums over the runs that match, by version, day, week or agent; keys in order, none last.

        With ``owner`` only the runs that belong to this agent. Raises BadInput for another ``by``.
        """
        ...

    def sightings(self, type: str) -> Sequence[Sighting]:
        """What was seen of one type, last seen first."""
        ...

    def changes(self, after: int, *, limit: int = 500) -> Sequence[Change]:
        """Runs changed since a cursor, oldest first; ``after=-1`` gives only the newest cursor (run "")."""
        ...

    def info(self) -> Mapping[str, Any]:
        """Facts for ``tally store info``: path, schema version, counts, bytes."""
        ...

    def close(self) -> None:
        """Release files and connections. Closing twice is allowed."""
        ...


@dataclass(frozen=True, slots=True)
class Segment:
    """Records of one run that the journal has not attested yet: leaf hashes of records ``first`` and following."""

    run: str
    first: int
    leaves: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a run's log (see docs/reference/proof-format.md, section 5).

    ``log`` is the run id under which it arrived. ``salt`` opens its content (None: the content was erased).
    ``replaced_by`` is the number of the record that took its place, in the same log unless ``replaced_in`` names
    another (a span's end may name another run than its start did); such a record has only its hash.
    """

    log: str
    n: int
    trace: str
    span: str
    hash: bytes
    salt: bytes | None
    commitment: bytes | None = None  # set where the salt was erased
    replaced_by: int | None = None
    replaced_in: str | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """What one counted step cost in nano-dollars, or why nobody knows."""

    trace: str
    span: str
    nano: int | None
    gap: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """A run at one moment: its summary, how many records its logs have, and what its counted steps cost."""

    run: Run
    records: int
    charges: tuple[Charge, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A step as it is stored, with its span and its live record. ``record`` None: it came before there were records."""

    step: Step
    span: Span
    record: Record | None


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in a store that does not fit. ``run`` and ``step`` (span id) say where, as far as that is known."""

    text: str
    run: str | None = None
    step: str | None = None


class RecordLog(Protocol):
    """What the trace store keeps so that the journal can attest its steps. The trace stores implement it.

    ``TraceStore.write`` adds one record for each span it stores, in the same transaction.
    """

    def unattested(self, *, limit: int = 10_000) -> Sequence[Segment]:
        """Records that were not marked as attested, one segment a run at most, oldest runs first."""
        ...

    def attested(self, marks: Mapping[str, int]) -> None:
        """Mark the first ``n`` records of each run as attested. Marking fewer than before changes nothing."""
        ...

    def records(self, run: str) -> Sequence[Record]:
        """All records of a run and of the runs that were merged into it, by log and number. Raises UnknownThing."""
        ...

    def account(self, run: str) -> Account:
        """A run as it stands, charges in the order of its records (steps without one last). Raises UnknownThing."""
        ...

    def kept(self, run: str) -> Iterator[Kept]:
        """All steps of a run in order of arrival. Raises StoreFault where one cannot be read."""
        ...

    def unsealed(self, *, now: int, limit: int = 500) -> Sequence[tuple[str, int]]:
        """Runs that have ended and changed since they were sealed, with the revision to seal: (run, revision)."""
        ...

    def sealed(self, marks: Mapping[str, int]) -> None:
        """Remember the revision at which each run was sealed."""
        ...

    def logs(self, runs: Iterable[str] | None = None) -> Mapping[str, tuple[int, int]]:
        """Logs by run id (all, or those asked for): how many records each has, and how many are marked as attested."""
        ...

    def flaws(self) -> Iterator[Flaw]:
        """What in the store's own tables does not follow from its steps; what a step's record covers is left out."""
        ...


class UseLog(Protocol):
    """What agents were seen using, run by run. The trace stores implement it."""

    def unlisted(self, *, now: int, limit: int = 200) -> Sequence[tuple[str, int]]:
        """Runs whose uses are not listed as they stand: (run, revision), oldest change first.

        A run that is open is listed when it is new and whenever it has doubled since, so that a long one costs
        linear time; one that has ended is listed whenever it changed.
        """
        ...

    def list_uses(self, run: str, revision: int, uses: Sequence[Use]) -> None:
        """Put the uses of a run in the place of those it had. UnknownThing for a run that is not here."""
        ...

    def uses_revision(self) -> int:
        """A number that grows whenever a run was listed: while it stands, so does what ``uses`` answers. Cheap."""
        ...

    def seen(self) -> Sequence[tuple[str, str]]:
        """Type and name of every agent, tool, model and workflow that was seen, in that order; see ``sightings``."""
        ...

    def uses(
        self, *, agent: str | None = None, type: str | None = None, name: str | None = None, since: int | None = None,
        run: str | None = None,
    ) -> Sequence[Use]:  # fmt: skip
        """Uses summed up by agent, type, name and detail, in that order; ``since``: those last seen then or later.

        With ``run`` only that run's. Costs what it answers, not the number of runs.
        """
        ...


class Traces(TraceStore, RecordLog, UseLog, TextLog, ErasableTraces, BlobTraces, Protocol):
    """A trace store with its log of records, its uses, its index of texts and its blobs, and whose contents can be
    erased."""
