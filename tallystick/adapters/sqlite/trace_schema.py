"""The tables of ``traces.db``, version by version. A migration is never changed once released; new ones are added."""

from __future__ import annotations

from tallystick.adapters.sqlite.database import Migration, script

APPLICATION = 0x54414C54  # "TALT"

_FIRST = """
-- Words that come again and again (names, models, scopes), so that a step row holds small numbers.
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

-- Resources and instrumentation scopes, shared by many spans.
CREATE TABLE source (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);

-- One row a run: columns that queries use, and ``state``, the tally they come from (observe/summary.py).
CREATE TABLE run (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    stamped INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    open INTEGER NOT NULL,
    due INTEGER NOT NULL,
    process TEXT,
    sort INTEGER NOT NULL,
    agent TEXT, workflow TEXT, goal TEXT, source TEXT NOT NULL,
    status TEXT NOT NULL, completeness TEXT NOT NULL, missing INTEGER,
    steps INTEGER NOT NULL, errors INTEGER NOT NULL,
    tokens INTEGER NOT NULL, token_gaps INTEGER NOT NULL,
    cost_nano INTEGER NOT NULL, cost_gaps INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    started INTEGER NOT NULL, ended INTEGER,
    state BLOB NOT NULL
);
CREATE INDEX run_sort ON run (sort, id);
CREATE INDEX run_open ON run (due) WHERE open;
CREATE UNIQUE INDEX run_revision ON run (revision);

-- Ids of runs that were merged into another one.
CREATE TABLE alias (id TEXT PRIMARY KEY, run INTEGER NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX alias_revision ON alias (revision);

-- Which run a trace or a link leads to.
CREATE TABLE trace (no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, run INTEGER NOT NULL);
CREATE INDEX trace_run ON trace (run);
CREATE TABLE link (key TEXT PRIMARY KEY, run INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX link_run ON link (run);

CREATE TABLE step (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL, trace INTEGER NOT NULL, span BLOB NOT NULL, parent BLOB,
    seq INTEGER, kind INTEGER NOT NULL, name INTEGER NOT NULL, status INTEGER NOT NULL,
    started INTEGER NOT NULL, duration INTEGER,
    scope INTEGER NOT NULL, dialect INTEGER NOT NULL, agent INTEGER, workflow INTEGER, error TEXT,
    provider INTEGER, model INTEGER, response_id TEXT,
    input_tokens INTEGER, output_tokens INTEGER, cache_read INTEGER, cache_write INTEGER, reasoning INTEGER,
    cost_nano INTEGER, cost_gap INTEGER, tool INTEGER, call_id TEXT,
    effect INTEGER, outcome INTEGER, decision INTEGER, same_as BLOB,
    flags INTEGER NOT NULL, dropped INTEGER NOT NULL, extra BLOB,
    source INTEGER NOT NULL, frame INTEGER NOT NULL, pos INTEGER NOT NULL, size INTEGER NOT NULL,
    UNIQUE (trace, span)
);
CREATE INDEX step_run ON step (run);
CREATE INDEX step_response ON step (run, response_id) WHERE response_id IS NOT NULL;

-- What each agent, tool, model and workflow did in each run (type: place in observe.summary.PART_TYPES).
CREATE TABLE part (
    type INTEGER NOT NULL, run INTEGER NOT NULL, name INTEGER NOT NULL,
    steps INTEGER NOT NULL, errors INTEGER NOT NULL, cost_nano INTEGER NOT NULL, cost_gaps INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (type, run, name)
) WITHOUT ROWID;

-- Span bodies and contents, compressed together; bounded, so that one payload is cheap to read.
CREATE TABLE frame (id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL);

-- Contents by the first 64 bits of their SHA-256; ``mark`` holds the next 64.
CREATE TABLE content (
    key INTEGER PRIMARY KEY, mark INTEGER NOT NULL,
    frame INTEGER NOT NULL, pos INTEGER NOT NULL, size INTEGER NOT NULL
);

CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('revision', 0);
"""

MIGRATIONS: tuple[Migration, ...] = (script(_FIRST),)
