"""The writer's group commit: busy senders are joined, a lone one is never kept waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from tallystick.api import writer as writing
from tallystick.api.otlp import Batch
from tallystick.api.writer import Writer
from tallystick.app.recording.record import Receipt
from tallystick.model.span import Source, Span

SPAN = Span("1" * 32, "2" * 16, None, "s", 1, 2, Source())


class Recorder:
    """Counts the spans of every commit."""

    def __init__(self) -> None:
        self.commits: list[int] = []

    def record(self, spans: Sequence[Span]) -> Receipt:
        self.commits.append(len(spans))
        return Receipt(len(spans), 0, (), ())


def read() -> Batch:
    return Batch([SPAN])


def test_a_lone_sender_is_never_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "GATHER_S", 3600.0)
    recorder = Recorder()
    writer = Writer(recorder, max_pending=1 << 20)

    async def send() -> None:
        async with asyncio.timeout(20):
            for _ in range(20):
                assert (await writer.take(1, read)).accepted == 1

    asyncio.run(send())
    writer.close()
    assert recorder.commits == [1] * 20


def test_senders_that_are_busy_at_the_same_time_share_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "GATHER_S", 20.0)
    recorder = Recorder()
    writer = Writer(recorder, max_pending=1 << 20)
    both = threading.Event()

    def first() -> Batch:
        assert both.wait(20)
        return read()

    async def send() -> None:
        async with asyncio.timeout(60):
            sends = [
                asyncio.ensure_future(writer.take(1, first)),
                asyncio.ensure_future(writer.take(1, read)),
            ]
            await asyncio.sleep(0)  # both are taken
            both.set()
            await asyncio.gather(*sends)
            for _ in range(10):  # from now on it is known that there are two
                late = asyncio.ensure_future(writer.take(1, read))
                await asyncio.sleep(0.01)
                await asyncio.gather(late, writer.take(1, read))

    asyncio.run(send())
    writer.close()
    assert recorder.commits == [2] * 11
    assert writer.tally.accepted == 22


def test_a_sender_that_went_away_is_missed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "GATHER_S", 0.05)
    recorder = Recorder()
    writer = Writer(recorder, max_pending=1 << 20)

    async def send() -> None:
        await asyncio.gather(writer.take(1, read), writer.take(1, read))
        for _ in range(5):
            await writer.take(1, read)

    asyncio.run(send())
    writer.close()
    assert sum(recorder.commits) == 7
    assert writer._most_pending <= 1
