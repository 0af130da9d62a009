"""Tables of control.db. The journal is append-only; every other table is a view of it."""

from __future__ import annotations

import sqlite3
from typing import Final

from tallystick.adapters.checking import FIRST_CHAIN, damage
from tallystick.adapters.effect_projections import EFFECT_KINDS
from tallystick.adapters.projections import apply
from tallystick.adapters.registry_projections import REGISTRY_KINDS
from tallystick.adapters.sqlite.control_entries import COLUMNS, entry_of, read_body
from tallystick.adapters.sqlite.control_tree import Growth
from tallystick.adapters.sqlite.control_views import SqliteViews
from tallystick.adapters.sqlite.database import script
from tallystick.adapters.sqlite.people_views import PEOPLE_TABLES
from tallystick.adapters.sqlite.registry_views import REGISTRY_TABLES
from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.journal import Entry, leaf_around
from tallystick.proof.merkle import leaf_hash

APPLICATION: Final = 0x54435401  # "TCT", 1
_DECLARED_FIRST: Final = """
CREATE TABLE declared (
    type TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, version TEXT, body BLOB NOT NULL,
    retired INTEGER NOT NULL, PRIMARY KEY (type, name)
) STRICT, WITHOUT ROWID;
"""
_VIEWS: Final = """
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
"""
_FIRST: Final = (
    _DECLARED_FIRST
    + _VIEWS
    + """
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

CREATE TABLE stopped (run TEXT PRIMARY KEY, seq INTEGER NOT NULL REFERENCES journal (seq)) STRICT, WITHOUT ROWID;
"""
)


_NEW_VIEWS: Final = """
CREATE TABLE stopped (run TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE attested (run TEXT PRIMARY KEY, records INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
_SECOND: Final = (
    """
DROP TRIGGER IF EXISTS journal_stays;
ALTER TABLE journal ADD COLUMN nth INTEGER;

-- The right edge of the Merkle tree over the journal: 32 bytes for each complete subtree, largest first.
-- ``kept`` is the sum over the rows of opening, text and checkpoint (see control_kept.py).
CREATE TABLE tree (
    only INTEGER PRIMARY KEY CHECK (only = 0), size INTEGER NOT NULL, peaks BLOB NOT NULL, kept BLOB NOT NULL
) STRICT;
-- Tiles of up to 256 hashes (level counts in steps of eight). Those of level 0 are full: the leaves behind the last of
-- them are in the journal. The last tile of any other level may still grow.
CREATE TABLE tile (
    level INTEGER NOT NULL, idx INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, idx)
) STRICT;  -- with a rowid: rows of 8 kB would make a deep tree of a table without
-- What opens commitments of entries. May be erased: no proof needs it. content NULL: it was not kept, ``why`` says.
CREATE TABLE opening (
    seq INTEGER NOT NULL, place INTEGER NOT NULL, commitment TEXT NOT NULL, salt BLOB, content BLOB, why TEXT,
    PRIMARY KEY (seq, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE text (digest TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
-- Entries are written at the end of their transaction, after what they do to the views: no reference to the journal.
ALTER TABLE stopped RENAME TO stopped_first;
"""
    + _NEW_VIEWS
    + """
INSERT INTO stopped SELECT run, seq FROM stopped_first;
DROP TABLE stopped_first;
"""
)
_STAYS: Final = (
    "CREATE TRIGGER journal_stays BEFORE UPDATE ON journal"
    " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;"
)


def _merkle(connection: sqlite3.Connection) -> None:
    """Entries of the first version become leaves: their digest is now the leaf hash of the same content.

    Their chain of digests is checked on the way, because nobody can check it once the digests are others. Bodies are
    stored anew in the form that the digests always covered. Raises StoreFault, and then nothing was changed.
    """
    script(_SECOND)(connection)
    growth = Growth(connection)
    chain = FIRST_CHAIN
    rows = connection.execute(
        "SELECT seq, id, at, kind, subject, run, actor, body, previous, digest FROM journal ORDER BY seq"
    )
    changed = []
    for seq, name, at, kind, subject, run, actor, body, previous, digest in rows:
        entry = Entry(seq, name, at, kind, subject, run, actor, read_body(seq, body), "", None, previous)
        plain = canonical_json(entry.body)
        leaf = leaf_around(plain, entry)
        if seq != growth.size + 1 or previous != chain or digest_bytes(leaf) != digest:
            raise damage(
                f"journal entry {growth.size + 1} was changed after it was written", seq=growth.size + 1
            )
        chain = digest
        hashed = leaf_hash(leaf)
        growth.add(hashed)
        changed.append((plain, hashed.hex(), seq))
    connection.executemany("UPDATE journal SET body = ?, digest = ? WHERE seq = ?", changed)
    growth.save()
    connection.execute(_STAYS)


# What is asked by kind alone (the rate card in use, keys, budgets) is asked at every start and every seal.
_THIRD: Final = """
CREATE INDEX journal_kind ON journal (kind);
"""


def _registry(connection: sqlite3.Connection) -> None:
    """Versions, aliases and definitions, filled from the journal in its order.

    The rows are made by the code that follows the journal today. A later migration that changes these tables drops them
    and does this in the place of this one, for which then nothing is left to do.
    """
    connection.execute("DROP TABLE declared")
    script(REGISTRY_TABLES)(connection)
    views = SqliteViews(connection)
    marks = ", ".join("?" * len(REGISTRY_KINDS))
    sql = f"SELECT {COLUMNS} FROM journal WHERE kind IN ({marks}) ORDER BY seq"
    for row in connection.execute(sql, tuple(REGISTRY_KINDS)).fetchall():
        apply(views, entry_of(row), ())


_SWITCHES: Final = """
CREATE TABLE switch (
    scope TEXT PRIMARY KEY, because TEXT NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL, seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""
_EFFECTS: Final = """
CREATE TABLE effect (
    id TEXT PRIMARY KEY, decision TEXT NOT NULL, run TEXT NOT NULL, agent TEXT NOT NULL, tool TEXT NOT NULL,
    state TEXT NOT NULL, started INTEGER NOT NULL, recovery TEXT NOT NULL, process TEXT NOT NULL, key TEXT, hold TEXT,
    undoes TEXT, ended INTEGER, settled INTEGER, by TEXT, because TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX effect_open ON effect (started) WHERE state IN ('started', 'in doubt');
CREATE INDEX effect_run ON effect (run);
"""


def _effects(connection: sqlite3.Connection) -> None:
    """What became of every effect, filled from the journal in its order; see ``_registry`` for later changes."""
    script(_EFFECTS)(connection)
    views = SqliteViews(connection)
    marks = ", ".join("?" * len(EFFECT_KINDS))
    sql = f"SELECT {COLUMNS} FROM journal WHERE kind IN ({marks}) ORDER BY seq"
    for row in connection.execute(sql, tuple(EFFECT_KINDS)).fetchall():
        apply(views, entry_of(row), ())


# What one person did is asked by who acted. Most entries are Tallystick's own, and nobody asks for those.
_ACTOR: Final = """
CREATE INDEX journal_actor ON journal (actor) WHERE actor <> 'tallystick';
"""
# What an approval of old times has not: see ``control_views._more``.
_APPROVALS: Final = """
ALTER TABLE approval ADD COLUMN more BLOB NOT NULL DEFAULT x'7B7D';
CREATE TABLE vouched (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, approval TEXT NOT NULL, tool TEXT NOT NULL, name TEXT NOT NULL,
    until INTEGER NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL, run TEXT, agent TEXT, value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX vouched_until ON vouched (until);
"""
MIGRATIONS: Final = (
    script(_FIRST), _merkle, script(_THIRD), _registry, script(_SWITCHES), script(PEOPLE_TABLES + _ACTOR),
    script(_APPROVALS), _effects,
)  # fmt: skip


def view_tables(connection: sqlite3.Connection) -> None:
    """Make the views' tables, and nothing else, in an empty database."""
    script(REGISTRY_TABLES + PEOPLE_TABLES + _VIEWS + _NEW_VIEWS + _SWITCHES + _APPROVALS + _EFFECTS)(
        connection
    )
