"""The tables of ``control.db``, version by version. A migration is never changed once released; new ones are added."""

from __future__ import annotations

from tallystick.adapters.sqlite.database import Migration, script

APPLICATION = 0x54414C43  # "TALC"

_FIRST = """
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    run TEXT, actor TEXT NOT NULL, body TEXT NOT NULL, previous TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE INDEX journal_run ON journal (run) WHERE run IS NOT NULL;
CREATE INDEX journal_subject ON journal (subject);
CREATE INDEX journal_kind ON journal (kind);
CREATE TRIGGER journal_never_changes BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_never_shrinks BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TABLE declared (
    key TEXT PRIMARY KEY, type TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, version TEXT, body TEXT NOT NULL,
    retired INTEGER NOT NULL
);
CREATE TABLE approvals (
    key TEXT PRIMARY KEY, state TEXT NOT NULL, decision TEXT NOT NULL, run TEXT NOT NULL, agent TEXT NOT NULL,
    tool TEXT NOT NULL, arguments TEXT NOT NULL, binding TEXT NOT NULL, grp TEXT NOT NULL, because TEXT,
    requested INTEGER NOT NULL, expires INTEGER NOT NULL, answered INTEGER, by TEXT, note TEXT, seq INTEGER NOT NULL
);
CREATE INDEX approvals_state ON approvals (state, seq);
CREATE INDEX approvals_run ON approvals (run, seq);
CREATE TABLE budgets (key TEXT PRIMARY KEY, scope TEXT NOT NULL, limit_nano INTEGER NOT NULL, mode TEXT NOT NULL);
CREATE INDEX budgets_scope ON budgets (scope);
CREATE TABLE accounts (
    key TEXT PRIMARY KEY, budget TEXT NOT NULL, scope TEXT NOT NULL, spent_nano INTEGER NOT NULL, held_nano INTEGER NOT NULL
);
CREATE TABLE holds (
    key TEXT PRIMARY KEY, run TEXT, purpose TEXT, amount_nano INTEGER NOT NULL, lines TEXT NOT NULL, expires INTEGER,
    state TEXT NOT NULL, spent_nano INTEGER, basis TEXT
);
CREATE TABLE stopped (key TEXT PRIMARY KEY, seq INTEGER NOT NULL);
"""

MIGRATIONS: tuple[Migration, ...] = (script(_FIRST),)
