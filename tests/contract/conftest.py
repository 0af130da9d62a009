"""Every store twice: in memory and in SQLite. One suite says what both must do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_samples import Clock, Ids

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.sqlite.traces import SqliteTraces


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def processes() -> dict[str, bool]:
    """Which processes are known to live (True) or to be dead (False); others cannot be asked."""
    return {}


@pytest.fixture(params=["memory", "sqlite"])
def traces(request: pytest.FixtureRequest, tmp_path: Path, processes: dict[str, bool]) -> Iterator[Any]:
    if request.param == "memory":
        store: Any = MemoryTraces(alive=processes.get)
    else:
        store = SqliteTraces(tmp_path / "traces.db", alive=processes.get)
    yield store
    store.close()
    store.close()  # closing twice is allowed


@pytest.fixture(params=["memory", "sqlite"])
def control(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Any]:
    if request.param == "memory":
        store: Any = MemoryControl(clock=clock, ids=Ids())
    else:
        store = SqliteControl(tmp_path / "control.db", clock=clock, ids=Ids())
    yield store
    store.close()
    store.close()
