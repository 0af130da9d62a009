"""The tables of ``traces.db``, version by version. A migration is never changed once released; new ones are added."""

from __future__ import annotations

import sqlite3

from tallystick.adapters.sqlite import awaited
from tallystick.adapters.sqlite.database import Migration, script
from tallystick.adapters.sqlite.spending import MARK_LOOSE
from tallystick.adapters.sqlite.upgrading import count_anew

APPLICATION = 0x54414C54  # "TALT"

_FIRST = """
-- Names of agents, tools, models and workflows, so that a part holds small numbers.
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

-- What steps have in common (kind, name, agent, model, …), so that a step row is small. See rows.py.
CREATE TABLE shape (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);

-- One row a step: what is looked up, and ``body``, everything else (a column costs more than the value in it).
-- flags: 1 it has ended, 2 it is a model call. response: 64 bits of the response id's SHA-256.
CREATE TABLE step (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL, trace INTEGER NOT NULL, span BLOB NOT NULL,
    flags INTEGER NOT NULL, response INTEGER, same_as BLOB, shape INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (trace, span)
);
CREATE INDEX step_run ON step (run);
CREATE INDEX step_response ON step (run, response) WHERE response IS NOT NULL;

-- What each agent, tool, model and workflow did in each run (type: place in observe.summary.PART_TYPES).
CREATE TABLE part (
    type INTEGER NOT NULL, run INTEGER NOT NULL, name INTEGER NOT NULL,
    steps INTEGER NOT NULL, errors INTEGER NOT NULL, cost_nano INTEGER NOT NULL, cost_gaps INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, token_gaps INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (type, run, name)
) WITHOUT ROWID;

-- Span bodies and contents, compressed together; bounded, so that one payload is cheap to read. ``contents`` lists the
-- contents in it (digest, place, size), so that a writer can find those it has met before.
CREATE TABLE frame (id INTEGER PRIMARY KEY AUTOINCREMENT, contents BLOB NOT NULL, data BLOB NOT NULL);

CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('revision', 0);
"""

_SECOND = """
-- One row a run id under which records arrived: how many there are, and how many of those the journal holds.
CREATE TABLE log (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, records INTEGER NOT NULL, attested INTEGER NOT NULL
);
CREATE INDEX log_unattested ON log (no) WHERE attested < records;

-- Records ``first`` and following of a log, as one write brought them: 32 bytes of leaf hash and 16 of salt for each.
-- Which of them is a step's own stands in the step's body (log and number).
CREATE TABLE record (log INTEGER NOT NULL, first INTEGER NOT NULL, hashes BLOB NOT NULL, salts BLOB NOT NULL);
CREATE UNIQUE INDEX record_first ON record (log, first);

-- Records of starts, the record of the fuller span that took the place of each, and the step whose they were.
CREATE TABLE replaced (
    log INTEGER NOT NULL, n INTEGER NOT NULL, by_log INTEGER NOT NULL, by_n INTEGER NOT NULL, step INTEGER NOT NULL,
    PRIMARY KEY (log, n)
) WITHOUT ROWID;

-- The revision at which a run was sealed in the journal. Runs that are here already are sealed when evidence is wanted.
ALTER TABLE run ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
UPDATE run SET sealed = revision;
CREATE INDEX run_unsealed ON run (no) WHERE NOT open AND sealed < revision;
CREATE INDEX alias_run ON alias (run);
INSERT INTO log (id, records, attested) SELECT id, 0, 0 FROM run UNION SELECT id, 0, 0 FROM alias;
INSERT INTO meta SELECT 'uncovered', ifnull(max(id), 0) FROM step;
"""

_THIRD = """
-- What each agent was seen using, summed up over runs (type: place in model.registry.USES). ``run`` and ``step`` show
-- the newest. A step is eight bytes of span id.
CREATE TABLE use_sum (
    id INTEGER PRIMARY KEY,
    agent TEXT NOT NULL, type INTEGER NOT NULL, name TEXT NOT NULL, detail TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, runs INTEGER NOT NULL, steps INTEGER NOT NULL,
    errors INTEGER NOT NULL, run INTEGER NOT NULL, step BLOB NOT NULL,
    UNIQUE (agent, type, name, detail)
);
CREATE INDEX use_sum_name ON use_sum (type, name);

-- The same for each run: what the sums come from. ``use`` is the id of the sum.
CREATE TABLE use_run (
    run INTEGER NOT NULL, use INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, steps INTEGER NOT NULL, errors INTEGER NOT NULL, step BLOB NOT NULL,
    PRIMARY KEY (run, use)
) WITHOUT ROWID;
CREATE INDEX use_run_last ON use_run (use, last);

-- The revision at which a run's uses were listed, and how many steps it had then.
ALTER TABLE run ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN listed_steps INTEGER NOT NULL DEFAULT 0;
INSERT INTO meta VALUES ('uses', 0);
CREATE INDEX run_unlisted ON run (revision) WHERE listed < revision AND (NOT open OR steps >= 2 * listed_steps);
"""

_FOURTH_COLUMNS = """
-- Which version of its agent a run had, and where it ran. Versions, subjects and conversations are parts as well.
ALTER TABLE run ADD COLUMN version TEXT;
ALTER TABLE run ADD COLUMN environment TEXT;
ALTER TABLE run ADD COLUMN denials INTEGER NOT NULL DEFAULT 0;
CREATE INDEX run_agent ON run (agent, sort);

-- 0, or the number of the segment of the archive that has the run's steps; whether its contents were erased.
ALTER TABLE run ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;

-- Of which types of parts a run has steps that no part claims (spending.py).
ALTER TABLE run ADD COLUMN loose INTEGER NOT NULL DEFAULT 0;

-- Runs by version, subject or conversation.
CREATE INDEX part_name ON part (type, name, run) WHERE type >= 4;
"""

_FOURTH_ARCHIVE = """
-- Which runs have bodies or contents in a frame; a run that has none there any more may still be named until the frame
-- is scrubbed. Steps numbered up to meta ``untracked`` were written before there was this table (see scrubbing.py).
CREATE TABLE frame_run (frame INTEGER NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (frame, run)) WITHOUT ROWID;
CREATE INDEX frame_run_run ON frame_run (run);
INSERT INTO meta SELECT 'untracked', ifnull(max(id), 0) FROM step;

-- Frames that hold what no step may name any more; ``scrubs`` counts the scrubs, so that writers forget places.
CREATE TABLE unscrubbed (frame INTEGER PRIMARY KEY);
INSERT INTO meta VALUES ('scrubs', 0);

-- Segments of the archive. state: 0 being written by process ``owner`` since ``at``, 1 whole, 2 no run needs it any
-- more since ``at``. purge: it holds what was deleted or erased, so its other runs move on and it goes.
CREATE TABLE segment (
    no INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, state INTEGER NOT NULL, owner TEXT NOT NULL,
    at INTEGER NOT NULL, purge INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
);

-- The runs whose steps are in a segment (run.archived): the rows ``first`` and following, ``steps`` of them.
CREATE TABLE archived_run (
    run INTEGER PRIMARY KEY, segment INTEGER NOT NULL, first INTEGER NOT NULL, steps INTEGER NOT NULL
);
CREATE INDEX archived_run_segment ON archived_run (segment);

-- Traces of archived steps whose trace does not lead to their run.
CREATE TABLE archived_trace (trace INTEGER NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (trace, run)) WITHOUT ROWID;

-- Segments whose files still have steps of a run that was brought back out of them: they go when the run's contents go.
CREATE TABLE left_behind (segment INTEGER NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (segment, run)) WITHOUT ROWID;
CREATE INDEX left_behind_run ON left_behind (run);

-- Logs of runs that were deleted: their first ``records`` have their hashes still, and no salts.
CREATE TABLE deleted_log (log INTEGER PRIMARY KEY, records INTEGER NOT NULL, at INTEGER NOT NULL);

-- The highest number a step had that is not here any more, so that none is given twice; how many steps were deleted.
INSERT INTO meta VALUES ('last_step', 0), ('steps_deleted', 0);
"""

_FOURTH_ERASURE = """
-- What records committed to whose salts were erased: with it their leaves can still be made.
CREATE TABLE erased_record (
    log INTEGER NOT NULL, n INTEGER NOT NULL, commitment BLOB NOT NULL, PRIMARY KEY (log, n)
) WITHOUT ROWID;

-- Large binaries that left their spans, and which runs name them. Bytes that no run names any more go (blobs.py).
CREATE TABLE blob (
    sha256 BLOB PRIMARY KEY, bytes INTEGER NOT NULL, media_type TEXT NOT NULL, kept INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE blob_run (blob BLOB NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (blob, run)) WITHOUT ROWID;
CREATE INDEX blob_run_run ON blob_run (run);
"""

_FOURTH = _FOURTH_COLUMNS + _FOURTH_ARCHIVE + _FOURTH_ERASURE


def _fourth(connection: sqlite3.Connection) -> None:
    script(_FOURTH)(connection)
    count_anew(connection)
    connection.execute(MARK_LOOSE)


_SIXTH = """
-- What traces say of each other (model/tie.py). ``key``: 64 bits of a digest of process and what they have in common.
CREATE TABLE tie (
    key INTEGER NOT NULL, role INTEGER NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL, trace INTEGER NOT NULL,
    PRIMARY KEY (key, role, at, trace, until)
) WITHOUT ROWID;
CREATE INDEX tie_trace ON tie (trace);

-- Which trace belongs to which, by what they say; the runs of both are one.
CREATE TABLE tied (trace INTEGER PRIMARY KEY, host INTEGER NOT NULL);
CREATE INDEX tied_host ON tied (host);
"""

MIGRATIONS: tuple[Migration, ...] = (
    script(_FIRST),
    script(_SECOND),
    script(_THIRD),
    _fourth,
    script(awaited.SCHEMA),
    script(_SIXTH),
)
