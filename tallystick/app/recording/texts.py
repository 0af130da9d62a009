"""Texts: what runs said is indexed run by run, behind ingest; see ``observe.texts`` for what counts."""

from __future__ import annotations

from typing import Final

from tallystick.model.errors import StoreFault, UnknownThing
from tallystick.observe.texts import Collector
from tallystick.ports import Clock, Passed, RunTexts, TextLog

AT_ONCE: Final = 200  # runs that are asked for at a time
TOGETHER: Final = 16_000_000  # characters that are written in one transaction


class TextIndexer:
    """Indexes the texts of runs. What was done is in the store, so any process may go on with it."""

    def __init__(self, traces: TextLog, clock: Clock) -> None:
        self._traces = traces
        self._clock = clock

    def index_due(self, *, most: int | None = None) -> Passed:
        """Index the runs that are due, at most ``most`` of them. A run that cannot be read holds up no other: it is
        named in the answer, and read again when it changes."""
        done = steps = 0
        faults: list[StoreFault] = []
        before = -1
        while most is None or done < most:
            limit = AT_ONCE if most is None else min(AT_ONCE, most - done)
            due = self._traces.unindexed(now=self._clock.now(), limit=limit)
            if not due or due[0][1] == before:
                break  # runs were forgotten while they were read: the next pass reads them again
            before = due[0][1]
            waiting: list[RunTexts] = []
            size = 0
            for run, revision in due:
                try:
                    texts, count = self._read(run, revision)
                except UnknownThing:
                    texts, count = None, 0  # it was merged into another run meanwhile, which is due itself
                except StoreFault as error:
                    faults.append(error)
                    texts, count = None, 0
                steps += count
                if texts is not None:
                    waiting.append(texts)
                    size += len(texts.text)
                if size >= TOGETHER or run == due[-1][0]:
                    self._traces.index_texts(waiting, upto=revision)
                    waiting, size = [], 0
            done += len(due)
            if len(due) < limit:
                break
        return Passed(done, steps, tuple(faults))

    def _read(self, run: str, revision: int) -> tuple[RunTexts, int]:
        unread = self._traces.unread(run, revision)
        collector = Collector(unread.seen)
        count = 0
        for step, span in unread.steps:
            collector.add(step, span)
            count += 1
        numbers = collector.numbers()
        return RunTexts(unread, collector.text(), collector.scores, collector.seen, numbers), count
