"""The wall: the few things the corridor needs from outside, and nothing more.

Every port has two real adapters (memory and SQLite) that pass one contract suite (tests/contract). A method says
what a caller may rely on; whatever it does not say, a caller must not infer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tallystick.model.commitment import Opening
from tallystick.model.control import Approval, Budget
from tallystick.model.journal import Draft, Entry
from tallystick.model.query import Query
from tallystick.model.registry import Alias, Declared, Shown, Use, Version
from tallystick.model.run import Run
from tallystick.model.span import Span
from tallystick.model.step import Step


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did. ``runs`` are the ids of the runs it touched; repeats are spans that were here already."""

    steps: int
    repeats: int
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of runs, newest first; ``total`` counts all that match."""

    total: int
    runs: tuple[Run, ...]


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

    def spans(self, run: str, spans: Iterable[str] | None = None) -> Mapping[str, Span]:
        """The original spans of a run by span id (all of them, or those asked for), attributes byte for byte."""
        ...

    def spend(self, by: str, query: Query, *, now: int) -> Sequence[Spend]:
        """Cost by agent, tool, workflow, run or model, dearest first."""
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

    def uses(
        self, *, agent: str | None = None, type: str | None = None, name: str | None = None, since: int | None = None,
        run: str | None = None,
    ) -> Sequence[Use]:  # fmt: skip
        """Uses summed up by agent, type, name and detail, in that order; ``since``: those last seen then or later.

        With ``run`` only that run's. Costs what it answers, not the number of runs.
        """
        ...


class Traces(TraceStore, RecordLog, UseLog, Protocol):
    """A trace store with the log of its records and the uses it shows; both adapters are one."""


class ControlStore(Protocol):
    """The journal and its views (registry, approvals, budgets, holds)."""

    def append(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        """Write entries and their effect on the views in one durable transaction, or nothing at all.

        What must hold before an entry may be written is checked inside the transaction, in order: a hold that does
        not fit a hard budget raises OverBudget; an approval that is not waiting cannot be answered, one that is
        not approved (or whose binding differs, or that has expired) cannot be consumed: Conflict; settling a hold
        twice is Conflict; records of a run that do not follow those attested before are Conflict. BadInput: a body
        that JSON cannot hold or that has an object like a commitment, a leaf over 65,535 bytes, a text that the body
        does not name or a text it names that nobody gave, a content in a field that a view cannot do without.
        """
        ...

    def entries(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        kind: str | None = None,
        run: str | None = None,
        subject: str | None = None,
        newest: bool = False,
    ) -> Sequence[Entry]:
        """Entries in order of ``seq``, or ``newest`` first. ``kind`` may end in ``.*``.

        What is asked by a whole kind, a run or a subject is looked up: other entries cost it nothing.
        """
        ...

    def head(self) -> tuple[int, bytes]:
        """The number of entries and the root of the Merkle tree over them, from one moment."""
        ...

    def nodes(self, wanted: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Hashes of complete subtrees (level, index), in the order asked for; see ``proof.merkle.Nodes``.

        Raises UnknownThing for a subtree that is not complete.
        """
        ...

    def tile(self, level: int, index: int, width: int = 256) -> bytes:
        """``width`` hashes of a tlog-tiles tile (level counts in steps of eight). Raises UnknownThing."""
        ...

    def openings(self, seqs: Sequence[int]) -> Mapping[int, Sequence[Opening]]:
        """What opens the commitments of entries, by seq; what was erased or never kept comes without content."""
        ...

    def text(self, digest: str) -> str:
        """A text that an entry names by digest. Raises UnknownThing."""
        ...

    def erase(self, seqs: Sequence[int]) -> Sequence[str]:
        """Erase the openings of entries, and what the views hold of them; the commitments that were open until now.

        Proofs stand. A content that other entries committed to as well stays in their openings. The journal does not
        say by itself that something was erased: the caller writes ``content.erased``.
        """
        ...

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a signed checkpoint; of one that is here already, add the signatures that are new.

        Raises BadInput for a text that is no signed checkpoint, and Conflict where it is not one of the first ``size``
        entries of this journal. Whether signatures are true is not asked.
        """
        ...

    def checkpoints(self, *, limit: int = 50) -> Sequence[tuple[int, str]]:
        """Checkpoints as (size, note), newest first."""
        ...

    def declared(self, type: str | None = None, *, retired: bool = False) -> Sequence[Declared]:
        """Declared objects as they are now, by type and name; those that are retired only when asked for."""
        ...

    def versions(self, type: str, name: str) -> Sequence[Version]:
        """All versions of one object, newest first; empty where nobody declared it."""
        ...

    def aliases(self, type: str | None = None, name: str | None = None) -> Sequence[Alias]:
        """Aliases, by type, name and alias."""
        ...

    def shown(self, tool: str | None = None) -> Sequence[Shown]:
        """Definitions that tools showed, by tool, channel and time; see ``model.registry.Shown``."""
        ...

    def registry_revision(self) -> int:
        """The number of the newest entry about the registry (object.*, alias.*, definition.*); 0 without any.

        Cheap enough to be asked every second by every process.
        """
        ...

    def approvals(
        self, *, state: str | None = None, run: str | None = None, limit: int = 200
    ) -> Sequence[Approval]:
        """Approvals, newest first."""
        ...

    def approval(self, approval: str) -> Approval:
        """One approval by id or unambiguous prefix. Raises UnknownThing."""
        ...

    def budgets(self, scope: str | None = None) -> Sequence[Budget]:
        """Budgets with what is spent and held, by scope."""
        ...

    def stopped(self, run: str) -> Entry | None:
        """The entry that stopped a run, if one did."""
        ...

    def verify(self) -> int:
        """Hold every row of the store against the journal; return the number of entries. Nothing is written.

        Raises StoreFault naming the entry (detail ``seq``) that was changed, is missing or stands in the wrong place,
        the tile, opening, text or view that does not fit, or the checkpoint to which the journal no longer leads
        (detail ``size``, ``finding``: "forked" or "shorter").
        """
        ...

    def rebuild(self) -> Mapping[str, int]:
        """Make the views anew from the journal; returns rows per view and ``changed`` (0 when the views were true)."""
        ...

    def info(self) -> Mapping[str, Any]:
        """Facts for ``tally store info``."""
        ...

    def close(self) -> None:
        """Release files and connections. Closing twice is allowed."""
        ...


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        ...


class Ids(Protocol):
    """Identity, injected."""

    def new(self, prefix: str) -> str:
        """A fresh id such as ``apr_01J…``: sortable by time, unguessable."""
        ...

    def salt(self) -> bytes:
        """16 random bytes for a commitment."""
        ...


class Signer(Protocol):
    """Signs for this journal. The private key never leaves the adapter."""

    @property
    def verifier_key(self) -> str:
        """The public key as a C2SP verifier key; its name is the journal's origin."""
        ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature (64 bytes)."""
        ...
