"""Which runs name which blobs, in ``traces.db``; the bytes lie beside it (``ports.Blobs``).

Bytes go only inside a write transaction that finds no run which names them. Whoever records puts the bytes first,
commits the steps that name them, and then puts them again: if they went just before the commit, they are back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from tallystick.adapters.blob_check import HOUR_NS
from tallystick.adapters.naming import unknown_blob
from tallystick.adapters.sqlite.database import Database
from tallystick.model.blob import Blob
from tallystick.ports import Blobs

_UNNAMED: Final = "SELECT sha256 FROM blob WHERE NOT EXISTS (SELECT 1 FROM blob_run WHERE blob=sha256)"


def note(connection: sqlite3.Connection, found: Sequence[tuple[int, Blob]], blobs: Blobs | None) -> None:
    """Runs (row numbers) name blobs. Kept are those whose bytes are here: a reference alone may be anybody's.

    Where the bytes say so, they say how long they are, too.
    """
    made: list[tuple[bytes, int, str, bool]] = []
    for _, blob in found:
        size = blobs.size(blob.sha256) if blobs is not None and blob.kept else None
        length = blob.bytes if size is None else size
        made.append((bytes.fromhex(blob.sha256), length, blob.media_type, size is not None))
    connection.executemany(
        "INSERT INTO blob VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET kept=max(kept, excluded.kept),"
        " bytes=CASE WHEN excluded.kept AND NOT kept THEN excluded.bytes ELSE bytes END",
        made,
    )
    connection.executemany(
        "INSERT OR IGNORE INTO blob_run VALUES (?,?)",
        [(bytes.fromhex(blob.sha256), run) for run, blob in found],
    )


def forget(connection: sqlite3.Connection, run: int) -> None:
    """A run (row number) names no blob any more; ``sweep`` takes away the bytes."""
    connection.execute("DELETE FROM blob_run WHERE run=?", (run,))


def blobs_of(connection: sqlite3.Connection, run: int) -> Sequence[Blob]:
    """The blobs that a run names, by digest."""
    return [_blob(row) for row in connection.execute(
        "SELECT sha256, bytes, media_type, kept FROM blob_run r JOIN blob ON sha256 = r.blob WHERE r.run=?"
        " ORDER BY sha256", (run,)
    )]  # fmt: skip


def blob_named(connection: sqlite3.Connection, sha256: str) -> Blob:
    """A blob that some run names. Raises UnknownThing."""
    row = connection.execute(
        "SELECT sha256, bytes, media_type, kept FROM blob WHERE sha256=?"
        " AND EXISTS (SELECT 1 FROM blob_run WHERE blob=sha256)", (_key(sha256),)
    ).fetchone()  # fmt: skip
    if row is None:
        raise unknown_blob(sha256)
    return _blob(row)


def sweep(database: Database, lock: AbstractContextManager[object], blobs: Blobs | None, *, now: int) -> int:
    """Take away bytes that no run names (see ``ports.BlobTraces``)."""
    if blobs is None:
        return 0
    with database.reading() as connection:
        unnamed = connection.execute(f"{_UNNAMED} LIMIT 1").fetchone() is not None
    gone = 0
    if unnamed:
        with lock, database.writing() as connection:
            for (key,) in connection.execute(_UNNAMED).fetchall():
                blobs.remove(key.hex())
                connection.execute("DELETE FROM blob WHERE sha256=?", (key,))
                gone += 1
    old = [sha256 for sha256, at in blobs.found() if at < now - HOUR_NS]
    return gone + settle(database, lock, blobs, old)


def settle(
    database: Database, lock: AbstractContextManager[object], blobs: Blobs | None, digests: Iterable[str]
) -> int:
    """Take away those of some bytes that no run names; the others are here (see ``ports.BlobTraces``)."""
    gone = 0
    for sha256 in digests if blobs is not None else ():
        with database.reading() as connection:
            if _kept(connection, sha256):
                continue
        with lock, database.writing() as connection:
            kept = _kept(connection, sha256)
            if blobs is not None and kept is None:
                blobs.remove(sha256)
                connection.execute("DELETE FROM blob WHERE sha256=?", (_key(sha256),))
                gone += 1
            elif blobs is not None and not kept and (size := blobs.size(sha256)) is not None:
                # The bytes had gone when the run came to name them, and were put again; or another reference said
                # before that they were not kept.
                row = (size, _key(sha256))
                connection.execute("UPDATE blob SET kept=1, bytes=? WHERE sha256=?", row)
    return gone


def _kept(connection: sqlite3.Connection, sha256: str) -> bool | None:
    """Whether the bytes that a run names are known to be here; None where no run names them."""
    row = connection.execute(
        "SELECT kept FROM blob WHERE sha256=?1 AND EXISTS (SELECT 1 FROM blob_run WHERE blob=?1)",
        (_key(sha256),),
    ).fetchone()
    return None if row is None else bool(row[0])


def kept_lengths(connection: sqlite3.Connection) -> dict[str, int]:
    """The blobs that runs name and whose bytes should be here, with how many those are."""
    return {row[0].hex(): row[1] for row in connection.execute(
        "SELECT sha256, bytes FROM blob WHERE kept AND EXISTS (SELECT 1 FROM blob_run WHERE blob=sha256)"
        " ORDER BY sha256"
    )}  # fmt: skip


def one_run(connection: sqlite3.Connection, sha256: str) -> str:
    """The id of a run that names a blob, the oldest one."""
    sql = "SELECT id FROM run WHERE no=(SELECT min(run) FROM blob_run WHERE blob=?)"
    row = connection.execute(sql, (_key(sha256),)).fetchone()
    return "" if row is None else str(row[0])


def _key(sha256: str) -> bytes:
    try:
        return bytes.fromhex(sha256)
    except ValueError:
        return b""


def _blob(row: tuple[bytes, int, str, int]) -> Blob:
    return Blob(row[0].hex(), row[1], row[2], bool(row[3]))
