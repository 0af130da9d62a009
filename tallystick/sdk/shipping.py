"""Carries finished records from the spool to the sink, in batches, from a daemon thread of its own.

A segment is deleted only after ``deliver`` returned for all of it. While the sink does not answer, the spool keeps and
the thread tries again with growing pauses. A record that the sink can never take is set aside in the ``rejected``
folder, counted, so that it neither blocks the others nor vanishes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tallystick.model.errors import NotSignedIn, StoreFault, StoreFull, StoreTooNew, Unreachable
from tallystick.model.span import Span
from tallystick.sdk.adoption import REJECTED_NAME, adopt, remove_unfinished, waiting_bytes
from tallystick.sdk.edge import caught
from tallystick.sdk.frames import MAGIC, RecordReader, read_frames
from tallystick.sdk.losses import keep_faults
from tallystick.sdk.rejects import Rejects
from tallystick.sdk.runtime import Sink
from tallystick.sdk.segments import Segment
from tallystick.sdk.spool import Spool

BATCH_SPANS = 512
BATCH_BYTES = 2 * 1024 * 1024
_LINGER = 0.1  # seconds: a burst of steps becomes one batch
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_HOUSEKEEPING = 5.0
_WAIT = (
    Unreachable,
    StoreFull,
    StoreFault,
    StoreTooNew,
    NotSignedIn,
)  # the sink's state, not the record's fault


class Shipper:
    """Reads what the spool's owner wrote and hands it on. One thread at a time ships; ``flush`` may be any thread."""

    def __init__(self, spool: Spool, open_sink: Callable[[], Sink]) -> None:
        """``open_sink`` is called in the shipping thread when there is something to ship, and again after a fork."""
        self._spool = spool
        self._open_sink = open_sink
        self.rejects = Rejects(spool.folder / REJECTED_NAME)
        self.delivered = 0
        self._begin()

    def _begin(self) -> None:
        self._sink: Sink | None = None
        self._readers: dict[Path, tuple[int, RecordReader]] = {}
        self._turn = threading.RLock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._failures = 0
        self._thread: threading.Thread | None = None
        self._kept_house: float | None = None
        self.trouble: str | None = None

    def wake(self) -> None:
        """Say that there is something to ship; starts the thread when it is not there yet."""
        self._spool.asleep = False
        if self._thread is None:
            self._start()
        self._wake.set()

    def _start(self) -> None:
        with self._turn:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._loop, name="tallystick-shipper", daemon=True)
                self._thread.start()

    def _loop(self) -> None:
        thread, spool = threading.current_thread(), self._spool
        while not self._closing.is_set() and self._thread is thread:
            before = spool.records
            self.ship()
            self._tend()
            if self._failures:  # new records do not hurry a sink that does not answer
                self._closing.wait(_PAUSES[min(self._failures, len(_PAUSES)) - 1])
                continue
            spool.asleep = True
            if spool.records == before:  # else: written after the last look, by somebody who saw us awake
                self._wake.wait(_HOUSEKEEPING)
                self._wake.clear()
            spool.asleep = False
            self._closing.wait(_LINGER)

    def _tend(self) -> None:
        """Let the sink do what is due now and then; only here, so that no thread of the agent ever waits for it."""
        with self._turn:
            tend = getattr(self._sink, "tend", None)
            if tend is None:
                return
            try:
                tend()
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the thread
                caught("shipping", error, answered=True)

    def ship(self) -> bool:
        """Deliver all that is waiting and return whether nothing is left; False when the sink did not take it."""
        try:
            with self._turn:
                while self._one_batch():
                    pass
                self._keep_house()
        except _WAIT as error:
            self._failures += 1
            self.trouble = f"{type(error).__name__}: {error}"
            return False
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the thread
            self._failures += 1
            self.trouble = f"{type(error).__name__}: {error}"
            caught("shipping", error, answered=True)
            return False
        self._failures, self.trouble = 0, None
        return True

    def _one_batch(self) -> bool:
        for segment in list(self._spool.segments):
            offset, reader = self._readers.get(segment.path) or (len(MAGIC), RecordReader())
            sealed, size = segment.sealed, segment.size  # in this order: a sealed size is final
            if offset < size:
                self._deliver_from(segment, offset, size, reader)
                return True
            if sealed:
                self._spool.delivered(segment)
                self._readers.pop(segment.path, None)
        return False

    def _deliver_from(self, segment: Segment, offset: int, size: int, reader: RecordReader) -> None:
        with open(segment.path, "rb") as file:
            file.seek(offset)
            data = file.read(size - offset)
        spans: list[Span] = []
        end = 0
        for payload, after in read_frames(data):
            end = after
            span = reader.read(payload)
            if span is not None:
                spans.append(span)
            if len(spans) >= BATCH_SPANS or end >= BATCH_BYTES:
                break
        if spans:
            self._deliver(spans)
        # A frame that cannot be read here was damaged after it was written; the rest of the segment is unreadable.
        self._readers[segment.path] = (offset + end if end else size, reader)

    def _deliver(self, spans: Sequence[Span]) -> None:
        sink = self._sink
        if sink is None:
            sink = self._sink = self._open_sink()
            if getattr(sink, "on_refused", self) is None:  # a sink that can tell what a server refused
                sink.on_refused = self.rejects.add  # type: ignore[attr-defined]
        try:
            sink.deliver(spans)
            self.delivered += len(spans)
        except _WAIT:
            raise
        except Exception as error:  # noqa: BLE001 - find the record that the sink cannot take
            if len(spans) == 1:
                self.rejects.add(spans[0], f"{type(error).__name__}: {error}")
                caught("shipping.rejected", error, answered=True)  # said aloud once, and counted
                return
            middle = len(spans) // 2
            self._deliver(spans[:middle])
            self._deliver(spans[middle:])

    def _keep_house(self) -> None:
        """Now and then: adopt what dead owners left, and see how much room others take."""
        now = time.monotonic()
        if self._kept_house is not None and now - self._kept_house < _HOUSEKEEPING:
            return
        timed, self._kept_house = self._kept_house is not None, now
        folder, own = self._spool.folder, self._spool.own
        remove_unfinished(folder, now=time.time())
        if waiting_bytes(folder, keep=own):
            done = adopt(folder, _Through(self._deliver), keep=own)
            self._spool.count_lost(done.lost)
        self._spool.others = waiting_bytes(folder, keep=own)
        # What was delivered goes from the disk now, and not when the segment is full: a process that records little
        # would hold for weeks what the store was told to erase.
        if timed:
            self._spool.seal()
            while self._one_batch():
                pass
        keep_faults(folder, now=time.time_ns())

    def flush(self, timeout: float) -> bool:
        """Ship what is waiting within ``timeout`` seconds, also when the shipping thread is in the middle of it."""
        deadline = time.monotonic() + timeout
        if not self._turn.acquire(timeout=max(0.0, timeout)):
            return False
        try:
            self._kept_house = None  # what dead owners left counts as waiting too
            while not self.ship():
                if time.monotonic() + _PAUSES[0] >= deadline:
                    return False
                time.sleep(_PAUSES[0])
            return True
        finally:
            self._turn.release()

    def close(self, timeout: float) -> bool:
        """Flush, stop the thread and close the sink; what was not delivered stays in the spool."""
        self._closing.set()
        self._wake.set()
        done = self.flush(timeout)
        if self._turn.acquire(timeout=max(0.0, timeout)):
            try:
                if done:
                    self._spool.seal()
                    done = self.ship()
                keep_faults(self._spool.folder, now=time.time_ns())
                if self._sink is not None:
                    self._sink.close()
                    self._sink = None
            finally:
                self._turn.release()
        return done

    def after_fork(self) -> None:
        """In a forked child: forget the parent's thread, sink and place; the sink is opened anew when needed."""
        self._begin()
        self.delivered = 0


class _Through:
    """A sink over the shipper's own delivery, so that adopted records are set aside in the same way."""

    def __init__(self, deliver: Callable[[Sequence[Span]], None]) -> None:
        self._deliver = deliver

    def deliver(self, spans: Sequence[Span]) -> None:
        """Deliver a batch."""
        self._deliver(spans)

    def close(self) -> None:
        """Nothing is held open here."""


def spool_info(folder: Path) -> dict[str, int]:
    """Facts for ``tally doctor``: owners, bytes waiting and rejected records below a spool folder."""
    return {
        "owners": sum(1 for path in folder.iterdir() if path.name[:1].isdigit()) if folder.is_dir() else 0,
        "bytes": waiting_bytes(folder),
        "rejected": Rejects(folder / REJECTED_NAME).count(),
    }
