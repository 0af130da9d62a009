"""The archive: nothing is answered differently for runs in it, and nothing is lost on the way (archiving.py)."""

from __future__ import annotations

import json
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from conftest import ArchivingTraces
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import pair, records, span_id, trace_id

from tallystick.adapters.parquet import ParquetArchive, files_of
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.errors import StoreFault
from tallystick.model.query import EVERYTHING

NEVER = 2**62


def answers(store: SqliteTraces) -> dict:
    """All that can be asked of the runs, but where they are."""
    found = {}
    for run in store.runs(EVERYTHING, now=1, limit=1000).runs:
        name = run.run
        spans = store.spans(name)
        found[name] = (
            store.steps(name), spans, store.spans(name, list(spans)[:2]), store.account(name).charges,
            store.account(name).records, list(store.kept(name)), store.records(name),
        )  # fmt: skip
    return found


def no_salt(size: int) -> bytes:
    return bytes(size)


@settings(max_examples=10)
@given(st.lists(st.lists(records(), min_size=1, max_size=6), max_size=6))
def test_an_archived_run_answers_as_before(batches):
    """Whatever comes in whatever order: a store that archives after each write is the same as one that never does."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "b").mkdir()
        plain = SqliteTraces(Path(folder) / "a.db", random_bytes=no_salt)
        store = ArchivingTraces(Path(folder) / "b", random_bytes=no_salt)
        for batch in batches:
            assert store.write(batch, at=1) == plain.write(batch, at=1)
        assert answers(store) == answers(plain)
        assert list(store.flaws()) == list(plain.flaws()) == []
        plain.close()
        store.close()


def stored(folder: Path, **more) -> SqliteTraces:
    return SqliteTraces(folder / "traces.db", archive=ParquetArchive(folder / "archive"), **more)


def two_days(store: SqliteTraces, first: int = 0) -> None:
    chat = {"messages": "[" + ", ".join(f'{{"said": "{number} {"w" * 60}"}}' for number in range(40)) + "]"}
    for number in range(4):
        store.write(
            [pair(first + number, 10 * number + n, started=number // 2 * 86_400 * 10**9 + n, attributes=chat | {"n": n})
             for n in range(3)], at=1,
        )  # fmt: skip


def test_runs_go_by_days_and_contents_once(tmp_path):
    store = stored(tmp_path)
    two_days(store)
    before = answers(store)
    assert store.archive(before=86_400 * 10**9, now=NEVER, dry_run=True).runs == 2
    done = store.archive(before=86_400 * 10**9, now=NEVER)
    assert (done.runs, done.steps, done.segments) == (2, 6, 1)
    done = store.archive(before=NEVER, now=NEVER)
    assert (done.runs, done.steps, done.segments) == (2, 6, 1)
    assert sorted(folder.name for folder in (tmp_path / "archive").iterdir()) == ["1970-01-01", "1970-01-02"]
    assert answers(store) == before
    assert store.info()["archived_runs"] == 4
    assert store.info()["frames"] == 0
    assert list(store.flaws()) == []
    store.close()


def test_the_disk_gets_its_room_back(tmp_path):
    """A file keeps the room of what left it: after archiving most of a store, nobody would find the disk emptier."""
    store = stored(tmp_path)
    for number in range(60):
        noise = "".join(sha256(f"{number} {n}".encode()).hexdigest() for n in range(800))
        store.write([pair(number, number, started=number, attributes={"text": noise})], at=1)
    before = answers(store)
    store.close()  # the log goes into the file
    full = (tmp_path / "traces.db").stat().st_size
    store = stored(tmp_path)
    assert store.archive(before=NEVER, now=NEVER).runs == 60
    assert (tmp_path / "traces.db").stat().st_size < full / 2
    assert answers(store) == before
    store.close()


def test_a_late_span_brings_its_run_back(tmp_path):
    store = stored(tmp_path)
    two_days(store)
    store.archive(before=NEVER, now=NEVER)
    assert store.write([pair(0, 1, attributes={"other": 1})], at=2).repeats == 1
    written = store.write([pair(0, 5, started=7)], at=2)
    assert (written.steps, written.repeats) == (1, 0)
    assert len(store.steps(trace_id(0))) == 4
    assert not store.run(trace_id(0), now=1).archived
    assert store.run(trace_id(1), now=1).archived
    assert list(store.flaws()) == []
    store.archive(before=NEVER, now=NEVER)
    assert len(store.spans(trace_id(0))) == 4
    assert list(store.flaws()) == []
    store.close()


@pytest.mark.parametrize("file", ["steps.parquet", "spans.parquet", "contents.parquet"])
@pytest.mark.parametrize("harm", ["missing", "cut", "zeros"])
def test_a_damaged_file_is_named_and_other_runs_are_read(tmp_path, file, harm):
    store = stored(tmp_path)
    two_days(store)
    store.archive(before=86_400 * 10**9, now=NEVER)
    store.archive(before=NEVER, now=NEVER)
    path = next((tmp_path / "archive" / "1970-01-01").glob(f"*/{file}"))
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100] if harm == "cut" else bytes(path.stat().st_size))
    if file == "steps.parquet":  # it is there for others; the store reads the other two
        assert len(store.spans(trace_id(0))) == 3
    else:
        with pytest.raises(StoreFault, match=file):
            store.spans(trace_id(0))
    assert len(store.spans(trace_id(2))) == 3
    if file != "contents.parquet":
        assert any(file in flaw.text for flaw in store.flaws())
    assert store.runs(EVERYTHING, now=1).total == 4
    store.close()


@pytest.mark.parametrize("letters", ["it's", "a[b]*?", "with space"])
def test_any_folder_will_do(tmp_path, letters):
    store = stored(tmp_path / letters)
    two_days(store)
    before = answers(store)
    store.archive(before=NEVER, now=NEVER)
    assert answers(store) == before
    store.close()


@pytest.mark.parametrize("text", ["\0", "a\0b", "‮\x1b[2J", "\U0001f600", "'; DROP TABLE made; --"])
def test_hostile_texts_come_back(tmp_path, text):
    store = stored(tmp_path)
    store.write(
        [pair(0, 1, name=text, agent=text, error=text, response_id=text, attributes={"x": text * 300})], at=1
    )
    before = answers(store)
    store.archive(before=NEVER, now=NEVER)
    assert store.info()["archived_runs"] == 1
    assert answers(store) == before
    assert list(store.flaws()) == []
    store.close()


def test_what_somebody_else_archives_is_left_to_them(tmp_path):
    store, other = stored(tmp_path, alive=lambda _: True), stored(tmp_path, alive=lambda _: True)
    two_days(store)
    assert store._archiver(pytest.fail)._begin("1970-01-01", NEVER) is not None
    said: list[str] = []
    assert other.archive(before=NEVER, now=NEVER, say=said.append).busy
    assert said
    store.close()
    other.close()


def test_a_run_that_changes_meanwhile_stays(tmp_path):
    store, other = stored(tmp_path), stored(tmp_path)
    two_days(store)
    archiver = store._archiver(pytest.fail)
    mark = archiver._mark

    def late(segment, size):
        other.write([pair(0, 5, started=7)], at=2)
        return mark(segment, size)

    archiver._mark = late
    done = archiver.archive(before=86_400 * 10**9, now=NEVER)
    assert done.runs == 1
    assert len(store.steps(trace_id(0))) == 4
    assert span_id(5) in store.spans(trace_id(0))
    assert list(store.flaws()) == []
    store.close()
    other.close()


@pytest.mark.parametrize("form", ["archive-1", "archive-2"])
def test_files_of_earlier_archives_open(tmp_path, form):
    """A sealed store as each form of the archive was written; it must open for ever. Both hold the same runs."""
    golden = Path(__file__).resolve().parent.parent / "golden"
    shutil.copytree(golden / form, tmp_path / "a")
    expected = json.loads((golden / "archive-1.json").read_text())
    store = stored(tmp_path / "a")
    assert {run.run for run in store.runs(EVERYTHING, now=1).runs} == expected["runs"].keys()
    assert store.info()["archived_steps"] == sum(expected["runs"].values())
    for run, count in expected["runs"].items():
        spans = store.spans(run)
        assert len(spans) == count
        for span in spans.values():
            assert sha256(span.attributes["messages"].encode()).hexdigest() == expected["messages"]
            assert span.attributes["raw"] == b"\x00\xff" * 200
    assert list(store.flaws()) == []
    store.bring_back(list(expected["runs"]))
    assert list(store.flaws()) == []
    store.close()


def test_both_forms_lie_side_by_side_and_old_ones_move_on(tmp_path):
    shutil.copytree(Path(__file__).resolve().parent.parent / "golden" / "archive-1", tmp_path / "a")
    store = stored(tmp_path / "a")
    two_days(store, 50)
    store.archive(before=NEVER, now=NEVER)
    before = answers(store)
    assert len(before) == 7
    (old,) = [path.parent.name for path in (tmp_path / "a" / "archive").glob("2023*/*/steps.parquet")]
    with store._writing() as connection:
        connection.execute("UPDATE segment SET purge=1 WHERE no=?", (int(old),))
    store.tidy(now=NEVER)
    store.archive(before=NEVER, now=NEVER)
    assert answers(store) == before
    assert list(store.flaws()) == []
    segments = [path.parent for path in (tmp_path / "a" / "archive").glob("*/*/steps.parquet")]
    assert all(
        files_of(folder) == ("steps.parquet", "spans.parquet", "contents.parquet") for folder in segments
    )
    store.close()


def test_what_is_archived_now_is_read_without_duckdb(tmp_path, monkeypatch):
    shutil.copytree(Path(__file__).resolve().parent.parent / "golden" / "archive-1", tmp_path / "a")
    store = stored(tmp_path / "a")
    two_days(store, 50)
    store.archive(before=NEVER, now=NEVER)
    steps = store.steps(trace_id(51))
    store.close()
    monkeypatch.setattr("tallystick.adapters.parquet.engine.find_spec", lambda _: None)
    store = stored(tmp_path / "a")
    assert store.steps(trace_id(51)) == steps
    assert len(store.spans(trace_id(51))) == 3
    assert store.info()["unreadable_runs"] == 3  # those of the first form
    store.close()


def test_the_steps_of_a_long_run_come_in_slices(tmp_path):
    store = stored(tmp_path)
    store.write([pair(1, 0)], at=1)
    store.write(
        [pair(0, number, attributes={"text": f"word{number}x " * 200}) for number in range(3_000)], at=1
    )
    before = answers(store)
    some = [span_id(number) for number in (0, 700, 2_999, 5_000)]
    assert store.archive(before=NEVER, now=NEVER).segments == 1
    assert answers(store) == before
    assert list(store.spans(trace_id(0), some)) == some[:3]
    assert [place for place, *_ in store.holding(trace_id(0), "WORD2777x", after=100)] == [2777]
    assert [place for place, *_ in store.holding(trace_id(0), "!!", after=2_990)] == list(range(2_990, 3_000))
    assert list(store.holding(trace_id(0), "word2777x", after=4_000)) == []
    store.close()


def test_what_another_process_removed_leaves_memory_with_the_next_tidying(tmp_path):
    store, other = stored(tmp_path), stored(tmp_path)
    two_days(store)
    store.archive(before=NEVER, now=NEVER)
    assert len(store.spans(trace_id(0))) == 3
    files = store._shelf.archive._files
    assert files._held > 0
    other.bring_back([trace_id(number) for number in range(4)])
    other.tidy(now=NEVER - 1)
    other.tidy(now=NEVER)
    shutil.rmtree(tmp_path / "archive", ignore_errors=True)
    store.tidy(now=NEVER)
    assert (files._held, len(files._files)) == (0, 0)
    assert len(store.spans(trace_id(0))) == 3
    store.close()
    other.close()
