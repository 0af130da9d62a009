"""The journal's group commit: entries that may wait are written with the next ones that may not.

Decisions on effects are on disk before the effect; all others may wait a moment. Nothing is dropped: what waits is
written before anything later, by ``flush``, or the next call fails.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from tallystick.model.errors import StoreFault, StoreFull, Unreachable
from tallystick.model.journal import Draft, Entry
from tallystick.ports import Clock, ControlStore

_TOGETHER: Final = 64
_OLDEST_NS: Final = 1_000_000_000
_MOST: Final = 4_096


class Outbox:
    """Entries on their way to the journal, in order. Safe to use from several threads."""

    def __init__(self, control: ControlStore, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[Draft] = []
        self._since = 0
        self._texts: set[str] = set()  # digests of texts that the journal has

    def write(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        """Write what waits and these in one transaction, now. Raises what the store raises; then all still waits
        that waited before, and these are not written.
        """
        with self._lock:
            entries = self._append([*self._waiting, *drafts])
            written = entries[len(self._waiting) :]
            self._waiting.clear()
            return tuple(written)

    def later(self, drafts: Sequence[Draft]) -> None:
        """Write these with the next ones, at the latest after 64 entries or at the first call a second later.

        Raises the store's fault only when so much waits that more would be a loss.
        """
        with self._lock:
            if not self._waiting:
                self._since = self._clock.now()
            self._waiting.extend(drafts)
            due = len(self._waiting) >= _TOGETHER or self._clock.now() - self._since >= _OLDEST_NS
            if not due:
                return
            try:
                self._append(self._waiting)
            except (StoreFault, StoreFull, Unreachable):
                if len(self._waiting) >= _MOST:
                    raise
                return  # still waiting, and tried again by the next call
            self._waiting.clear()

    def flush(self) -> None:
        """Write all that waits. Raises what the store raises."""
        with self._lock:
            if self._waiting:
                self._append(self._waiting)
                self._waiting.clear()

    def _append(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        """Write entries; a text that was written before does not go along again."""
        sent: set[str] = set()
        lean = []
        for draft in drafts:
            if draft.texts:
                fresh = {
                    name: text for name, text in draft.texts.items()
                    if name not in self._texts and name not in sent
                }  # fmt: skip
                sent.update(fresh)
                draft = Draft(draft.kind, draft.subject, draft.body, draft.run, draft.actor, fresh)
            lean.append(draft)
        entries = self._control.append(lean)
        self._texts |= sent
        return entries

    @property
    def waiting(self) -> int:
        """How many entries wait."""
        return len(self._waiting)
