"""The sink of a process without a server: records go straight into the local store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tallystick.app.record import Receipt
from tallystick.model.span import Span


class Records(Protocol):
    """The way into the store (``app.record.Recorder``)."""

    def record(self, spans: Sequence[Span]) -> Receipt:
        """Commit the good spans and name the bad ones. Raises StoreFull or StoreFault when nothing was committed."""
        ...


class StoreSink:
    """Commits batches to a store of this machine.

    ``refused`` counts what the store would not take, ``reason`` says why; each such span is handed to ``on_refused``
    (the shipper sets them aside).
    """

    def __init__(self, recorder: Records, close: Callable[[], None]) -> None:
        self._recorder = recorder
        self._close = close
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

    def close(self) -> None:
        """Release the store."""
        self._close()
