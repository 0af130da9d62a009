"""Records of steps, for the journal. The trace stores implement it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tallystick.model.run import Run
from tallystick.model.span import Span
from tallystick.model.step import Step


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
