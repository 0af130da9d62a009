"""The two control stores stay alike and true, whatever is appended, refused, erased, signed, rebuilt or reopened."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from journal_samples import accepted, asked, decision, note_of, policy, salted
from store_samples import Clock, Ids

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite import SqliteControl
from tallystick.app.prove.continuity import check_continuity
from tallystick.model.errors import TallystickError
from tallystick.model.journal import Draft, leaf_bytes
from tallystick.proof.merkle import leaf_hash, root_of

NOTES = st.none() | st.text(max_size=9) | st.just(["odd"])
RUNS = st.sampled_from([None, "a", "b"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NUMBERS = st.integers(1, 4)
CONTENTS = st.builds(
    lambda value, number, keep: salted(value, number, keep=keep), VALUES, NUMBERS, st.booleans()
)
DRAFTS = st.one_of(
    st.builds(lambda n, run, text, content: [decision(n, run, text, amount=content)], NUMBERS, RUNS,
              st.sampled_from([None, "tool one", "tool two"]), CONTENTS),
    st.builds(lambda texts: [policy(*texts)], st.lists(st.sampled_from(["permit;", "forbid;"]), max_size=2)),
    st.builds(lambda n, note: asked(f"apr_{n}", "a", note, n), NUMBERS, NOTES),
    st.builds(lambda run, first, count: [accepted(run, first, count)], st.sampled_from("ab"), st.integers(0, 6),
              st.integers(0, 3)),
    st.builds(lambda run, body: [Draft("effect.ended", "e", {"result": body}, run=run)], RUNS, VALUES),
    st.builds(lambda run: [Draft("run.stopped", "r", {"run": "r", "by": run}, run=run)], RUNS),
    st.just([Draft("moon.landed", "x", {})]),
)  # fmt: skip


class TwoControls(RuleBasedStateMachine):
    """Does the same to both stores and compares every answer."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock, self.ids = Clock(), (Ids(), Ids())
        self.memory = MemoryControl(clock=self.clock, ids=self.ids[0])
        self.sqlite = self.opened()
        self.seen: list[tuple[int, bytes]] = []

    def opened(self) -> SqliteControl:
        return SqliteControl(self.directory / "control.db", clock=self.clock, ids=self.ids[1])

    def teardown(self) -> None:
        self.sqlite.close()
        shutil.rmtree(self.directory)

    @rule(groups=st.lists(DRAFTS, min_size=1, max_size=4))
    def append(self, groups) -> None:
        batch = [draft for group in groups for draft in group]
        before, answers = self.memory.head(), []
        for store in (self.memory, self.sqlite):
            try:
                answers.append(store.append(batch))
            except TallystickError as error:
                answers.append((error.code, error.message, error.detail))
                assert store.head() == before
        assert answers[0] == answers[1]

    @rule(count=st.sampled_from([100, 256]))
    def append_many(self, count) -> None:
        batch = [decision(number, "many", None, amount=salted(number, number)) for number in range(count)]
        assert self.memory.append(batch) == self.sqlite.append(batch)

    @rule(seqs=st.lists(st.integers(0, 40), max_size=5))
    def erase(self, seqs) -> None:
        assert self.memory.erase(seqs) == self.sqlite.erase(seqs)

    @rule(names=st.lists(st.sampled_from(["log", "one", "two"]), min_size=1, unique=True))
    def sign(self, names) -> None:
        for store in (self.memory, self.sqlite):
            store.add_checkpoint(*note_of(store, *names))

    @rule()
    def rebuild(self) -> None:
        assert self.memory.rebuild()["changed"] == self.sqlite.rebuild()["changed"] == 0

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = self.opened()

    @invariant()
    def both_are_alike_and_true(self) -> None:
        head = self.memory.head()
        entries = self.sqlite.entries(limit=10_000)
        assert self.sqlite.head() == head
        assert list(entries) == list(self.memory.entries(limit=10_000))
        assert root_of(leaf_hash(leaf_bytes(entry)) for entry in entries) == head[1]
        assert self.memory.verify() == self.sqlite.verify() == head[0]
        seqs = range(1, min(head[0], 60) + 1)
        assert self.memory.openings(seqs) == self.sqlite.openings(seqs)
        assert list(self.memory.approvals()) == list(self.sqlite.approvals())
        assert list(self.memory.checkpoints()) == list(self.sqlite.checkpoints())
        if head not in self.seen:
            self.seen.append(head)
        for size, root in self.seen:
            check_continuity(self.sqlite, size, root)


TwoControls.TestCase.settings = settings(
    max_examples=25, stateful_step_count=8, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip
TestTwoControls = TwoControls.TestCase
