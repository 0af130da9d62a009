"""One SQLite file, used by many threads and processes at once.

Writes go through one connection per process under a lock and start with BEGIN IMMEDIATE; reads borrow connections of
their own. A file that a newer Tallystick wrote is recognised from its header bytes, before SQLite may touch it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tallystick.model.errors import Fault, StoreFault, StoreFull, StoreTooNew

Migration = Callable[[sqlite3.Connection], None]

BUSY_SECONDS = 60.0
_OPEN: dict[str, int] = {}  # how often this process has a file open
_OPENING = threading.Lock()
_ABANDONED: list[sqlite3.Connection] = []  # inherited over a fork: never used and never closed by the child
_FULL = {
    "SQLITE_FULL",
    "SQLITE_IOERR_WRITE",
    "SQLITE_IOERR_SHMSIZE",
    "SQLITE_IOERR_FSYNC",
    "SQLITE_IOERR_TRUNCATE",
}
_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}


def _after_fork() -> None:
    global _OPENING
    _OPENING = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def translate(error: sqlite3.Error, path: Path) -> Fault:
    """SQLite's error as ours, with what to do next."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name in _FULL or "full" in str(error):
        return StoreFull(
            f"no room to write {path.name}: {error}",
            hint=f"free some space on the disk of {path.parent}; nothing was written and nothing was lost",
            path=str(path),
        )
    if name.startswith(tuple(_DAMAGED)):
        return StoreFault(
            f"{path.name} is damaged or not a Tallystick store: {error}",
            hint=f"move {path} (and its -wal and -shm files) aside, or put a backup in its place",
            path=str(path),
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreFault(
            f"{path.name} is held by another process: {error}",
            hint="find the process that keeps a write open, or try again", path=str(path),
        )  # fmt: skip
    return StoreFault(
        f"{path.name} cannot be used: {error}",
        hint=f"check that {path} exists and may be read and written", path=str(path),
    )  # fmt: skip


class Database:
    """A file with a schema version, one writing connection and a pool of reading ones."""

    def __init__(
        self,
        path: Path,
        *,
        application: int,
        migrations: Sequence[Migration],
        synchronous: str,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self.path = path
        self.version = len(migrations)
        self._application = application
        self._migrations = migrations
        self._synchronous = synchronous
        self._busy = busy_seconds
        self._lock = threading.RLock()
        self._pool: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self.closed = False
        self.read_only = path.exists() and not _may_write(path)
        self._claim()
        try:
            with self.translated():
                self._migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise translate(error, self.path) from error

    @property
    def alone(self) -> AbstractContextManager[object]:
        """While this is held no other thread writes through this database; ``writing`` may be entered inside."""
        return self._lock

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed on return, rolled back on any error."""
        with self._lock, self.translated():
            self._must_write()
            connection = self._writing_connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One read transaction: everything read inside belongs to one moment."""
        with self.translated():
            connection = self._borrow()
            try:
                connection.execute("BEGIN")
                yield connection
            except BaseException:
                connection.close()  # a question that was not read to its end would keep its moment for the next one
                raise
            connection.execute("ROLLBACK")
            self._return(connection)

    def empty_log(self) -> bool:
        """Bring the write-ahead log into the file and cut it to nothing; false where others still read from it."""
        if self.read_only:
            return True
        with self._lock, self.translated():
            busy = self._writing_connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not busy

    def vacuum(self) -> None:
        """Write the file anew without what SQLite left in unused room; costs reading and writing all of it.

        Waits for other writers; readers may go on.
        """
        with self._lock, self.translated():
            self._must_write()
            self._writing_connection().execute("VACUUM")
            self._writing_connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection. Closing twice is allowed."""
        with self._lock:
            self._forget_inherited()
            for connection in [*self._pool, *([self._writer] if self._writer else [])]:
                connection.close()
            self._pool.clear()
            self._writer = None
            if not self.closed:
                self.closed = True
                with _OPENING:
                    _OPEN[self._place] -= 1

    def _claim(self) -> None:
        """Look at the header, unless this process has the file open already.

        A process that opens and closes a file by itself loses all locks that SQLite holds on it (POSIX has it so), and
        then another process may take the write-ahead log away. What is open here was looked at when it was opened.
        """
        self._place = os.path.realpath(self.path)
        with _OPENING:
            if not _OPEN.get(self._place):
                self._refuse_foreign()
            _OPEN[self._place] = _OPEN.get(self._place, 0) + 1

    def _borrow(self) -> sqlite3.Connection:
        with self._lock:
            self._forget_inherited()
            if self.closed:
                raise StoreFault(f"{self.path.name} was closed", hint="open the store again")
            if self._pool:
                return self._pool.pop()
        return self._connect()

    def _return(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self.closed:
                connection.close()
            elif self._pid == os.getpid():
                self._pool.append(connection)

    def _writing_connection(self) -> sqlite3.Connection:
        self._forget_inherited()
        if self.closed:
            raise StoreFault(f"{self.path.name} was closed", hint="open the store again")
        if self._writer is None:
            self._writer = self._connect()
        return self._writer

    def _forget_inherited(self) -> None:
        """A connection must not cross a fork: the child leaves its parent's alone and opens its own."""
        if self._pid != os.getpid():
            _ABANDONED.extend(self._pool)
            if self._writer is not None:
                _ABANDONED.append(self._writer)
            self._pool, self._writer, self._pid = [], None, os.getpid()

    def _must_write(self) -> None:
        if self.read_only:
            raise StoreFault(
                f"{self.path.parent} may only be read",
                hint="see to the owner and the mode of the store's folder and its files", path=str(self.path),
            )  # fmt: skip

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._address(),
            uri=self.read_only,
            timeout=self._busy,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        if self.read_only:
            return connection
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute("PRAGMA cache_size=-32000")
        connection.execute("PRAGMA wal_autocheckpoint=1000")
        connection.execute("PRAGMA journal_size_limit=8388608")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def _address(self) -> str | Path:
        """Where SQLite finds the file. One that may only be read has no log that could be made for it: where none is
        there, nobody writes, and it is read as it stands."""
        if not self.read_only:
            return self.path
        log = self.path.with_name(self.path.name + "-wal")
        quiet = not log.exists() or not log.stat().st_size
        return f"{self.path.absolute().as_uri()}?mode=ro" + ("&immutable=1" if quiet else "")

    def _refuse_foreign(self) -> None:
        """Read the header without SQLite, so that a file that is not ours stays as it is, byte for byte."""
        try:
            with self.path.open("rb") as file:
                header = file.read(100)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return
        except OSError as error:
            raise StoreFault(
                f"{self.path} cannot be read: {error}", hint="check its owner and mode"
            ) from error
        if not header:
            return
        if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
            raise StoreFault(
                f"{self.path.name} is damaged or not a Tallystick store",
                hint=f"move {self.path} aside, or put a backup in its place", path=str(self.path),
            )  # fmt: skip
        self._check(int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big"))

    def _check(self, application: int, version: int) -> None:
        if application not in (0, self._application) or (application == 0 and version):
            raise StoreFault(
                f"{self.path.name} is not a Tallystick store of this kind",
                hint="give the directory of a Tallystick store, or an empty one", path=str(self.path),
            )  # fmt: skip
        if version > self.version:
            raise StoreTooNew(
                f"{self.path.name} has schema {version}; this Tallystick reads up to {self.version}",
                hint="upgrade Tallystick (pip install -U tallystick); the store was left untouched",
                path=str(self.path), schema=version, supported=self.version,
            )  # fmt: skip

    def _migrate(self) -> None:
        connection = self._writing_connection()
        self._check(*self._marks(connection))
        if self._marks(connection)[1] == self.version:
            return
        self._must_write()
        self._use_wal(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            application, version = self._marks(connection)
            self._check(application, version)
            for step in self._migrations[version:]:
                step(connection)
            connection.execute(f"PRAGMA application_id={self._application}")
            connection.execute(f"PRAGMA user_version={self.version}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute(
            "PRAGMA wal_checkpoint(TRUNCATE)"
        )  # the header must tell the version without the WAL

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switch to WAL; SQLite does not wait for others here, so this does."""
        deadline = time.monotonic() + self._busy
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @staticmethod
    def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
        application: int = connection.execute("PRAGMA application_id").fetchone()[0]
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return application, version


def _may_write(path: Path) -> bool:
    """Whether a file, and the logs beside it, may be written."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def script(text: str) -> Migration:
    """A migration that runs SQL statements one by one (``executescript`` would commit behind our back).

    A statement ends with its line.
    """

    def migrate(connection: sqlite3.Connection) -> None:
        pending = ""
        for line in text.splitlines(keepends=True):
            pending += line
            if sqlite3.complete_statement(pending):
                connection.execute(pending)
                pending = ""

    return migrate
