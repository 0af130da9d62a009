"""Sums over runs: money, sightings, how whole they are, and what signals are made of (``ports.RunSums``).

The same in SQL: adapters/sqlite/traces/sums.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tallystick.adapters.memory.held import Held
from tallystick.adapters.memory.sharing import shares, sightings_of
from tallystick.adapters.memory.traces.held_runs import HeldRuns
from tallystick.model.errors import BadInput
from tallystick.model.query import Query
from tallystick.model.run import Completeness, Run, RunStatus
from tallystick.observe.summary import PART_TYPES, SEEN_TYPES
from tallystick.ports import TALLY_KEYS, WHOLENESS_KEYS, Dearest, Sighting, Spend, TallyRow, Wholeness
from tallystick.ports.sums import DAY_NS

_ENDED = (RunStatus.OK, RunStatus.FAILED, RunStatus.STOPPED, RunStatus.CRASHED)
_STATES = (Completeness.COMPLETE, Completeness.LOSSY, Completeness.OPEN, Completeness.CRASHED)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MemorySums(HeldRuns):
    """Sums up run summaries and their parts."""

    def spend(self, by: str, query: Query, *, now: int) -> Sequence[Spend]:
        """Cost by agent, tool, workflow, run or model, dearest first; the rows add up to the total of the runs."""
        if by != "run" and by not in PART_TYPES:
            raise BadInput(f"cost cannot be grouped by {by!r}", hint="group by run, " + ", ".join(PART_TYPES))
        with self._lock:
            sums: dict[str | None, list[int]] = {}
            runs: dict[str | None, set[str]] = {}
            for held, run in self._chosen(query, now):
                for key, part in shares(by, run, held.parts):
                    total = sums.setdefault(key, [0] * 6)
                    for index, value in enumerate((
                        part.cost_nano, part.cost_gaps, part.steps, part.input_tokens, part.output_tokens,
                        part.token_gaps,
                    )):  # fmt: skip
                        total[index] += value
                    runs.setdefault(key, set()).add(run.run)
        rows = [Spend(key, t[0], t[1], t[2], len(runs[key]), t[3], t[4], t[5]) for key, t in sums.items()]
        return sorted(rows, key=lambda row: (-row.cost_nano, -row.unknown, row.key is None, row.key or ""))

    def dearest(self, by: str, query: Query, *, now: int, limit: int, after: int = 0) -> Dearest:
        """Some of the rows of ``spend``, and the sums over all of them."""
        rows = self.spend(by, query, now=now)
        cost, unknown = sum(row.cost_nano for row in rows), sum(row.unknown for row in rows)
        return Dearest(rows[after : after + limit], len(rows), cost, unknown)

    def sightings(self, type: str) -> Sequence[Sighting]:
        """What was seen of one type, last seen first."""
        if type not in SEEN_TYPES:
            raise BadInput(f"nothing is sighted by {type!r}", hint="types: " + ", ".join(SEEN_TYPES))
        with self._lock:
            held = [(self._summary(one), one.place, one.parts) for one in self._runs.values()]
        return sightings_of(type, held)

    def completeness(self, by: str, query: Query, *, now: int) -> Sequence[Wholeness]:
        """How the runs that match stand, by agent or by day of their start. Raises BadInput for another ``by``."""
        if by not in WHOLENESS_KEYS:
            raise BadInput(
                f"completeness cannot be grouped by {by!r}", hint="by: " + ", ".join(WHOLENESS_KEYS)
            )
        groups: dict[str | None, list[Run]] = {}
        with self._lock:
            for held, run in self._chosen(query, now):
                day = (_EPOCH + timedelta(seconds=held.place // 1_000_000_000)).date().isoformat()
                groups.setdefault(run.agent if by == "agent" else day, []).append(run)
        return [_whole(key, groups[key]) for key in sorted(groups, key=lambda key: (key is None, key or ""))]

    def tallies(self, by: str, query: Query, *, now: int, owner: str | None = None) -> Sequence[TallyRow]:
        """Sums over the runs that match (with ``owner``: that belong to this agent), by key, none last."""
        if by not in TALLY_KEYS:
            raise BadInput(f"runs cannot be summed up by {by!r}", hint="by: " + ", ".join(TALLY_KEYS))
        groups: dict[str | int | None, list[tuple[Held, Run]]] = {}
        with self._lock:
            for held, run in self._chosen(query, now):
                if owner is None or run.agent == owner:
                    groups.setdefault(_key(by, held, run), []).append((held, run))
            rows = [_summed(key, group) for key, group in groups.items()]
        return sorted(rows, key=lambda row: (row.key is None, row.key if row.key is not None else 0))


def _whole(key: str | None, runs: Sequence[Run]) -> Wholeness:
    whole, lossy, still, crashed = (sum(run.completeness is state for run in runs) for state in _STATES)
    unknown = sum(run.missing is None and run.completeness is not Completeness.OPEN for run in runs)
    missing = sum(run.missing or 0 for run in runs)
    return Wholeness(key, len(runs), whole, lossy, still, crashed, missing, unknown)


def _key(by: str, held: Held, run: Run) -> str | int | None:
    day = held.place // DAY_NS
    return {"agent": run.agent, "version": run.version, "day": day, "week": (day + 3) // 7 * 7 - 3}[by]


def _summed(key: str | int | None, group: Sequence[tuple[Held, Run]]) -> TallyRow:
    tools = [part for held, _ in group for (kind, _), part in held.parts.items() if kind == "tool"]
    ended = [run for _, run in group if run.status in _ENDED]
    priced = [run for run in ended if not run.cost_gaps]
    good = [run.cost_nano for run in priced if run.status is RunStatus.OK]
    places = [held.place for held, _ in group]
    return TallyRow(
        key, min(places), max(places), len(group), len(ended), sum(run.status is RunStatus.OK for run in ended),
        sum(run.denials for _, run in group), sum(part.steps for part in tools), sum(part.errors for part in tools),
        len(priced), sum(run.cost_nano for run in priced), float(sum(run.cost_nano**2 for run in priced)),
        len(good), sum(good),
    )  # fmt: skip
