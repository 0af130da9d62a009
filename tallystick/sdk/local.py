"""The sink of a process without a server: records go straight into the local store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from tallystick.app.recording.record import Receipt
from tallystick.model.span import Span
from tallystick.sdk.edge import caught

ATTEST_EVERY_S = 5.0


class Records(Protocol):
    """The way into the store (``app.recording.record.Recorder``)."""

    def record(self, spans: Sequence[Span]) -> Receipt:
        """Commit the good spans and name the bad ones. Raises StoreFull or StoreFault when nothing was committed."""
        ...


class StoreSink:
    """Commits batches to a store of this machine.

    ``refused`` counts what the store would not take, ``reason`` says why; each such span is handed to ``on_refused``
    (the shipper sets them aside). ``attest`` brings the journal up to the store; ``tend`` and ``close`` call it.
    """

    def __init__(
        self, recorder: Records, close: Callable[[], None], attest: Callable[[], object] | None = None
    ) -> None:
        self._recorder = recorder
        self._close = close
        self._attest = attest
        self._attested_at = time.monotonic()
        self.refused = 0
        self.reason: str | None = None
        self.on_refused: Callable[[Span, str], None] | None = None

    def deliver(self, spans: Sequence[Span]) -> None:
        """Commit a batch. Raises StoreFull or StoreFault: then the spool keeps it."""
        receipt = self._recorder.record(spans)
        if not receipt.rejected:
            return
        refused = {(one.trace, one.span): one.reason for one in receipt.rejected}
        self.refused += len(receipt.rejected)
        self.reason = receipt.rejected[-1].reason
        if self.on_refused is not None:
            for span in spans:
                if (span.trace, span.span) in refused:
                    self.on_refused(span, refused[span.trace, span.span])

    def tend(self) -> None:
        """Called by the shipping thread between batches: every few seconds the journal learns of new records."""
        if time.monotonic() - self._attested_at >= ATTEST_EVERY_S:
            self._bring_up()

    def close(self) -> None:
        """Attest what is left and release the store."""
        try:
            self._bring_up()
        finally:
            self._close()

    def _bring_up(self) -> None:
        if self._attest is None:
            return
        try:
            self._attest()
        except Exception as error:  # noqa: BLE001 - the records are safe in the store: the next process attests them
            caught("attesting", error, answered=True)
        self._attested_at = time.monotonic()
