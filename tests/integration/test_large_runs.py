"""A long run whose steps may repeat one another is counted in linear time, and whoever reads it sees all of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from test_server_process import stored

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite.runs import RunRow, RunTable
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Source, Span
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.model.usage import Usage

START = 1_700_000_000 * 10**9
SOURCE = Source({"service.name": "x"}, "s")
Pairs = list[tuple[Step, Span]]


def call(number: int) -> Pairs:
    """One model call that two instrumentors saw, under one response id."""
    made: Pairs = []
    for scope, span in (("one", 2 * number + 2), ("two", 2 * number + 3)):
        ids = ("a" * 32, f"{span:016x}", f"{1:016x}")
        begun = START + number * 10**6
        step = Step(
            *ids, None, Kind.MODEL, "chat", StepStatus.OK, begun, begun + 10**6, scope, "x",
            model="m", response_id=f"r{number}", usage=Usage(3, 1), cost_nano=5,
        )  # fmt: skip
        made.append((step, Span(*ids, "chat", begun, begun + 10**6, SOURCE)))
    return made


def root() -> Pairs:
    ids = ("a" * 32, f"{1:016x}", None)
    step = Step(*ids, None, Kind.AGENT, "agent", StepStatus.OK, START - 1, START + 10**12, "one", "x")
    return [(step, Span(*ids, "agent", START - 1, START + 10**12, SOURCE))]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps the store read to count a run anew, each time."""
    found: list[int] = []
    true = RunTable.recount

    def recount(self: RunTable, row: RunRow) -> None:
        true(self, row)
        found.append(row.tally.steps)

    monkeypatch.setattr(RunTable, "recount", recount)
    return found


def test_counting_a_long_run_anew_costs_linear_time(tmp_path: Path, counted: list[int]) -> None:
    store, memory = SqliteTraces(tmp_path / "traces.db"), MemoryTraces()
    calls, batch = 3_000, 50
    every: Pairs = []
    for first in range(0, calls, batch):
        pairs = [pair for number in range(first, first + batch) for pair in call(number)]
        store.write(pairs, at=START)
        every += pairs
    assert sum(counted) < 16 * calls  # reading all of it with each batch would be sixty times the steps
    store.write(root(), at=START)
    memory.write([*every, *root()], at=START)
    last = SqliteTraces(tmp_path / "traces.db")  # another process, that reads
    for reader in (last, store):
        assert list(reader.flaws()) == []
        assert reader.runs(EVERYTHING, now=START) == memory.runs(EVERYTHING, now=START)
        assert list(reader.spend("model", EVERYTHING, now=START)) == list(
            memory.spend("model", EVERYTHING, now=START)
        )
        assert list(reader.sightings("model")) == list(memory.sightings("model"))
        run = reader.run("a" * 32, now=START)
        assert (run.model_calls, run.cost_nano, run.missing) == (calls, 5 * calls, 0)
    last.close()
    store.close()


def test_a_run_that_was_not_counted_to_its_end_is_found_whole_after_a_crash(tmp_path: Path) -> None:
    store = SqliteTraces(tmp_path / "traces.db")
    for first in range(0, 3_000, 500):
        store.write([pair for number in range(first, first + 500) for pair in call(number)], at=START)
    (tmp_path / "copy").mkdir()
    for file in tmp_path.glob("traces.db*"):
        shutil.copy(file, tmp_path / "copy" / file.name)
    store.close()
    assert len(stored(tmp_path / "copy")) == 6_000
    again = SqliteTraces(tmp_path / "copy" / "traces.db")
    assert again.account("a" * 32).run.cost_nano == 15_000
    again.close()
