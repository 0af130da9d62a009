"""Ends of runs that are sent again, so that a run whose export was lost on the way is known of.

A 200 can come from something between us and the store, which loses the export afterwards; nobody says so. What such an
export held of a run that goes on shows as a gap in its numbers, but a whole run in it would leave no trace. So the end
of each run or leg (it says how many steps there were) goes out again, at once and with the next exports, until the
store itself has said that it committed one of them. The store takes a repeat for what it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from tallystick.model.attributes import LEG, RUN_ROOT
from tallystick.model.span import Span

COMMITTED: Final = "tallystick-committed"  # the answer's header that only a store's own door gives
EXPORTS: Final = 3  # how often the end of a run is sent again
_MOST: Final = 1_024  # ends remembered; an export has at most half as many spans


class Recalled:
    """The ends of runs in the newest exports that nobody has vouched for. Not safe to use from several threads."""

    def __init__(self) -> None:
        self._exports: deque[tuple[Span, ...]] = deque(maxlen=EXPORTS)

    def ends(self) -> list[Span]:
        """What the next export carries besides its own spans."""
        ends = [span for export in self._exports for span in export]
        return ends[-_MOST:]

    @property
    def fresh(self) -> bool:
        """Whether the newest export had ends that were not sent again yet."""
        return bool(self._exports and self._exports[-1])

    def forget(self) -> bool:
        """Send nothing again; says whether there was anything."""
        had = bool(self.ends())
        self._exports.clear()
        return had

    def sent(self, spans: Sequence[Span], *, committed: bool) -> None:
        """An export with ``ends()`` in it was answered; ``committed``: by the store itself."""
        if committed:
            self._exports.clear()
        else:
            self._exports.append(
                tuple(
                    span
                    for span in spans
                    if span.ended is not None
                    and (span.attributes.get(RUN_ROOT) or span.attributes.get(LEG)) is True
                )
            )
