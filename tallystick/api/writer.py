"""The one thread that reads request bodies and commits them, several requests in one transaction.

Requests that wait while a commit is under way are joined into the next one, so many small senders cost about as
much as one large one. Every request is answered after the commit that holds it, never before. Nothing here blocks
the event loop: bodies go in by a queue, answers come back by ``call_soon_threadsafe``.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

from tallystick.api.otlp import Batch
from tallystick.api.settings import RecordsSpans
from tallystick.app.recording.record import Rejection
from tallystick.model.errors import BadInput, Conflict, Fault, TallystickError, Unreachable
from tallystick.model.span import Span
from tallystick.ports import Counts, Tidings

_log = logging.getLogger("tallystick.api")

MOST_SPANS: Final = 4_000  # joined into one transaction; a larger single request is still one transaction
GATHER_S: Final = 0.002  # how long a commit waits for requests of other senders that are known to be busy


@dataclass(slots=True)
class Tally:
    """What this server has counted since it started."""

    accepted: int = 0  # spans committed
    repeats: int = 0  # of them, spans that were here already
    rejected: int = 0  # spans refused by name in partial_success
    dropped: int = 0  # attributes, events and links that senders say they had dropped
    requests: int = 0
    refused_requests: int = 0  # whole requests refused: malformed, too large, no room
    commits: int = 0
    faults: int = 0

    def as_json(self) -> dict[str, int]:
        """The counts by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(slots=True)
class Answer:
    """What became of one request: spans committed, and the refused ones with reasons."""

    accepted: int
    rejected: list[Rejection] = field(default_factory=list)


@dataclass(slots=True)
class _Job:
    """One request on its way: how to read its body, and who waits for it."""

    size: int
    read: Callable[[], Batch]
    waiting: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop
    batch: Batch = field(default_factory=Batch)
    outcome: Answer | TallystickError | None = None


class Writer:
    """Reads and commits request bodies. Call from the event loop's thread; ``close`` finishes what was taken."""

    def __init__(self, recorder: RecordsSpans, *, max_pending: int, counts: Counts | None = None) -> None:
        self._counts = counts
        self._recorder = recorder
        self._max_pending = max_pending
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.tally = Tally()
        self.pending_bytes = 0
        self.pending_requests = 0
        self._most_pending = 0  # at one time, since the last commit: so many senders are busy

    async def take(self, size: int, read: Callable[[], Batch]) -> Answer:
        """Read one body with ``read`` (in the writer's thread), commit its spans, and say what became of them.

        Raises BadInput from ``read``; StoreFull, StoreFault or Unreachable when nothing was committed.
        """
        if self._closed:
            raise Unreachable("the server is stopping", hint="send it again in a few seconds")
        if self.pending_requests and self.pending_bytes + size > self._max_pending:
            raise Unreachable(
                "the server has more waiting than it can hold", hint="send it again in a few seconds"
            )
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="tallystick-writer", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        job = _Job(size, read, loop.create_future(), loop)
        self.pending_bytes += size
        self.pending_requests += 1
        self._most_pending = max(self._most_pending, self.pending_requests)
        self._queue.put(job)
        try:
            return await job.waiting
        finally:
            self.pending_bytes -= size
            self.pending_requests -= 1

    def close(self) -> None:
        """Commit everything that was taken and end the thread. Blocks; closing twice is allowed."""
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        """Take what waits, commit it together, answer it; until told to stop."""
        going = True
        while going:
            jobs: list[_Job] = []
            spans = 0
            job = self._queue.get()
            busy, self._most_pending = self._most_pending, self.pending_requests
            patience = GATHER_S
            while job is not None:
                jobs.append(job)
                self._read(job)
                spans += len(job.batch.spans)
                if spans >= MOST_SPANS:
                    break
                began = time.monotonic()
                try:
                    job = self._next(patience if len(jobs) < busy else 0.0)
                except queue.Empty:
                    break
                patience -= time.monotonic() - began
            if job is None:
                going = False
            self._commit([job for job in jobs if job.outcome is None])
            _answer(jobs)

    def _next(self, patience: float) -> _Job | None:
        """What waits, or what comes in so many seconds. Raises queue.Empty. A lone sender is never waited for."""
        return self._queue.get(timeout=patience) if patience > 0 else self._queue.get_nowait()

    def _read(self, job: _Job) -> None:
        try:
            job.batch = job.read()
            self.tally.dropped += sum(span.dropped for span in job.batch.spans)
            self._refused(job.batch.rejected)
        except TallystickError as error:
            job.outcome = error
        except Exception as error:  # noqa: BLE001 - a fault in reading must answer its request, not end the thread
            _log.exception("a request body could not be read")
            self.tally.faults += 1
            job.outcome = Fault(f"reading the body failed: {type(error).__name__}")

    def _refused(self, rejected: Sequence[Rejection]) -> None:
        """Count spans that never reached the recorder, or that it tripped over."""
        if rejected and self._counts is not None:
            self._counts.add(Tidings(rejected=Counter(one.reason for one in rejected)))

    def _commit(self, jobs: Sequence[_Job]) -> None:
        """One transaction for all; when their data is at fault, one for each."""
        if not jobs:
            return
        if len(jobs) == 1:
            self._commit_one(jobs[0])
            return
        try:
            receipt = self._recorder.record([span for job in jobs for span in job.batch.spans])
        except (BadInput, Conflict) as error:
            _log.warning("a joined commit was refused, trying one by one: %s", error)
        except TallystickError as error:
            for job in jobs:
                job.outcome = error
            return
        except Exception:  # noqa: BLE001 - which request is at fault shows when they are tried one by one
            _log.warning("a joined commit failed, trying one by one", exc_info=True)
        else:
            self.tally.commits += 1
            self.tally.accepted += receipt.accepted
            self.tally.repeats += receipt.repeats
            _share_out(jobs, receipt.rejected)
            return
        for job in jobs:
            self._commit_one(job)

    def _commit_one(self, job: _Job) -> None:
        rejected: list[Rejection] = []
        try:
            accepted = self._commit_spans(job.batch.spans, rejected)
        except TallystickError as error:
            job.outcome = error
            return
        job.outcome = Answer(accepted, job.batch.rejected + rejected)

    def _commit_spans(self, spans: list[Span], rejected: list[Rejection]) -> int:
        """Commit what can be; halve what cannot, until the span at fault stands alone and is rejected by name."""
        if not spans:
            return 0
        try:
            receipt = self._recorder.record(spans)
        except (BadInput, Conflict) as error:
            reason = error.message
        except TallystickError:
            raise
        except Exception as error:  # noqa: BLE001 - one span that trips a fault of ours must not lose the others
            self.tally.faults += 1
            _log.warning("a commit of %d spans failed", len(spans), exc_info=True)
            reason = f"it could not be recorded ({type(error).__name__})"
        else:
            self.tally.commits += 1
            self.tally.accepted += receipt.accepted
            self.tally.repeats += receipt.repeats
            rejected.extend(receipt.rejected)
            return receipt.accepted
        if len(spans) == 1:
            rejected.append(Rejection(spans[0].trace, spans[0].span, reason))
            self._refused(rejected[-1:])
            return 0
        middle = len(spans) // 2
        return self._commit_spans(spans[:middle], rejected) + self._commit_spans(spans[middle:], rejected)


def _share_out(jobs: Sequence[_Job], rejected: Sequence[Rejection]) -> None:
    """Give each request its own rejections. They come in the order of the stages that refuse, not in that of spans."""
    left: dict[tuple[str, str], list[Rejection]] = {}
    for one in rejected:
        left.setdefault((one.trace, one.span), []).append(one)
    for job in jobs:
        mine: list[Rejection] = []
        if left:
            for span in job.batch.spans:
                same = left.get((span.trace, span.span))
                if same:
                    mine.append(same.pop(0))
        job.outcome = Answer(len(job.batch.spans) - len(mine), job.batch.rejected + mine)


def _answer(jobs: Sequence[_Job]) -> None:
    """Wake the requests; one call for each event loop (there is one, except in tests)."""
    for loop in {job.loop for job in jobs}:
        mine = [job for job in jobs if job.loop is loop]
        try:
            loop.call_soon_threadsafe(_wake, mine)
        except RuntimeError:
            _log.warning("%d requests were committed after their server had stopped", len(mine))


def _wake(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.waiting.done():  # the sender went away; what it sent is committed all the same
            continue
        if isinstance(job.outcome, TallystickError):
            job.waiting.set_exception(job.outcome)
        elif job.outcome is not None:
            job.waiting.set_result(job.outcome)
