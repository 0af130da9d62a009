"""Tables of control.db. The journal is append-only; every other table is a view of it."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from tallystick.adapters.sqlite.control_tree import add_leaf, save_edge
from tallystick.adapters.sqlite.database import script
from tallystick.model.journal import Entry, leaf_bytes, leaf_digest
from tallystick.proof.merkle import CompactRange

APPLICATION: Final = 0x54435401  # "TCT", 1
VIEWS: Final = ("declared", "approval", "budget", "hold", "stopped", "attested")

_FIRST: Final = """
CREATE TABLE journal (
    seq      INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    at       INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    run      TEXT,
    actor    TEXT NOT NULL,
    body     BLOB NOT NULL,
    previous TEXT NOT NULL,
    digest   TEXT NOT NULL
) STRICT;
CREATE INDEX journal_run ON journal (run) WHERE run IS NOT NULL;
CREATE INDEX journal_subject ON journal (subject);
CREATE TRIGGER journal_stays BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_keeps BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TABLE declared (
    type TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, version TEXT, body BLOB NOT NULL,
    retired INTEGER NOT NULL, PRIMARY KEY (type, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE approval (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, decision TEXT NOT NULL, run TEXT NOT NULL, agent TEXT NOT NULL,
    tool TEXT NOT NULL, arguments BLOB NOT NULL, binding TEXT NOT NULL, grp TEXT NOT NULL, because TEXT,
    requested INTEGER NOT NULL, expires INTEGER NOT NULL, answered INTEGER, by TEXT, note TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_newest ON approval (requested);
CREATE INDEX approval_run ON approval (run);
CREATE TABLE budget (
    name TEXT PRIMARY KEY, scope TEXT NOT NULL, limit_nano INTEGER NOT NULL, mode TEXT NOT NULL,
    spent_nano INTEGER NOT NULL, held_nano INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX budget_scope ON budget (scope);
CREATE TABLE hold (
    id TEXT PRIMARY KEY, amount_nano INTEGER NOT NULL, scopes BLOB NOT NULL, expires INTEGER NOT NULL,
    settled INTEGER NOT NULL, budgets BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX hold_open ON hold (expires) WHERE settled = 0;
CREATE TABLE stopped (run TEXT PRIMARY KEY, seq INTEGER NOT NULL REFERENCES journal (seq)) STRICT, WITHOUT ROWID;
"""


_SECOND: Final = """
DROP TRIGGER journal_stays;
ALTER TABLE journal ADD COLUMN nth INTEGER;

-- The right edge of the Merkle tree over the journal: 32 bytes for each complete subtree, largest first.
CREATE TABLE tree (only INTEGER PRIMARY KEY CHECK (only = 0), size INTEGER NOT NULL, peaks BLOB NOT NULL) STRICT;
-- Full tiles of 256 hashes (level counts in steps of eight); the leaves behind the last full tile are in the journal.
CREATE TABLE tile (
    level INTEGER NOT NULL, idx INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
-- What opens commitments of entries. May be erased: no proof needs it. content NULL: it was not kept, ``why`` says.
CREATE TABLE opening (
    seq INTEGER NOT NULL, place INTEGER NOT NULL, commitment TEXT NOT NULL, salt BLOB, content BLOB, why TEXT,
    PRIMARY KEY (seq, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE text (digest TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE attested (run TEXT PRIMARY KEY, records INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
_STAYS: Final = (
    "CREATE TRIGGER journal_stays BEFORE UPDATE ON journal"
    " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;"
)


def _merkle(connection: sqlite3.Connection) -> None:
    """Entries of the first version become leaves: their digest is now the leaf hash of the same content."""
    script(_SECOND)(connection)
    edge = CompactRange()
    rows = connection.execute(
        "SELECT seq, id, at, kind, subject, run, actor, body, previous FROM journal ORDER BY seq"
    ).fetchall()
    for seq, name, at, kind, subject, run, actor, body, previous in rows:
        entry = Entry(seq, name, at, kind, subject, run, actor, msgspec.json.decode(body), "", None, previous)
        digest = leaf_digest(leaf_bytes(entry))
        connection.execute("UPDATE journal SET digest = ? WHERE seq = ?", (digest, seq))
        add_leaf(connection, edge, bytes.fromhex(digest))
    save_edge(connection, edge)
    connection.execute(_STAYS)


MIGRATIONS: Final = (script(_FIRST), _merkle)
