"""Runs that wait for many parents: what is kept beside the tally says the same as a tally that holds all of it."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import SECOND, START, pair, trace_id
from test_arrival import LATER, answers

from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite import awaited
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.step import Kind


def tree(count: int, seed: int) -> list[Any]:
    """Steps of two traces that a conversation may join, each inside one before it; some parents never come."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        parent = chance.choice([None, *range(number), *range(50, 54)])
        trace = number % 2 if parent is None else parent % 2
        made.append(pair(
            trace, number, parent, kind=chance.choice([Kind.MODEL, Kind.OTHER]), started=START + number * SECOND,
            length=chance.choice([SECOND, SECOND, None]), links=("conversation:a",) if number in (7, 8) else (),
        ))  # fmt: skip
    return made


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM awaited").fetchone()[0])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 24), st.integers(0, 2**32), st.integers(1, 9))
def test_what_is_kept_beside_the_tally_changes_no_answer(count: int, seed: int, size: int) -> None:
    records = tree(count, seed)
    random.Random(seed + 1).shuffle(records)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(awaited, "MOST_HELD", 1)
        memory, store = MemoryTraces(), SqliteTraces(Path(folder) / "traces.db")
        for at in range(0, count, size):
            memory.write(records[at : at + size], at=START)
            store.write(records[at : at + size], at=START)
            assert answers(store, now=START) == answers(memory, now=START)
            assert list(store.flaws()) == []
        assert answers(store) == answers(memory)
        store.close()


def test_a_run_that_waits_for_thousands_is_not_read_whole_with_each_batch(tmp_path: Path) -> None:
    store = SqliteTraces(tmp_path / "traces.db")
    for at in range(0, 5_000, 500):
        store.write([pair(0, 10_000 + n, 20_000 + n) for n in range(at, at + 500)], at=START)
    with closing(sqlite3.connect(tmp_path / "traces.db")) as connection:
        (size,) = connection.execute("SELECT length(state) FROM run").fetchone()
    assert (size < 1_000, rows(tmp_path / "traces.db")) == (True, 5_000)
    assert store.run(trace_id(0), now=LATER).missing == 5_000
    store.write([pair(0, 20_000 + n, 3) for n in range(5_000)], at=START)
    store.write([pair(0, 3)], at=START)
    run = store.run(trace_id(0), now=LATER)
    assert (run.completeness, run.missing, run.steps) == ("complete", 0, 10_001)
    assert rows(tmp_path / "traces.db") == 0
    assert list(store.flaws()) == []
    store.close()


def test_a_row_that_was_taken_away_is_found(tmp_path: Path) -> None:
    store = SqliteTraces(tmp_path / "traces.db")
    store.write([pair(0, 10_000 + n, 20_000 + n) for n in range(500)], at=START)
    with closing(sqlite3.connect(tmp_path / "traces.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM awaited WHERE step=(SELECT min(step) FROM awaited)")
    assert [flaw.text for flaw in store.flaws()] == ["the sums kept of a run are not those of its steps"]
    store.close()
