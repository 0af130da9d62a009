"""DuckDB in memory: one for each process, started when it is first needed and told to use no network."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.model.errors import StoreFault

if TYPE_CHECKING:
    import duckdb

_MEMORY = "512MB"
_HINT = "pip install 'tallystick[archive]'"


def installed() -> bool:
    """Whether DuckDB is there, without starting it."""
    return find_spec("duckdb") is not None


def no_engine(what: str) -> StoreFault:
    """The fault of a process that has no DuckDB."""
    return StoreFault(f"{what} needs DuckDB, which is not installed", hint=_HINT)


class Engine:
    """Connections to one DuckDB in memory. Threads share it; a child process starts its own."""

    def __init__(self, spill: Path) -> None:
        """``spill`` is the folder for what does not fit into memory; made only then."""
        self._spill = spill
        self._lock = threading.Lock()
        self._root: duckdb.DuckDBPyConnection | None = None
        self._pid = 0

    @contextmanager
    def cursor(self, file: Path) -> Iterator[Any]:
        """A connection for one job; DuckDB's errors become a StoreFault that names ``file``."""
        if not installed():
            raise no_engine(f"reading the archived runs in {file.parent}")
        import duckdb

        cursor = self._start().cursor()
        try:
            yield cursor
        except duckdb.Error as error:
            text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            missing = not file.exists()
            raise StoreFault(
                f"{file} is missing" if missing else f"{file} cannot be used: {text}",
                hint="put the file of a backup in its place; other runs can be read", file=str(file),
            ) from error  # fmt: skip
        finally:
            cursor.close()

    def _start(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        with self._lock:
            if self._root is None or self._pid != os.getpid():
                self._root = duckdb.connect(":memory:", config={
                    "threads": 1, "memory_limit": _MEMORY, "temp_directory": str(self._spill),
                    "autoinstall_known_extensions": False, "autoload_known_extensions": False,
                })  # fmt: skip
                self._root.execute("SET parquet_metadata_cache = true")  # segments never change
                self._pid = os.getpid()
            return self._root

    def close(self) -> None:
        """Let go of it. Closing twice is allowed."""
        with self._lock:
            if self._root is not None and self._pid == os.getpid():
                self._root.close()
            self._root = None
