"""What the pages ask: the answers behind them, by shape. All are JSON-ready."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from tallystick.govern.people import People as Everybody
from tallystick.model.people import Caller


class PageReader(Protocol):
    """The read model behind the pages; all answers are JSON-ready. Raises UnknownThing and BadInput."""

    def statuses(self, query: str = "", /) -> Mapping[str, int] | None:
        """``app.reading.read.Reader.statuses``"""
        ...

    def runs(self, query: str = "", /, *, limit: int = 50, before: str | None = None) -> Mapping[str, Any]:
        """``{"total", "runs": [run]}``, newest first."""
        ...

    def run(self, prefix: str, /) -> Mapping[str, Any]:
        """``{"run", "steps", "totals"}``."""
        ...

    def skeleton(self, prefix: str, /) -> Mapping[str, Any]:
        """``{"run", "columns"}``: one list per column, root first, depth first."""
        ...

    def outline(self, prefix: str, /) -> bytes:
        """The skeleton packed for a browser (app/reading/outline.py)."""
        ...

    def lines(self, prefix: str, steps: Sequence[str], /) -> Mapping[str, Any]:
        """``{"lines": {step: {"text", "result", "tags"}}}``: what happened, for at most 100 steps."""
        ...

    def step(self, prefix: str, step: str, /) -> Mapping[str, Any]:
        """One step with its contents."""
        ...

    def diff(self, a: str, b: str, /, *, every: bool = False) -> Mapping[str, Any]:
        """Two runs held against each other, step by step."""
        ...

    def contrast(self, a: str, b: str | None = None, /) -> Mapping[str, Any]:
        """What separates two sets of runs; without a second query, the first set from the rest of its selection."""
        ...

    def completeness(self, by: str, query: str = "", /) -> Mapping[str, Any]:
        """``{"by", "rows"}``: how many runs were recorded whole, by "agent" or "day"."""
        ...

    def cost(self, by: str, query: str = "", /, *, limit: int = 100, after: int = 0) -> Mapping[str, Any]:
        """``{"by", "total_nano_usd", "known_nano_usd", "gaps", "total", "more", "rows"}``."""
        ...

    def approvals(self, state: str | None = None, /) -> Mapping[str, Any]:
        """``{"approvals": [approval]}``, newest first."""
        ...

    def approval(self, approval: str, /) -> Mapping[str, Any]:
        """One approval."""
        ...

    def held(self, approval: str, /) -> Mapping[str, Any]:
        """On whose word its arguments stand, which rules asked, and what the run read before."""
        ...

    def entries(self, *, limit: int = 50, before: int | None = None) -> Mapping[str, Any]:
        """``{"total", "entries": [entry]}``, newest first."""
        ...

    def recorded(self, run: str, /) -> Mapping[str, Any]:
        """How far a run's record is in the journal: ``{"run", "records", "sealed": {"seq", "at", "records"}}``."""
        ...


class Journal(Protocol):
    """What is known of the journal itself (``app.prove.journalbook.JournalBook``)."""

    def state(self) -> Mapping[str, Any]:
        """Head, key, checkpoints, witnesses, exports and lamps."""
        ...

    def verify_steps(self) -> Iterator[Mapping[str, Any]]:
        """Check everything, a step at a time: ``{"step", "state", "detail", "count"}``."""
        ...


class Evidence(Protocol):
    """Makes the evidence file of a run."""

    def __call__(self, run: str, redact: bool, /) -> Iterator[bytes]:
        """The file's bytes in pieces; ``redact`` leaves contents out. Raises UnknownThing and StoreFault."""
        ...


class People(Protocol):
    """Who there is (``app.people.desk.PeopleDesk``)."""

    def people(self) -> Everybody:
        """Everybody, as the journal has them now."""
        ...

    def list(self) -> Mapping[str, Any]:
        """``{"people": [person], "delegations": [delegation]}``."""
        ...

    def show(self, name: str, /, *, log: int = 50) -> Mapping[str, Any]:
        """One person with tokens, delegations and what they did. Raises UnknownThing."""
        ...

    def may_answer(self, name: str, group: str, /) -> str | None:
        """Why a person may not answer approvals of a group now; None: they may."""
        ...


class Answerer(Protocol):
    """Writes a person's answer to an approval. Raises Conflict when somebody was first."""

    def __call__(
        self, approval: str, answer: str, /, *, by: Caller, note: str | None, **more: Any
    ) -> Mapping[str, Any]:  # fmt: skip
        """``answer`` is "approved", "rejected" or "edited"; gives the approval as it stands afterwards.

        ``more``, where there is any: endorse, release, until and edits, as ``app.acting.approvals.reply`` takes them.
        """
        ...
