"""The two trace stores give equal answers, whatever is written in whatever order and however it is split."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from store_samples import SECOND, START, Clock, records

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite.spending import SPEND_KEYS
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.recording.texts import TextIndexer
from tallystick.model.query import EVERYTHING, parse_query

ALIVE = {"live": True, "dead": False}.get
QUERIES = [
    "agent:refunds", "-agent:Writer", "tool:t1", "model:m2 status:failed", "workflow:support", "completeness:lossy",
    "cost:>0.000001", "cost:<0.0005", "tokens:<=60", "tokens:>20", "steps:>2", "errors:0", "duration:>=2s",
    "-duration:<2s", "since:1h", "until:2023-11-15", "buy", "-SELL", "run:run-", "source:sdk", "run:0000",
    "version:1.0", "version:refunds@2.0", "environment:dev", "-environment:production", "subject:böb",
    "conversation:talk-1 -subject:ann", "hello", "-look", '"hello hello"', '-"look up"', "hel*", "kind:tool",
    "-error:x", "attr.note:*", "attr.note:red", "-attr.size:>3", "attr.size:<=4 chat", "score.good:>0.5",
    "-score.good:pass", "user:ann",
]  # fmt: skip


class TwoStores(RuleBasedStateMachine):
    """Writes the same to both stores and compares every answer."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.memory = MemoryTraces(alive=ALIVE)
        self.sqlite = SqliteTraces(self.directory / "traces.db", alive=ALIVE)
        self.now = START + 60 * SECOND
        self.cursor = 0

    def teardown(self) -> None:
        self.sqlite.close()
        shutil.rmtree(self.directory)

    @rule(batch=st.lists(records(), min_size=1, max_size=12))
    def write(self, batch) -> None:
        assert self.memory.write(batch, at=self.now) == self.sqlite.write(batch, at=self.now)

    @rule(text=st.sampled_from(["", *QUERIES]))
    def count(self, text: str) -> None:
        """Statuses are counted as the list has them, or not at all where steps would have to be read."""
        counted = self.sqlite.statuses(parse_query(text), now=self.now)
        assert counted == self.memory.statuses(parse_query(text), now=self.now)
        page = self.sqlite.runs(parse_query(text), now=self.now, limit=1_000)
        if counted is not None:
            assert counted == Counter(run.status.value for run in page.runs)

    @rule(seconds=st.sampled_from([1, 30, 500]))
    def wait(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteTraces(self.directory / "traces.db", alive=ALIVE)

    @rule(text=st.sampled_from(["", *QUERIES]), by=st.sampled_from(SPEND_KEYS), after=st.integers(0, 3))
    def query(self, text: str, by: str, after: int) -> None:
        query = parse_query(text)
        assert self.memory.runs(query, now=self.now) == self.sqlite.runs(query, now=self.now)
        assert list(self.memory.spend(by, query, now=self.now)) == list(
            self.sqlite.spend(by, query, now=self.now)
        )
        for store in (self.memory, self.sqlite):
            rows = store.spend(by, query, now=self.now)
            sums = sum(row.cost_nano for row in rows), sum(row.unknown for row in rows)
            some = store.dearest(by, query, now=self.now, limit=2, after=after)
            assert (list(some.rows), some.total) == (list(rows[after : after + 2]), len(rows))
            assert (some.cost_nano, some.unknown) == sums
        for by in ("agent", "day"):
            assert list(self.memory.completeness(by, query, now=self.now)) == list(
                self.sqlite.completeness(by, query, now=self.now)
            )

    @rule(most=st.sampled_from([None, 1]))
    def index(self, most: int | None) -> None:
        clock = Clock()
        clock.at = self.now
        done = [TextIndexer(store, clock).index_due(most=most) for store in (self.memory, self.sqlite)]
        assert (done[0].runs, done[0].faults) == (done[1].runs, done[1].faults)
        assert self.memory.indexed() == self.sqlite.indexed()

    @rule(number=st.integers(0, 3))
    def forget(self, number: int) -> None:
        runs = self.memory.runs(EVERYTHING, now=self.now).runs
        if number < len(runs):
            self.memory.forget_texts([runs[number].run])
            self.sqlite.forget_texts([runs[number].run])

    @invariant()
    def answers_are_equal(self) -> None:
        page = self.memory.runs(EVERYTHING, now=self.now)
        assert page == self.sqlite.runs(EVERYTHING, now=self.now)
        for run in page.runs:
            assert list(self.memory.steps(run.run)) == list(self.sqlite.steps(run.run))
            assert self.memory.spans(run.run) == self.sqlite.spans(run.run)
        for kind in ("agent", "tool", "model", "workflow"):
            assert list(self.memory.sightings(kind)) == list(self.sqlite.sightings(kind))
        assert list(self.memory.changes(self.cursor)) == list(self.sqlite.changes(self.cursor))
        self.cursor = self.memory.changes(-1)[0].cursor
        assert self.sqlite.changes(-1)[0].cursor == self.cursor

    @invariant()
    def spend_adds_up_to_the_steps(self) -> None:
        runs = self.memory.runs(EVERYTHING, now=self.now).runs
        total = sum(
            step.cost_nano or 0 for run in runs for step in self.sqlite.steps(run.run) if step.same_as is None
        )
        for by in ("agent", "tool", "model", "workflow", "run"):
            rows = self.sqlite.spend(by, EVERYTHING, now=self.now)
            assert list(rows) == list(self.memory.spend(by, EVERYTHING, now=self.now))
            assert sum(row.cost_nano for row in rows) == total
            assert sum(row.steps for row in rows) == sum(run.steps for run in runs)


TwoStores.TestCase.settings = settings(
    max_examples=60, stateful_step_count=8, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip
TestTwoStores = TwoStores.TestCase
