"""Runs: lists of them, one of them, and what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tallystick.model.query import Query
from tallystick.model.run import Run


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of runs, newest first; ``total`` counts all that match.

    ``at_least``: it counts those that were found, and there may be more, because each has to be read to know.
    """

    total: int
    runs: tuple[Run, ...]
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A run changed. ``cursor`` grows with every change in the store, also across processes."""

    cursor: int
    run: str


class RunReader(Protocol):
    """Runs and which of them meet a query."""

    def runs(self, query: Query, *, now: int, limit: int = 50, before: str | None = None) -> RunPage:
        """Runs that match, newest start first. ``before``: only runs listed after that run id (paging)."""
        ...

    def statuses(self, query: Query, *, now: int) -> Mapping[str, int] | None:
        """Runs that match, counted by status; None where their steps would have to be read to know."""
        ...

    def run(self, run: str, *, now: int) -> Run:
        """One run by id. Raises UnknownThing."""
        ...

    def resolve(self, prefix: str) -> str:
        """The one run id that starts with ``prefix``. Raises UnknownThing for none or several."""
        ...

    def changes(self, after: int, *, limit: int = 500) -> Sequence[Change]:
        """Runs changed since a cursor, oldest first; ``after=-1`` gives only the newest cursor (run "")."""
        ...
