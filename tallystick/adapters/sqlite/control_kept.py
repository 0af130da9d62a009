"""What control.db keeps beside the journal: openings, texts and checkpoints.

No proof needs these rows, and openings may be erased, so the tree does not cover them. A sum over them does: it stands
with the tree's edge and changes with every row, so that a row which was changed, taken out or put in by another hand is
noticed. (Whoever rewrites the whole file can make it fit, as with the tree itself; signed checkpoints show that.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable
from contextlib import closing
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec

from tallystick.adapters.checkpoint_text import grown, read_checkpoint
from tallystick.adapters.sealing import ERASED, Sealed, no_such_text
from tallystick.adapters.sqlite.control_tree import Growth, read_nodes
from tallystick.model.commitment import Opening
from tallystick.model.errors import Conflict
from tallystick.model.journal import Draft
from tallystick.proof.merkle import root_at

_encode = msgspec.json.Encoder().encode


def mark(table: str, *values: str | int) -> int:
    """What one row adds to the sum (by XOR)."""
    return int.from_bytes(sha256(_encode((table, *values))).digest(), "big")


def opening_mark(seq: int, place: int, one: Opening) -> int:
    """The mark of an opening. Its content need not be in it: the commitment is."""
    return _opening_mark(seq, place, one.commitment, one.content is not None, one.why)


def _opening_mark(seq: int, place: int, commitment: str, kept: bool, why: str | None) -> int:
    if kept and why is None:  # nearly all, and every append has some
        return int.from_bytes(sha256(f"opening {seq} {place} {commitment}".encode()).digest(), "big")
    return int.from_bytes(sha256(_encode(("opening", seq, place, commitment, kept, why))).digest(), "big")


class Kept:
    """The rows that one transaction adds; ``save`` writes them."""

    def __init__(self, connection: sqlite3.Connection, growth: Growth) -> None:
        self._connection = connection
        self._growth = growth
        self._openings: list[tuple[Any, ...]] = []

    def add(self, one: Sealed, draft: Draft) -> None:
        """Keep what belongs to an entry. Raises BadInput where it names a text that nobody gave."""
        seq = one.entry.seq
        for place, content in enumerate(one.contents):
            row: tuple[Any, ...]
            if content.keep:
                row = (seq, place, content.commitment, content.salt, content.bytes, None)
            else:
                row = (seq, place, content.commitment, None, None, content.why)
            self._openings.append(row)
            self._growth.kept ^= _opening_mark(seq, place, content.commitment, content.keep, row[5])
        for digest in one.texts:
            known = self._connection.execute("SELECT 1 FROM text WHERE digest = ?", (digest,)).fetchone()
            if known is None:
                if digest not in draft.texts:
                    raise no_such_text(draft.kind, digest)
                self._connection.execute("INSERT INTO text VALUES (?, ?)", (digest, draft.texts[digest]))
                self._growth.kept ^= mark("text", digest)

    def save(self) -> None:
        """Write the openings."""
        if self._openings:
            self._connection.executemany("INSERT INTO opening VALUES (?, ?, ?, ?, ?, ?)", self._openings)


def read_openings(connection: sqlite3.Connection, seq: int) -> list[Opening]:
    """The openings of one entry, in their order."""
    sql = "SELECT commitment, salt, content, why FROM opening WHERE seq = ? ORDER BY place"
    return [Opening(*row) for row in connection.execute(sql, (seq,))]


def erase_openings(
    connection: sqlite3.Connection, growth: Growth, seqs: Iterable[int]
) -> dict[int, list[str]]:
    """Erase the contents that are kept for entries; the commitments that were opened until now, by entry."""
    gone: dict[int, list[str]] = {}
    for seq in seqs:
        for place, one in enumerate(read_openings(connection, seq)):
            if one.content is None:
                continue
            growth.kept ^= opening_mark(seq, place, one)
            growth.kept ^= opening_mark(seq, place, Opening(one.commitment, None, None, ERASED))
            gone.setdefault(seq, []).append(one.commitment)
        if seq in gone:
            connection.execute(
                "UPDATE opening SET salt = NULL, content = NULL, why = ? WHERE seq = ? AND content IS NOT NULL",
                (ERASED, seq),
            )
    return gone


def keep_checkpoint(connection: sqlite3.Connection, growth: Growth, size: int, note: str) -> None:
    """Keep a signed checkpoint, or add the signatures that it did not have. Raises BadInput or Conflict."""
    given = read_checkpoint(note)
    if (
        given.size != size
        or size > growth.size
        or root_at(size, partial(read_nodes, connection)) != given.root
    ):
        raise Conflict(f"this is no checkpoint of the first {size} entries of the journal", size=size)
    row = connection.execute("SELECT note FROM checkpoint WHERE size = ?", (size,)).fetchone()
    if row is not None:
        note = grown(row[0], note)
        growth.kept ^= mark("checkpoint", size, row[0])
    growth.kept ^= mark("checkpoint", size, note)
    connection.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?)", (size, note))


def all_openings(connection: sqlite3.Connection) -> Generator[tuple[int, int, Opening], None, None]:
    """Every opening as (seq, place, opening), in order. To be closed by who may not read it to its end."""
    sql = "SELECT seq, place, commitment, salt, content, why FROM opening ORDER BY seq, place"
    with closing(connection.execute(sql)) as rows:
        for seq, place, *rest in rows:
            yield seq, place, Opening(*rest)
