"""Rows of the journal as entries."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Any, Final

import msgspec

from tallystick.adapters.checking import damage
from tallystick.model.journal import Entry

COLUMNS: Final = "seq, id, at, kind, subject, run, actor, body, previous, digest, nth"

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def read_body(seq: int, body: bytes) -> dict[str, Any]:
    """The body of entry ``seq`` from its stored bytes. Raises StoreFault where they are no JSON object."""
    try:
        return _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise damage(f"journal entry {seq} was changed after it was written", seq=seq) from error


def entry_of(row: Sequence[Any]) -> Entry:
    """An entry from its row. Raises StoreFault."""
    seq, name, at, kind, subject, run, actor, body, previous, digest, nth = row
    return Entry(
        seq, name, at, kind, subject, run, actor, read_body(seq, body), digest, nth, previous or None
    )


def all_entries(connection: sqlite3.Connection) -> Generator[tuple[Entry, bytes], None, None]:
    """Every entry with the stored bytes of its body, in order. To be closed by who may not read it to its end."""
    with closing(connection.execute(f"SELECT {COLUMNS} FROM journal ORDER BY seq")) as rows:
        for row in rows:
            yield entry_of(row), row[7]
