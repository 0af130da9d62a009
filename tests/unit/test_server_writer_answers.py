"""Requests that were committed together: each sender hears of its own refused spans, whoever refused them first."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from guard_house import shipped_card

from tallystick.adapters.memory import MemoryTraces
from tallystick.api.otlp import Batch
from tallystick.api.writer import Answer, Writer
from tallystick.app.recording.record import Recorder
from tallystick.model.span import Source, Span
from tallystick.testing import FakeClock

SPAN = Span("1" * 32, "2" * 16, None, "s", 1, 2, Source())


class Deep:
    """A redactor that cannot look through what is named deep."""

    def spans(self, spans: Sequence[Span]) -> Sequence[Span]:
        if any(span.name == "deep" for span in spans):
            raise RecursionError
        return spans

    def begin(self) -> None:
        """Nothing is kept beside spans."""

    def committed(self, traces: Any) -> None:
        """Nothing is kept beside spans."""


def answers(*requests: list[Span]) -> list[Answer]:
    """What each of some requests hears that are committed in one transaction."""
    redactor: Any = Deep()
    writer = Writer(
        Recorder(MemoryTraces(), shipped_card(), FakeClock(), redactor=redactor), max_pending=1 << 20
    )

    taken = threading.Event()

    def first() -> Batch:
        assert taken.wait(20)
        return Batch([replace(SPAN, trace="9" * 32)])

    async def send() -> list[Answer]:
        sends = [asyncio.ensure_future(writer.take(1, first))]
        sends += [
            asyncio.ensure_future(writer.take(1, lambda spans=spans: Batch(spans))) for spans in requests
        ]
        await asyncio.sleep(0)  # all are taken, and wait for the first
        taken.set()
        return list(await asyncio.gather(*sends))[1:]

    try:
        return asyncio.run(send())
    finally:
        writer.close()


def test_a_refusal_reaches_its_sender_whatever_order_refusals_come_in() -> None:
    flawed = replace(SPAN, span="3" * 16, started=5, ended=4)  # refused last, and stands in the first request
    deep = replace(SPAN, span="4" * 16, name="deep")  # refused first, by the redactor
    one, other = answers([SPAN, flawed], [replace(SPAN, span="5" * 16), deep])
    assert (one.accepted, [each.span for each in one.rejected]) == (1, [flawed.span])
    assert (other.accepted, [each.span for each in other.rejected]) == (1, [deep.span])
