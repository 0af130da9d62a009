"""Tables of control.db. The journal is append-only; every other table is a view of it."""

from __future__ import annotations

import sqlite3
from typing import Final

APPLICATION: Final = 0x54435401  # "TCT", 1
VIEWS: Final = ("declared", "approval", "budget", "hold", "stopped")

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


def _first(connection: sqlite3.Connection) -> None:
    statement = ""
    for line in _FIRST.splitlines():  # executescript would commit the migration's transaction
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


MIGRATIONS: Final = (_first,)
