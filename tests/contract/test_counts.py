"""Counts of what came in and what was lost (``ports.Counts``), in a file and in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tallystick.adapters.counts_file import MOST, CountsFile
from tallystick.adapters.memory.counts import MemoryCounts
from tallystick.model.errors import StoreFault
from tallystick.ports import Loss, Tidings

SECOND = 10**9


@pytest.fixture(params=["memory", "file"])
def counts(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    clock = iter(range(SECOND, 10**15, SECOND // 10))
    now = lambda: next(clock)  # noqa: E731 - a clock of one line
    return MemoryCounts(now) if request.param == "memory" else CountsFile(tmp_path / "counts.json", now)


def test_everything_adds_up(counts: Any) -> None:
    counts.add(Tidings(5, 1, {"a": 2}))
    counts.add(Tidings(4, 0, {"a": 1, "b": 1}, {("door", "too large"): 1}))
    counts.add(Tidings(1, 1, {}, {("door", "too large"): 2}))
    whole, dropped = counts.read()
    assert (whole.accepted, whole.repeats, whole.rejected) == (10, 2, {"a": 3, "b": 1})
    assert [(row.where, row.why, row.count) for row in dropped] == [("door", "too large", 3)]
    assert dropped[0].since > 0


def test_reasons_are_bounded(counts: Any) -> None:
    for number in range(3 * MOST):
        counts.add(Tidings(rejected={f"{number} {'x' * 10_000}": 1}, dropped={("door", f"{number}"): 1}))
    whole, dropped = counts.read()
    assert len(whole.rejected) <= MOST + 1
    assert sum(whole.rejected.values()) == sum(row.count for row in dropped) == 3 * MOST
    assert max(map(len, whole.rejected)) <= 160


def test_an_empty_account(counts: Any) -> None:
    assert counts.read() == (Tidings(), ())


def test_processes_share_the_file_and_a_restart_forgets_nothing(tmp_path: Path) -> None:
    one, two = (CountsFile(tmp_path / "counts.json", lambda: SECOND) for _ in range(2))
    one.add(Tidings(1))
    two.add(Tidings(2, rejected={"bad": 1}))
    one.add(Tidings(4))
    for held in (one, two):
        held.flush()
    assert CountsFile(tmp_path / "counts.json", lambda: SECOND).read()[0] == Tidings(7, 0, {"bad": 1})


def test_a_folder_that_cannot_be_written_loses_no_count(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("in the way")
    heard: list[Exception] = []
    counts = CountsFile(place / "counts.json", lambda: SECOND, on_fault=heard.append)
    counts.add(Tidings(3, dropped={("sdk", "x"): 1}))
    assert isinstance(heard[0], StoreFault)
    place.unlink()
    assert counts.read() == (Tidings(3), (Loss("sdk", "x", 1, SECOND),))
