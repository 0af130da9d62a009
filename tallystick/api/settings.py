"""What the doors must be told, and the Protocols of what stands behind them; wiring fills both in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from secrets import token_bytes
from typing import Any, Final, Protocol

from tallystick.app.recording.record import Receipt
from tallystick.govern.people import People
from tallystick.model.blob import Blob
from tallystick.model.people import Caller
from tallystick.model.span import Span
from tallystick.ports import Change

MEGABYTE: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of one server. Sizes are bytes, times seconds.

    ``token`` is what callers must show; without one only this machine may call. ``operator`` is the name that stands
    under an approval. ``otlp_port`` is the port of the second listener, which serves nothing but OTLP.
    """

    token: str | None = None
    operator: str = "local"
    session_key: bytes = field(
        default_factory=partial(token_bytes, 32), repr=False
    )  # signs sessions and links
    hosts: frozenset[str] = field(
        default_factory=frozenset
    )  # names beside loopback's that a Host header may have
    otlp_port: int | None = None
    max_body: int = 16 * MEGABYTE  # as sent
    max_unpacked: int | None = None  # after decompression; None: four times what may be sent
    max_pending: int = 64 * MEGABYTE  # bodies waiting for the writer; beyond it senders are told to come back
    poll_s: float = 0.25
    heartbeat_s: float = 15.0
    max_queue: int = 256 * 1024  # bytes of events that wait for one slow client

    @property
    def unpacked_limit(self) -> int:
        """Most bytes of one body after decompression; never less than what may be sent as it is."""
        return 4 * self.max_body if self.max_unpacked is None else max(self.max_unpacked, self.max_body)


class RecordsSpans(Protocol):
    """The way into the store (``app.recording.record.Recorder``)."""

    def record(self, spans: Sequence[Span]) -> Receipt:
        """Commit the good spans and name the bad ones. Raises StoreFull or StoreFault when nothing was committed."""
        ...


class ReadsRuns(Protocol):
    """The read model (``app.reading.read.Reader``); every answer is JSON-ready. Raises BadInput and UnknownThing."""

    def runs(self, query: str = "", *, limit: int = 50, before: str | None = None) -> Mapping[str, Any]:
        """Runs that match, newest first."""
        ...

    def run(self, prefix: str) -> Mapping[str, Any]:
        """One run with its steps and totals."""
        ...

    def skeleton(self, prefix: str) -> Mapping[str, Any]:
        """One run's steps as columns."""
        ...

    def find(self, prefix: str, text: str, *, limit: int = 50, after: str | None = None) -> Mapping[str, Any]:
        """Where in a run a text was said."""
        ...

    def step(self, prefix: str, step_id: str) -> Mapping[str, Any]:
        """One step with its contents."""
        ...

    def blob(self, sha256: str) -> tuple[Blob, bytes]:
        """A large binary that some run names."""
        ...

    def diff(self, a: str, b: str, *, every: bool = False) -> Mapping[str, Any]:
        """Two runs held against each other."""
        ...

    def contrast(self, a: str, b: str | None = None) -> Mapping[str, Any]:
        """What separates two sets of runs."""
        ...

    def cost(self, by: str, query: str = "", *, limit: int = 100, after: int = 0) -> Mapping[str, Any]:
        """Cost by one key, dearest first, ``limit`` rows behind the first ``after``."""
        ...

    def completeness(self, by: str = "agent", query: str = "") -> Mapping[str, Any]:
        """How runs stand, by agent or by day."""
        ...

    def approvals(self, state: str | None = None, run: str | None = None) -> Mapping[str, Any]:
        """Approvals, newest first."""
        ...

    def approval(self, approval: str) -> Mapping[str, Any]:
        """One approval."""
        ...

    def asking(self) -> str:
        """A mark that is another whenever other approvals wait for an answer."""
        ...

    def events(self, after: int) -> tuple[Sequence[Change], int]:
        """Changes after a cursor and the new cursor; ``after=-1`` gives no changes and the newest cursor."""
        ...


class ReadsJournal(Protocol):
    """The journal as people look at it (``app.prove.journalbook.JournalBook``); every answer is JSON-ready."""

    def state(self) -> Mapping[str, Any]:
        """Head, checkpoints, witnesses, exports, lamps."""
        ...

    def verify_steps(self) -> Iterator[Mapping[str, Any]]:
        """Verify, a step at a time."""
        ...

    def lamps(self) -> Mapping[str, Any]:
        """Both lamps, as the last verification left them."""
        ...

    def file(self, path: str) -> bytes:
        """A file of the log: ``checkpoint`` or a path of tlog-tiles. Raises UnknownThing."""
        ...


class KnowsPeople(Protocol):
    """Who there is (``app.people.desk.PeopleDesk``); asked with every request, on the event loop."""

    def people(self) -> People:
        """Everybody, as the journal has them now."""
        ...

    def end_sessions(self, by: Caller) -> None:
        """End all sessions that were opened with the caller's token."""
        ...


class HearsSignIns(Protocol):
    """Told of every sign-in (``app.signins.SignIns``); called on the event loop, so neither may block."""

    def made(self, how: str, by: str, token: str | None = None) -> None:
        """Somebody signed in by link, form or token; ``token`` is the id of a person's."""
        ...

    def refused(self, how: str) -> None:
        """Somebody was refused."""
        ...


class AnswersApprovals(Protocol):
    """Writes a person's answer to an approval. Raises Conflict when somebody was first."""

    def __call__(
        self, approval: str, answer: str, /, *, by: Caller, note: str | None, **more: Any
    ) -> Mapping[str, Any]:  # fmt: skip
        """``answer`` is "approved", "rejected" or "edited"; gives the approval as it stands afterwards.

        ``more``, where there is any: endorse, release, until and edits, as ``app.acting.approvals.reply`` takes them.
        """
        ...
