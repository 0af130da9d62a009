"""Sums over runs by version or by time. The same in SQL: adapters/sqlite/tallying.py."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from tallystick.adapters.memory.held import Held
from tallystick.model.errors import BadInput
from tallystick.model.query import Query
from tallystick.model.run import Run, RunStatus
from tallystick.ports import TALLY_KEYS, TallyRow
from tallystick.ports.tallies import DAY_NS

_ENDED = (RunStatus.OK, RunStatus.FAILED, RunStatus.STOPPED, RunStatus.CRASHED)


class TalliesOf:
    """Sums up run summaries; mixed into the store."""

    _lock: AbstractContextManager[bool]

    def _chosen(self, query: Query, now: int) -> list[tuple[Held, Run]]:
        raise NotImplementedError

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
