"""Scrubbing takes out of the frames what no step names any more, and nothing else (adapters/sqlite/scrubbing.py)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import pair, records, span_id, trace_id

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.frames import FrameReader
from tallystick.adapters.sqlite.scrubbing import erasing, fill, queue, scrub
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.adapters.sqlite.tracking import frames_of
from tallystick.model.query import Query

EVERYTHING = Query(())
GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def numbers(store: SqliteTraces) -> list[int]:
    with store._database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT no FROM run ORDER BY no")]


def cut_steps(store: SqliteTraces, run: int) -> None:
    """Delete a run's steps and note its frames, as whoever erases or archives does."""
    with erasing(store._database) as connection:
        queue(connection, frames_of(connection, [run]))
        connection.execute("DELETE FROM step WHERE run=?", (run,))


def everything(store: SqliteTraces) -> dict:
    return {run.run: store.spans(run.run) for run in store.runs(EVERYTHING, now=1, limit=1000).runs}


def all_frames(file: Path) -> bytes:
    connection = sqlite3.connect(file)
    reader = FrameReader()
    found = [reader._frame(connection, row[0], 0) for row in connection.execute("SELECT id FROM frame")]
    connection.close()
    return b"".join(found)


_MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 1), st.lists(records(), min_size=1, max_size=6)),
        st.tuples(st.just("cut"), st.integers(0, 9)),
        st.tuples(st.just("scrub"), st.integers(0, 1)),
    ),
    max_size=10,
)


@settings(max_examples=40)
@given(_MOVES)
def test_what_steps_name_stays_as_it_was(moves):
    """Two writers that remember places, deletions and scrubs in any order: all that is left reads back equal."""
    with tempfile.TemporaryDirectory() as folder:
        stores = [SqliteTraces(Path(folder) / "x.db") for _ in range(2)]
        for move in moves:
            if move[0] == "write":
                stores[move[1]].write(move[2], at=1)
            elif move[0] == "cut":
                known = numbers(stores[0])
                if known:
                    cut_steps(stores[0], known[move[1] % len(known)])
            else:
                before = everything(stores[1 - move[1]])
                assert scrub(stores[move[1]]._database).left == ()
                assert everything(stores[move[1]]) == before == everything(stores[1 - move[1]])
        before = everything(stores[0])
        scrub(stores[0]._database)
        fresh = SqliteTraces(Path(folder) / "x.db")
        assert everything(fresh) == before
        _nothing_else_is_left(fresh)
        for store in [*stores, fresh]:
            store.close()


def _nothing_else_is_left(store: SqliteTraces) -> None:
    """A frame that a deleted step alone named is gone; what remains is named in ``frame_run``."""
    with store._database.reading() as connection:
        steps = connection.execute("SELECT run, body FROM step").fetchall()
        bodies = {(rows.place_of(body)[0], run) for run, body in steps}
        listed = set(connection.execute("SELECT frame, run FROM frame_run"))
        frames = {row[0] for row in connection.execute("SELECT id FROM frame")}
        assert connection.execute("SELECT count(*) FROM unscrubbed").fetchone() == (0,)
    assert bodies <= listed
    assert {frame for frame, _ in bodies} <= frames


def chat(secret: str, shared: str) -> dict:
    messages = [{"role": "user", "content": f"{secret} {number} " + "m" * 60} for number in range(40)]
    return {"messages": json.dumps(messages), "shared": shared, "secret": secret.encode() * 20}


def test_a_wiped_content_is_gone_from_the_file(tmp_path):
    noise = os.urandom(6_000)  # does not compress, so that the file would hold it as it is
    store = SqliteTraces(tmp_path / "x.db")
    keep = os.urandom(300).hex()
    store.write(
        [pair(0, 1, attributes={"raw": noise, "shared": keep}), pair(1, 2, attributes={"shared": keep})], at=1
    )
    store.write([pair(2, 3, attributes={"raw": noise[:3_000], "shared": keep})], at=1)
    store._database.empty_log()
    assert noise[1000:1400] in (tmp_path / "x.db").read_bytes()
    for run in (trace_id(0), trace_id(2)):
        with store._database.reading() as connection:
            number = connection.execute("SELECT no FROM run WHERE id=?", (run,)).fetchone()[0]
        cut_steps(store, number)
    done = scrub(store._database)
    assert (done.deleted, done.wiped, done.left, done.log_emptied) == (1, 1, (), True)
    assert noise[1000:1040] not in (tmp_path / "x.db").read_bytes()
    assert (tmp_path / "x.db-wal").stat().st_size == 0
    assert store.spans(trace_id(1))[span_id(2)].attributes == {"shared": keep}
    store.close()


def test_a_writer_forgets_the_places_that_another_scrubbed(tmp_path):
    mine, theirs = SqliteTraces(tmp_path / "x.db"), SqliteTraces(tmp_path / "x.db")
    attributes = chat("secret", "s" * 500)
    mine.write([pair(0, 1, attributes=attributes)], at=1)
    cut_steps(theirs, 1)
    scrub(theirs._database)
    mine.write(
        [pair(1, 2, attributes=attributes)], at=1
    )  # it would name the places in the frame that is gone
    assert theirs.spans(trace_id(1))[span_id(2)].attributes == attributes
    mine.close()
    theirs.close()


def test_what_two_runs_share_goes_with_the_last(tmp_path):
    store = SqliteTraces(tmp_path / "x.db")
    attributes = chat("secret", "s" * 500)
    for number in range(3):
        store.write([pair(number, number, attributes=attributes | {"own": f"own{number}" * 90})], at=1)
    for number in (1, 2):
        cut_steps(store, number)
        scrub(store._database)
        assert store.spans(trace_id(2))[span_id(2)].attributes["messages"] == attributes["messages"]
    text = all_frames(tmp_path / "x.db")
    assert b"own2own2" in text
    assert b"own1own1" not in text
    cut_steps(store, 3)
    scrub(store._database)
    assert all_frames(tmp_path / "x.db") == b""
    store.close()


def test_the_start_that_its_end_replaced_goes_too(tmp_path):
    store = SqliteTraces(tmp_path / "x.db")
    store.write([pair(0, 1, length=None, attributes={"said": "begun" * 80}), pair(1, 2)], at=1)
    store.write([pair(0, 1, run="other", attributes={"said": "ended" * 80}), pair(1, 4)], at=1)
    with store._database.writing() as connection:
        number = connection.execute("SELECT no FROM run WHERE id='other'").fetchone()[0]
    cut_steps(store, number)
    scrub(store._database)
    text = all_frames(tmp_path / "x.db")
    assert b"begunbegun" not in text
    assert b"endedended" not in text
    assert len(store.spans(trace_id(1))) == 2
    store.close()


def test_a_damaged_frame_keeps_the_frames_of_its_runs(tmp_path):
    """Nothing is wiped that an unreadable step may name; the note stays and the rest is done."""
    store = SqliteTraces(tmp_path / "x.db")
    shared = {"shared": "s" * 900}
    store.write([pair(0, 1, attributes=shared)], at=1)
    store.write([pair(1, 2, attributes=shared)], at=1)
    store.write([pair(2, 3, attributes={"own": "o" * 900})], at=1)
    with store._database.writing() as connection:
        connection.execute("UPDATE frame SET data=x'00' WHERE id=2")
    cut_steps(store, 1)
    cut_steps(store, 3)
    done = scrub(store._database)
    assert (done.deleted, done.left) == (1, (1,))
    with store._database.reading() as connection:
        assert connection.execute("SELECT frame FROM unscrubbed").fetchall() == [(1,)]
    store.close()


@pytest.mark.parametrize("name", ["store-1", "shop-2"])
def test_a_store_from_before_is_listed_first(tmp_path, name):
    if not (GOLDEN / name / "traces.db").exists():
        pytest.fail(f"{name} has no traces")
    shutil.copytree(GOLDEN / name, tmp_path / name)
    store = SqliteTraces(tmp_path / name / "traces.db")
    before = everything(store)
    said: list[str] = []
    first = numbers(store)[0]
    with store._database.reading() as connection:
        gone = connection.execute("SELECT id FROM run WHERE no=?", (first,)).fetchone()[0]
    fill(store._database, said.append)
    fill(store._database, said.append)
    assert len(said) == 1
    cut_steps(store, first)
    assert scrub(store._database).left == ()
    assert everything(store) == before | {gone: {}}
    _nothing_else_is_left(store)
    store.close()
