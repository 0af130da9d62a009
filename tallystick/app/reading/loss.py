"""What came in, what was lost on the way, and what is here and not indexed yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tallystick.app.reading.shapes import Json, time_text
from tallystick.ports import Clock, Counts, Loss, Traces

_MOST_BEHIND: Final = 1_000


class LossBook:
    """``also`` tells of losses that no count of the store has: what waits or was lost in spools of this machine.
    ``aging`` tells how archiving and deleting stand."""

    def __init__(
        self, traces: Traces, counts: Counts, clock: Clock, *, also: Callable[[], Sequence[Loss]] = tuple,
        aging: Callable[[], Mapping[str, Any] | None] = lambda: None,
    ) -> None:  # fmt: skip
        self._traces = traces
        self._counts = counts
        self._clock = clock
        self._also = also
        self._aging = aging

    def state(self) -> Json:
        """What came in, what was lost, and what is still to be done with it; see docs/reference/json.md.

        ``watermark`` is the newest change of the store: everything accepted up to it can be read. ``indexed`` is the
        change up to which the uses of runs are listed and their texts indexed, and how many runs are behind it; uses
        are looked at 1,000 runs deep. ``unattested`` is what the journal does not hold yet, looked at as deep.
        """
        whole, dropped = self._counts.read()
        watermark = max(0, self._traces.changes(-1)[0].cursor)
        uses, texts = self._uses(watermark), self._texts()
        rejected = sorted(whole.rejected.items(), key=lambda one: (-one[1], one[0]))
        return {
            "accepted": whole.accepted,
            "repeats": whole.repeats,
            "rejected": [{"reason": reason, "count": count} for reason, count in rejected],
            "dropped": [
                {"where": one.where, "why": one.why, "count": one.count, "since": time_text(one.since)}
                for one in (*dropped, *self._also())
            ],
            "watermark": watermark,
            "indexed": {
                "revision": min(uses["revision"], texts["revision"]),
                "behind": max(uses["behind"], texts["behind"]),
                "uses": uses,
                "texts": texts,
            },
            "unattested": {
                "records": sum(len(one.leaves) for one in self._traces.unattested(limit=_MOST_BEHIND)),
                "runs": len(self._traces.unsealed(now=self._clock.now(), limit=_MOST_BEHIND)),
            },
            "aging": self._aging(),
        }

    def _uses(self, watermark: int) -> Json:
        behind = self._traces.unlisted(now=self._clock.now(), limit=_MOST_BEHIND)
        return {"revision": max(0, behind[0][1] - 1) if behind else watermark, "behind": len(behind)}

    def _texts(self) -> Json:
        now = self._traces.indexed()
        return {"revision": max(0, now.revision), "behind": now.behind}
