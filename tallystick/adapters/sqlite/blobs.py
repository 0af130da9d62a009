"""Which runs name which blobs, in ``traces.db``; the bytes lie beside it (``ports.Blobs``).

Bytes go only inside a write transaction that finds no run which names them. Whoever records puts the bytes first,
commits the steps that name them, and then puts them again: if they went just before the commit, they are back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from tallystick.adapters.naming import unknown_blob
from tallystick.adapters.sqlite.database import Database
from tallystick.model.blob import Blob, references
from tallystick.model.span import Span
from tallystick.ports import Blobs

_HOUR_NS: Final = 3_600_000_000_000
_UNNAMED: Final = "SELECT sha256 FROM blob WHERE NOT EXISTS (SELECT 1 FROM blob_run WHERE blob=sha256)"


def named_by(span: Span) -> Iterable[Blob]:
    """The blobs that a span names; asked only of those that say they do (``tallystick.blobs``)."""
    for said in (
        span.attributes,
        *(one.attributes for one in span.events),
        *(one.attributes for one in span.links),
    ):
        yield from references(said)


def note(connection: sqlite3.Connection, found: Sequence[tuple[int, Blob]]) -> None:
    """Runs (row numbers) name blobs."""
    connection.executemany(
        "INSERT INTO blob VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET kept=max(kept, excluded.kept)",
        [(bytes.fromhex(blob.sha256), blob.bytes, blob.media_type, blob.kept) for _, blob in found],
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
    old = [sha256 for sha256, at in blobs.found() if at < now - _HOUR_NS]
    return gone + drop_unnamed(database, lock, blobs, old)


def drop_unnamed(
    database: Database, lock: AbstractContextManager[object], blobs: Blobs | None, digests: Iterable[str]
) -> int:
    """Take away those of some bytes that no run names (see ``ports.BlobTraces``)."""
    gone = 0
    for sha256 in digests if blobs is not None else ():
        with database.reading() as connection:
            if _named(connection, sha256):
                continue
        with lock, database.writing() as connection:
            if blobs is not None and not _named(connection, sha256):
                blobs.remove(sha256)
                connection.execute("DELETE FROM blob WHERE sha256=?", (_key(sha256),))
                gone += 1
    return gone


def _named(connection: sqlite3.Connection, sha256: str) -> bool:
    sql = "SELECT 1 FROM blob_run WHERE blob=? LIMIT 1"
    return connection.execute(sql, (_key(sha256),)).fetchone() is not None


def _key(sha256: str) -> bytes:
    try:
        return bytes.fromhex(sha256)
    except ValueError:
        return b""


def _blob(row: tuple[bytes, int, str, int]) -> Blob:
    return Blob(row[0].hex(), row[1], row[2], bool(row[3]))
