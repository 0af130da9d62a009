"""``text.db``: what runs said, as an index from tokens to runs.

A document is what one pass read of one run, as the set of its tokens (``observe.texts``); its row id is the run's
number and that of the pass. Documents lie in *segments*, each an FTS5 table of its own without contents or places
(detail=none), so that what must be forgotten costs one segment made anew, from itself, and not the whole index. Texts
come folded, so that the ``ascii`` tokenizer is enough: it makes of them what ``observe.texts.split`` makes.

The file can be deleted: it is made anew from the traces.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tallystick.adapters.sqlite.database import Database, script
from tallystick.observe.text_terms import Wanted, meets_score
from tallystick.observe.texts import MARK, SEEN, tag
from tallystick.ports import RunTexts

APPLICATION: Final = 0x54414C58  # "TALX"
PASSES: Final = 1 << 20  # of one run, at most
_MOST_DOCUMENTS: Final = 4_096  # of a segment
_MOST_TEXT: Final = 256 * 1_048_576  # characters
_IN_MEMORY: Final = 32 * 1_048_576
_SCHEMA = """
-- What was read of each run: up to which revision and which row of its steps, how many rows that were, how many passes
-- it had, whether it was open, which of these rows had not ended (``pending``), and which texts were read (``seen``).
CREATE TABLE run (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL, revision INTEGER NOT NULL, steps INTEGER NOT NULL,
    last INTEGER NOT NULL, count INTEGER NOT NULL, passes INTEGER NOT NULL, open INTEGER NOT NULL, pending BLOB,
    seen BLOB
);
CREATE INDEX run_id ON run (id);
CREATE TABLE segment (no INTEGER PRIMARY KEY AUTOINCREMENT, documents INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE TABLE document (id INTEGER PRIMARY KEY, segment INTEGER NOT NULL);
-- Documents that a newer reading of their run replaced.
CREATE TABLE dead (id INTEGER PRIMARY KEY);
CREATE TABLE score (run INTEGER NOT NULL, name TEXT NOT NULL, value REAL, label TEXT);
CREATE INDEX score_name ON score (name);
CREATE INDEX score_run ON score (run);
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('upto', 0), ('forgotten', 0);
"""
_NUMBERS = """
-- The least and the most that a run has of an attribute (by the number of its tag) that is a number.
CREATE TABLE number (
    attribute INTEGER NOT NULL, run INTEGER NOT NULL, least NOT NULL, most NOT NULL, PRIMARY KEY (attribute, run)
) WITHOUT ROWID;
CREATE INDEX number_run ON number (run);
"""
_FTS = (
    "CREATE VIRTUAL TABLE text_{} USING fts5(tokens, content='', detail=none, columnsize=0, tokenize='ascii')"
)
_SAVE = (
    "INSERT INTO run (no, id, revision, steps, last, count, passes, open, pending, seen)"
    " VALUES (?,?,?,?,?,?,?,?,?,?)"
)
_COMPARED: Final = {
    op: f"SELECT json_group_array(run) FROM number WHERE attribute=? AND {column} {op} ?"
    for op, column in ((">", "most"), (">=", "most"), ("<", "least"), ("<=", "least"))
}
_numbers = msgspec.json.Decoder(list[int]).decode
_pack = msgspec.msgpack.Encoder().encode
_unpack_rows = msgspec.msgpack.Decoder(list[int]).decode


@dataclass(slots=True)
class State:
    """What is known of a run that was indexed. ``rows``: numbers of its steps' rows that had not ended; they were read
    only if the run was not ``open``."""

    revision: int = 0
    steps: int = 0
    last: int = 0
    count: int = 0
    passes: int = 0
    rows: tuple[int, ...] = ()
    open: bool = False
    seen: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class Reading:
    """What a pass reads of a run: filled while its steps are read. ``whole``: everything was read anew."""

    number: int
    run: str
    revision: int
    steps: int
    open: bool
    whole: bool
    forgotten: int
    state: State


class TextIndex:
    """The index in a file of its own. Threads and processes may share it; each process opens its own."""

    def __init__(self, path: Path, *, busy_seconds: float) -> None:
        self._database = Database(
            path, application=APPLICATION, migrations=(script(_SCHEMA), _second), synchronous="NORMAL",
            busy_seconds=busy_seconds,
        )  # fmt: skip

    @property
    def path(self) -> Path:
        """Its file."""
        return self._database.path

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        self._database.close()

    # ── what is indexed ─────────────────────────────────────────────────────────────────────────────────────────

    def upto(self) -> int:
        """The revision of the trace store up to which runs were read."""
        with self._database.reading() as connection:
            return _meta(connection, "upto")

    def reset(self) -> None:
        """Forget everything: the trace store is another one than the one that was read."""
        with self._database.writing() as connection:
            _empty(connection)

    def state(self, run: int) -> tuple[State, int]:
        """What is known of a run, and how often runs were forgotten."""
        with self._database.reading() as connection:
            return _state(connection, run), _meta(connection, "forgotten")

    def read_steps(self, runs: Sequence[int]) -> dict[int, int]:
        """How many steps each of these runs had when it was last indexed."""
        with self._database.reading() as connection:
            return dict(
                connection.execute(
                    "SELECT no, steps FROM run WHERE no IN (SELECT value FROM json_each(?))",
                    (str(list(runs)),),
                )
            )

    def newest(self) -> tuple[int, str] | None:
        """Number and id of the run that was indexed last; None where none was."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT no, id FROM run ORDER BY no DESC LIMIT 1").fetchone()
            return None if row is None else (row[0], row[1])

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def add(
        self,
        readings: Iterable[tuple[Reading, RunTexts]],
        *,
        upto: int,
    ) -> None:
        """Add what passes read, in one transaction; nothing where runs were forgotten meanwhile."""
        with self._database.writing() as connection:
            forgotten = _meta(connection, "forgotten")
            whole = True
            for reading, texts in readings:
                if reading.forgotten != forgotten:
                    whole = False
                    continue
                self._add(connection, reading, texts)
            if whole:
                connection.execute("UPDATE meta SET value = max(value, ?) WHERE key='upto'", (upto,))

    def _add(self, connection: sqlite3.Connection, reading: Reading, texts: RunTexts) -> None:
        held = _state(connection, reading.number)
        if held.revision >= reading.revision:
            return  # somebody else read as much meanwhile
        if reading.whole and held.passes:
            first = reading.number * PASSES
            connection.execute(
                "INSERT OR IGNORE INTO dead SELECT id FROM document WHERE id >= ? AND id < ?",
                (first, first + held.passes),
            )
            connection.execute("DELETE FROM score WHERE run=?", (reading.number,))
            connection.execute("DELETE FROM number WHERE run=?", (reading.number,))
        text = texts.text
        if text:
            document = reading.number * PASSES + held.passes
            segment = self._segment(connection)
            connection.execute(f"INSERT INTO text_{segment} (rowid, tokens) VALUES (?,?)", (document, text))
            connection.execute("INSERT INTO document VALUES (?,?)", (document, segment))
            connection.execute(
                "UPDATE segment SET documents = documents + 1, size = size + ? WHERE no=?",
                (len(text), segment),
            )
        connection.executemany(
            "INSERT INTO score VALUES (?,?,?,?)", [(reading.number, *score) for score in set(texts.scores)]
        )
        _keep_numbers(connection, reading.number, texts.numbers, held.passes > 0)
        state = reading.state
        # Not "INSERT OR REPLACE": SQLite would open a savepoint for it, at which FTS5 writes out what it holds.
        connection.execute("DELETE FROM run WHERE no=?", (reading.number,))
        connection.execute(_SAVE, (
            reading.number, reading.run, reading.revision, max(1, reading.steps), state.last, state.count,
            held.passes + bool(text), reading.open, _pack(state.rows) if state.rows else None,
            b"".join(texts.seen),
        ))  # fmt: skip

    def _segment(self, connection: sqlite3.Connection) -> int:
        """The segment that is being filled; one that is full is brought into order, and the next one is begun."""
        row = connection.execute(
            "SELECT no, documents, size FROM segment ORDER BY no DESC LIMIT 1"
        ).fetchone()
        if row is not None and row[1] < _MOST_DOCUMENTS and row[2] < _MOST_TEXT:
            return int(row[0])
        if row is not None:
            connection.execute(f"INSERT INTO text_{row[0]} (text_{row[0]}) VALUES ('optimize')")
        return _new_segment(connection)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def holding(self, asked: Wanted) -> set[int]:
        """Numbers of the runs that have all wanted tokens, whichever pass found them."""
        found: set[int] | None = None
        with self._database.reading() as connection:
            segments = [row[0] for row in connection.execute("SELECT no FROM segment ORDER BY no")]
            dead = {row[0] for row in connection.execute("SELECT id FROM dead")}
            for phrase in (
                *(f'"{token}"' for token in asked.tokens),
                *(f'"{one}" *' for one in asked.beginnings),
            ):
                runs: set[int] = set()
                for segment in segments:
                    runs.update(_runs_in(connection, segment, phrase, dead))
                found = runs if found is None else found & runs
                if not found:
                    return set()
        return found or set()

    def scored(self, asked: tuple[str, str, float | None, str]) -> set[int]:
        """Numbers of the runs with a score that meets a term (``observe.text_terms.score_term``)."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT run, name, value, label FROM score WHERE name=?", (asked[0],))
            return {row[0] for row in found if meets_score(asked, (row[1], row[2], row[3]))}

    def compared(self, asked: tuple[str, str, float]) -> Sequence[int]:
        """Numbers of the runs with an attribute that meets a term (``observe.text_terms.number_term``)."""
        name, op, limit = asked
        with self._database.reading() as connection:
            return _numbers(connection.execute(_COMPARED[op], (_place(name), limit)).fetchone()[0])

    # ── forgetting ──────────────────────────────────────────────────────────────────────────────────────────────

    def forget(self, runs: Collection[str], here: Collection[int]) -> bool:
        """Take runs out by id, and those that are not ``here`` (by number): no page has their tokens afterwards.

        Costs the segments that they lie in. False where somebody still reads from before, and the log could not be
        emptied.
        """
        with self._database.writing() as connection:
            # Looked up here, and not before: whoever indexes a run until now is seen, and who does later finds that
            # runs were forgotten.
            known = connection.execute("SELECT id, no FROM run").fetchall()
            for run in [number for name, number in known if name in runs or number not in here]:
                first = run * PASSES
                connection.execute(
                    "INSERT OR IGNORE INTO dead SELECT id FROM document WHERE id >= ? AND id < ?",
                    (first, first + PASSES),
                )
                connection.execute("DELETE FROM run WHERE no=?", (run,))
                connection.execute("DELETE FROM score WHERE run=?", (run,))
                connection.execute("DELETE FROM number WHERE run=?", (run,))
            connection.execute("UPDATE meta SET value = value + 1 WHERE key='forgotten'")
            _rebuild(connection)
        self._database.vacuum()
        return self._database.empty_log()


def _second(connection: sqlite3.Connection) -> None:
    """What runs said before there were numbers is read again, behind what comes in."""
    script(_NUMBERS)(connection)
    _empty(connection)


def _empty(connection: sqlite3.Connection) -> None:
    for (segment,) in connection.execute("SELECT no FROM segment").fetchall():
        connection.execute(f"DROP TABLE text_{segment}")
    for table in ("run", "segment", "document", "dead", "score", "number"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE meta SET value = value + 1 WHERE key='forgotten'")
    connection.execute("UPDATE meta SET value = 0 WHERE key='upto'")


def _place(attribute: str) -> int:
    return int(tag("a", attribute)[len(MARK) :], 16)


def _keep_numbers(
    connection: sqlite3.Connection, run: int, numbers: Mapping[str, tuple[float, float]], again: bool
) -> None:
    """Keep what a pass found; what earlier ones found is widened (by hand: see ``_add`` on what SQLite does)."""
    wide = {_place(name): both for name, both in numbers.items()}
    if again and wide:
        held = connection.execute("SELECT attribute, least, most FROM number WHERE run=?", (run,)).fetchall()
        for attribute, least, most in held:
            one, other = wide.get(attribute, (least, most))
            wide[attribute] = min(one, least), max(other, most)
        connection.execute("DELETE FROM number WHERE run=?", (run,))
    rows = [(attribute, run, *both) for attribute, both in wide.items()]
    connection.executemany("INSERT INTO number VALUES (?,?,?,?)", rows)


def _meta(connection: sqlite3.Connection, key: str) -> int:
    return int(connection.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()[0])


def _state(connection: sqlite3.Connection, run: int) -> State:
    row = connection.execute(
        "SELECT revision, steps, last, count, passes, pending, seen, open FROM run WHERE no=?", (run,)
    ).fetchone()
    if row is None:
        return State()
    seen = row[6] or b""
    return State(
        row[0], row[1], row[2], row[3], row[4], tuple(_unpack_rows(row[5])) if row[5] else (), bool(row[7]),
        frozenset(seen[at : at + SEEN] for at in range(0, len(seen), SEEN)),
    )  # fmt: skip


def _new_segment(connection: sqlite3.Connection) -> int:
    number = connection.execute(
        "INSERT INTO segment (documents, size) VALUES (0, 0) RETURNING no"
    ).fetchone()[0]
    connection.execute(_FTS.format(number))
    # What one transaction brings is sorted in memory, and so written once.
    connection.execute(f"INSERT INTO text_{number} (text_{number}, rank) VALUES ('hashsize', {_IN_MEMORY})")
    return int(number)


def _runs_in(connection: sqlite3.Connection, segment: int, phrase: str, dead: set[int]) -> Iterable[int]:
    """Runs of one segment that have a token; as one JSON text they are read in a third of the time."""
    if not dead:
        sql = f"SELECT json_group_array(rowid / {PASSES}) FROM text_{segment} WHERE text_{segment} MATCH ?"
        return _numbers(connection.execute(sql, (phrase,)).fetchone()[0])
    sql = f"SELECT json_group_array(rowid) FROM text_{segment} WHERE text_{segment} MATCH ?"
    found = _numbers(connection.execute(sql, (phrase,)).fetchone()[0])
    return [one // PASSES for one in found if one not in dead]


def _rebuild(connection: sqlite3.Connection) -> None:
    """Make the segments with dead documents anew from those that live in them."""
    stale = connection.execute(
        "SELECT DISTINCT d.segment FROM document d JOIN dead USING (id) ORDER BY 1"
    ).fetchall()
    dead = {row[0] for row in connection.execute("SELECT id FROM dead")}
    for (segment,) in stale:
        fresh = _new_segment(connection)
        documents = size = 0
        for document, words in _documents(connection, segment, dead):
            connection.execute(
                f"INSERT INTO text_{fresh} (rowid, tokens) VALUES (?,?)", (document, " ".join(words))
            )
            documents, size = documents + 1, size + sum(map(len, words))
        connection.execute("UPDATE segment SET documents=?, size=? WHERE no=?", (documents, size, fresh))
        connection.execute("DELETE FROM document WHERE segment=? AND id IN (SELECT id FROM dead)", (segment,))
        connection.execute("UPDATE document SET segment=? WHERE segment=?", (fresh, segment))
        connection.execute("DELETE FROM segment WHERE no=?", (segment,))
        connection.execute(f"DROP TABLE text_{segment}")
    connection.execute("DELETE FROM dead")


def _documents(
    connection: sqlite3.Connection, segment: int, dead: set[int]
) -> Iterator[tuple[int, list[str]]]:
    """The living documents of a segment with their tokens, read from its own index."""
    connection.execute(
        f"CREATE VIRTUAL TABLE temp.held USING fts5vocab('main', 'text_{segment}', 'instance')"
    )
    try:
        words: dict[int, list[str]] = {}
        for token, document in connection.execute("SELECT term, doc FROM temp.held"):
            if document not in dead:
                words.setdefault(document, []).append(token)
    finally:
        connection.execute("DROP TABLE temp.held")
    yield from sorted(words.items())
