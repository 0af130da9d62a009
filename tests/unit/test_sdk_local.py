"""The local sink: what the store refuses is counted, explained and handed on; the rest is committed."""

import pytest

from tallystick.app.recording.record import Recorder
from tallystick.cost.rates import load_card
from tallystick.model.errors import StoreFault
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Source, Span
from tallystick.sdk import edge, local
from tallystick.sdk.local import StoreSink
from tallystick.testing import memory_stores


def test_a_refused_span_is_handed_on_and_the_others_are_stored() -> None:
    stores = memory_stores()
    closed: list[bool] = []
    sink = StoreSink(Recorder(stores.traces, load_card([]), stores.clock), lambda: closed.append(True))
    aside: list[tuple[str, str]] = []
    sink.on_refused = lambda span, reason: aside.append((span.span, reason))
    good = Span("a" * 32, "1" * 16, None, "good", 1, 2, Source())
    bad = Span("a" * 32, "0" * 16, None, "bad", 1, 2, Source())
    sink.deliver([good, bad])
    assert [run.steps for run in stores.traces.runs(EVERYTHING, now=5).runs] == [1]
    assert aside == [("0" * 16, "span id is not 8 bytes, or all zero")]
    assert (sink.refused, sink.reason) == (1, aside[0][1])
    sink.close()
    assert closed == [True]


def test_the_journal_learns_of_records_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(local.time, "monotonic", lambda: now[0])
    told: list[str] = []
    stores = memory_stores()
    recorder = Recorder(stores.traces, load_card([]), stores.clock)
    sink = StoreSink(recorder, lambda: told.append("closed"), lambda: told.append("attested"))
    sink.deliver([Span("a" * 32, "1" * 16, None, "good", 1, 2, Source())])
    sink.tend()
    assert told == []  # a delivery never waits for the journal
    now[0] += local.ATTEST_EVERY_S
    sink.tend()
    sink.tend()
    assert told == ["attested"]
    sink.close()
    assert told == ["attested", "attested", "closed"]


def test_a_journal_that_cannot_be_written_is_counted_and_the_store_is_closed() -> None:
    closed: list[bool] = []

    def attest() -> None:
        raise StoreFault("the journal cannot be used")

    edge.forget_faults()
    stores = memory_stores()
    StoreSink(
        Recorder(stores.traces, load_card([]), stores.clock), lambda: closed.append(True), attest
    ).close()
    assert closed == [True]
    assert edge.last_faults() == {"attesting": "StoreFault: the journal cannot be used"}
    edge.forget_faults()
