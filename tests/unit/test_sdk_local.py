"""The local sink: what the store refuses is counted, explained and handed on; the rest is committed."""

from tallystick.app.record import Recorder
from tallystick.cost.rates import load_card
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Source, Span
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
