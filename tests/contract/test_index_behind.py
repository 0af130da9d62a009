"""``tally doctor`` counts the runs whose texts are not indexed: their words are not found yet."""

from __future__ import annotations

from store_samples import START, pair

from tallystick.adapters.memory import MemoryTraces
from tallystick.adapters.memory.counts import MemoryCounts
from tallystick.app.reading.loss import LossBook
from tallystick.app.recording.texts import TextIndexer


class Clock:
    def now(self) -> int:
        return START + 10**15


def test_runs_whose_texts_are_not_indexed_are_behind() -> None:
    traces = MemoryTraces()
    for number in (1, 2):
        traces.write([pair(number, number, started=START, facts={"root": True})], at=START)
    for run, revision in traces.unlisted(now=Clock().now()):
        traces.list_uses(run, revision, [])
    book = LossBook(traces, MemoryCounts(Clock()), Clock())
    before = book.state()["indexed"]
    assert (before["revision"], before["behind"], before["texts"]["behind"]) == (0, 2, 2)
    TextIndexer(traces, Clock()).index_due()
    told = book.state()
    assert (told["indexed"]["revision"], told["indexed"]["behind"]) == (told["watermark"], 0)
