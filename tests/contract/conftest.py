"""Every store twice: in memory and in SQLite. One suite says what both must do.

The trace store comes a third time: in SQLite, with every run that has ended archived after each write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_samples import Clock, Ids

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.parquet import ParquetArchive
from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.sqlite.traces import SqliteTraces


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def processes() -> dict[str, bool]:
    """Which processes are known to live (True) or to be dead (False); others cannot be asked."""
    return {}


class ArchivingTraces(SqliteTraces):
    """Moves all that has ended into the archive after each write, so that every question is asked of archived runs."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.files = ParquetArchive(folder / "archive")
        super().__init__(folder / "traces.db", archive=self.files, **more)

    def write(self, batch: Any, *, at: int) -> Any:
        written = super().write(batch, at=at)
        self.archive(before=2**62, now=2**62, say=pytest.fail)
        return written

    def close(self) -> None:
        super().close()
        self.files.close()


@pytest.fixture(params=["memory", "sqlite", "archived"])
def traces(request: pytest.FixtureRequest, tmp_path: Path, processes: dict[str, bool]) -> Iterator[Any]:
    if request.param == "memory":
        store: Any = MemoryTraces(alive=processes.get)
    elif request.param == "archived":
        store = ArchivingTraces(tmp_path, alive=processes.get)
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
