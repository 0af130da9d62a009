"""Sums over runs: money, sightings, how whole they are, and what the signals of an agent are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tallystick.model.query import Query

WHOLENESS_KEYS: Final = ("agent", "day")
TALLY_KEYS = ("version", "day", "week", "agent")
DAY_NS = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class TallyRow:
    """Sums over the runs of one key. ``key``: label of the version, or the day (week: its Monday) as days since 1970.

    ``first`` and ``last``: starts of the first and the last run (ns). ``ended`` runs have a status that says how they
    ended, ``ok`` of them well. ``calls`` counts tool steps, denied ones too, and ``failed`` those that ended in an
    error; ``denials`` what a policy denied. ``priced`` runs have ended and their cost is known whole: ``cost_nano`` is
    their sum, ``squares`` that of the squares, ``priced_ok`` and ``cost_ok`` number and cost of the ok ones of them.
    """

    key: str | int | None
    first: int
    last: int
    runs: int
    ended: int
    ok: int
    denials: int
    calls: int
    failed: int
    priced: int
    cost_nano: int
    squares: float
    priced_ok: int
    cost_ok: int


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
class Dearest:
    """Some rows of what was spent by one key, dearest first; ``total`` counts all of them, and ``cost_nano`` and
    ``unknown`` are the sums over all."""

    rows: Sequence[Spend]
    total: int
    cost_nano: int
    unknown: int


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


class RunSums(Protocol):
    """Sums over the runs that meet a query."""

    def spend(self, by: str, query: Query, *, now: int) -> Sequence[Spend]:
        """Cost by agent, tool, workflow, run or model, dearest first."""
        ...

    def dearest(self, by: str, query: Query, *, now: int, limit: int, after: int = 0) -> Dearest:
        """``limit`` of the rows of ``spend``, leaving out the first ``after``: those alone are made where there may be
        as many as runs. Raises BadInput for another ``by``."""
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
