"""The file of the text index: gone, foreign, damaged, shared by processes, and without a trace of what was erased."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from store_samples import SECOND, START, said

from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.recording.texts import TextIndexer
from tallystick.model.errors import StoreFault
from tallystick.model.query import parse_query

RUNS = 40
NOW = START + 1000 * SECOND


class At:
    def now(self) -> int:
        return NOW


def filled(folder: Path) -> SqliteTraces:
    store = SqliteTraces(folder / "traces.db")
    store.write([said(number, f"common secretword{number} text") for number in range(RUNS)], at=NOW)
    TextIndexer(store, At()).index_due()
    return store


def total(store: SqliteTraces, text: str) -> int:
    return store.runs(parse_query(text), now=NOW).total


def held(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.glob("text.db*")))


def test_nothing_of_what_was_forgotten_is_in_the_file(tmp_path: Path) -> None:
    store = filled(tmp_path)
    runs = {int(run.run, 16) - 1: run.run for run in store.runs(parse_query(""), now=NOW).runs}
    assert b"secretword" in held(tmp_path)  # else this test would prove nothing
    store.forget_texts([runs[number] for number in range(RUNS) if number != 7])
    left = held(tmp_path)
    assert total(store, "secretword7") == total(store, "common") == 1
    for number in range(RUNS):
        assert (f"cretword{number}".encode() in left) is (number == 7), number
    store.forget_texts([runs[7]])
    assert b"cretword" not in held(tmp_path)
    store.close()


def test_a_file_that_is_gone_is_made_anew(tmp_path: Path) -> None:
    filled(tmp_path).close()
    for file in tmp_path.glob("text.db*"):
        file.unlink()
    store = SqliteTraces(tmp_path / "traces.db")
    assert store.indexed().behind == RUNS
    assert TextIndexer(store, At()).index_due().runs == RUNS
    assert total(store, "common") == RUNS
    store.close()


def test_the_index_of_another_store_is_made_anew(tmp_path: Path) -> None:
    filled(tmp_path).close()
    for file in tmp_path.glob("traces.db*"):
        file.unlink()
    store = SqliteTraces(tmp_path / "traces.db")
    store.write([said(90, "something else")], at=NOW)
    assert total(store, "common") == 0
    TextIndexer(store, At()).index_due()
    assert (total(store, "common"), total(store, "something")) == (0, 1)
    store.close()


def test_a_damaged_file_is_a_fault_and_holds_up_nothing_else(tmp_path: Path) -> None:
    filled(tmp_path).close()
    for file in tmp_path.glob("text.db*"):
        file.unlink()
    (tmp_path / "text.db").write_bytes(b"no database" * 100)
    store = SqliteTraces(tmp_path / "traces.db")
    with pytest.raises(StoreFault) as fault:
        total(store, "common")
    assert "text.db" in fault.value.message
    assert store.runs(parse_query("status:unknown"), now=NOW).total == 0
    assert store.write([said(91, "more")], at=NOW).steps == 1
    store.close()


def _index(path: Path) -> None:
    store = SqliteTraces(path)
    TextIndexer(store, At()).index_due()
    store.close()


def test_processes_index_one_store_together(tmp_path: Path) -> None:
    store = SqliteTraces(tmp_path / "traces.db")
    store.write([said(number, f"common word{number}") for number in range(300)], at=NOW)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_index, args=(tmp_path / "traces.db",)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert store.indexed().behind == 0
    assert total(store, "common") == 300
    assert total(store, "word123") == 1
    store.close()


def test_a_chat_is_indexed_once_and_not_with_every_call(tmp_path: Path) -> None:
    store = SqliteTraces(tmp_path / "traces.db")
    history = []
    texts: list[int] = []
    real = store.index_texts
    store.index_texts = lambda some, *, upto: (
        texts.extend(len(one.text) for one in some),
        real(some, upto=upto),
    )[1]
    for turn in range(60):
        words = " ".join(f"w{turn}x{n}" for n in range(80))
        history.append({"role": "user", "parts": [{"type": "text", "content": words}]})
        store.write(
            [said(turn, "", trace=0, attributes={"gen_ai.input.messages": json.dumps(history)})], at=NOW
        )
        TextIndexer(store, At()).index_due()
    whole = sum(len(one["parts"][0]["content"]) for one in history)
    assert sum(texts) < 1.5 * whole, (sum(texts), whole)
    assert total(store, "w3x7 w59x79") == 1
    store.close()
