"""Sums over runs by version or by time: what the signals of an agent are made of."""

from __future__ import annotations

from dataclasses import dataclass

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
