"""How many runs were recorded whole, by agent or by day. The same in SQL: adapters/sqlite/wholeness.py."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

from tallystick.adapters.memory.held import Held
from tallystick.model.errors import BadInput
from tallystick.model.query import Query
from tallystick.model.run import Completeness, Run
from tallystick.ports import WHOLENESS_KEYS, Wholeness

_STATES = (Completeness.COMPLETE, Completeness.LOSSY, Completeness.OPEN, Completeness.CRASHED)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class WholenessOf:
    """Counts run summaries; mixed into the store."""

    _lock: AbstractContextManager[bool]

    def _chosen(self, query: Query, now: int) -> list[tuple[Held, Run]]:
        raise NotImplementedError

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
        return [_row(key, groups[key]) for key in sorted(groups, key=lambda key: (key is None, key or ""))]


def _row(key: str | None, runs: Sequence[Run]) -> Wholeness:
    whole, lossy, still, crashed = (sum(run.completeness is state for run in runs) for state in _STATES)
    unknown = sum(run.missing is None and run.completeness is not Completeness.OPEN for run in runs)
    missing = sum(run.missing or 0 for run in runs)
    return Wholeness(key, len(runs), whole, lossy, still, crashed, missing, unknown)
