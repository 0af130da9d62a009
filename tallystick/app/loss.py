"""What came in, what was lost on the way, and what is here and not indexed yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from tallystick.app.shapes import Json, time_text
from tallystick.ports import Clock, Counts, Loss, TextLog, TraceStore, UseLog

_MOST_BEHIND: Final = 1_000


class _Traces(TraceStore, UseLog, TextLog, Protocol):
    """What is asked of the trace store."""


class LossBook:
    """``also`` tells of losses that no count of the store has: what waits or was lost in spools of this machine."""

    def __init__(
        self, traces: _Traces, counts: Counts, clock: Clock, *, also: Callable[[], Sequence[Loss]] = tuple
    ) -> None:
        self._traces = traces
        self._counts = counts
        self._clock = clock
        self._also = also

    def state(self) -> Json:
        """``{"accepted", "repeats", "rejected", "dropped", "watermark", "indexed"}``; see docs/reference/json.md.

        ``watermark`` is the newest change of the store: everything accepted up to it can be read. ``indexed`` is the
        change up to which the uses of runs are listed and what they said is indexed, and how many runs are behind it
        (of those whose uses are not listed 1,000 at most).
        """
        whole, dropped = self._counts.read()
        watermark = max(0, self._traces.changes(-1)[0].cursor)
        behind = self._traces.unlisted(now=self._clock.now(), limit=_MOST_BEHIND)
        texts = self._traces.indexed()
        listed = max(0, behind[0][1] - 1) if behind else watermark
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
                "revision": min(listed, texts.revision) if texts.behind else listed,
                "behind": max(len(behind), texts.behind),
            },
        }
