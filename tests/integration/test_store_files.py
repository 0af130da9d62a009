"""Store files: new, old, too new, damaged, full, and small."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import store_work

from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.sqlite.database import Database, script
from tallystick.adapters.sqlite.frames import Recent
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.errors import BadInput, StoreFault, StoreFull, StoreTooNew
from tallystick.model.journal import Draft
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Source, Span
from tallystick.model.step import Kind, Step, StepStatus

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def traces(path: Path) -> SqliteTraces:
    return SqliteTraces(path)


def control(path: Path) -> SqliteControl:
    return SqliteControl(path, clock=SystemClock(), ids=TimeIds())


OPEN = pytest.mark.parametrize("opened", [traces, control])


@OPEN
def test_a_store_from_a_newer_version_is_refused_and_untouched(tmp_path, opened):
    path = tmp_path / "x.db"
    opened(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA user_version=99")
    connection.close()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(StoreTooNew) as caught:
        opened(path)
    assert caught.value.detail["schema"] == 99
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@OPEN
def test_the_version_can_be_read_from_the_file_alone(tmp_path, opened):
    store = opened(tmp_path / "x.db")
    header = (tmp_path / "x.db").read_bytes()[:100]  # while the store is open, without its WAL
    assert int.from_bytes(header[60:64], "big") >= 1
    store.close()


@OPEN
@pytest.mark.parametrize("content", [b"hello", b"SQLite format 3\0" + b"\xff" * 200, os.urandom(5000)])
def test_a_file_that_is_no_store_is_refused_and_untouched(tmp_path, opened, content):
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises(StoreFault) as caught:
        opened(path)
    assert caught.value.hint
    assert path.read_bytes() == content


def test_one_kind_of_store_is_not_taken_for_the_other(tmp_path):
    traces(tmp_path / "x.db").close()
    with pytest.raises(StoreFault):
        control(tmp_path / "x.db")


def test_a_foreign_database_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE mine (a)")
        connection.execute("PRAGMA user_version=3")
    connection.close()
    with pytest.raises(StoreFault):
        traces(tmp_path / "x.db")


def test_a_damaged_store_says_so(tmp_path):
    store = traces(tmp_path / "x.db")
    for number in range(20):
        store.write(store_work.batch(0, number), at=1)
    store.close()
    raw = bytearray((tmp_path / "x.db").read_bytes())
    raw[4096 : len(raw)] = os.urandom(len(raw) - 4096)
    (tmp_path / "x.db").write_bytes(raw)
    with pytest.raises(StoreFault) as caught:
        _read_all(tmp_path / "x.db")
    assert caught.value.hint


def _read_all(path: Path) -> None:
    store = traces(path)
    try:
        for run in store.runs(EVERYTHING, now=1).runs:
            store.spans(run.run)
    finally:
        store.close()


@OPEN
def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path, opened):
    path = tmp_path / "x.db"
    store = opened(path)
    fill = _fill_traces if opened is traces else _fill_control
    fill(store, 0)
    pages = sqlite3.connect(path).execute("PRAGMA page_count").fetchone()[0]
    with store._database.writing() as connection:  # the only way to a small disk without being root
        connection.execute(f"PRAGMA max_page_count={pages + 40}")
    written, refused = 1, None
    while refused is None:
        try:
            fill(store, written)
            written += 1
        except StoreFull as error:
            refused = error
    assert refused.http_status == 503
    assert refused.hint
    with store._database.writing() as connection:
        connection.execute("PRAGMA max_page_count=1000000")
    fill(store, written)  # what was refused can be sent again
    written += 1
    if opened is traces:
        assert store.runs(EVERYTHING, now=1).total == written
        assert all(len(store.spans(run.run)) == 20 for run in store.runs(EVERYTHING, now=1, limit=999).runs)
    else:
        assert store.verify() == store.head()[0] == written
    store.close()


def _fill_traces(store: SqliteTraces, number: int) -> None:
    store.write(store_work.batch(number % 9, number, payload=3000 + number), at=1)


def _fill_control(store: SqliteControl, number: int) -> None:
    store.append([Draft("effect.ended", str(number), {"result": f"{number}" + os.urandom(2000).hex()})])


def test_a_file_size_limit_counts_as_full(tmp_path):
    program = (
        "import resource, store_work, sys\n"
        "from pathlib import Path\n"
        "from tallystick.adapters.sqlite.traces import SqliteTraces\n"
        "from tallystick.model.errors import StoreFull\n"
        "store = SqliteTraces(Path(sys.argv[1]) / 'x.db')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    for number in range(2000):\n"
        "        store.write(store_work.batch(0, number), at=1)\n"
        "        print(number, flush=True)\n"
        "except StoreFull:\n"
        "    print('full')\n"
    )
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(GOLDEN.parent.parent), str(Path(__file__).parent)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, env=env, timeout=60
    )
    lines = done.stdout.split()
    assert lines[-1] == "full", done.stderr
    store = traces(tmp_path / "x.db")
    assert store.runs(EVERYTHING, now=1).total == len(lines) - 1
    store.close()
    assert resource.RLIM_INFINITY  # the limit was the child's alone


def test_the_journal_can_only_grow(tmp_path):
    store = control(tmp_path / "x.db")
    store.append([Draft("effect.started", "e", {"effect": "e"}), Draft("effect.ended", "e", {"effect": "e"})])
    raw = sqlite3.connect(tmp_path / "x.db")
    for statement in ("UPDATE journal SET actor='x'", "DELETE FROM journal"):
        with pytest.raises(sqlite3.DatabaseError, match="append-only"):
            raw.execute(statement)
    raw.execute("DROP TRIGGER journal_stays")
    raw.execute("UPDATE journal SET actor='mallory' WHERE seq=1")
    raw.commit()
    raw.close()
    with pytest.raises(StoreFault, match="entry 1"):
        store.verify()
    store.close()


def test_rebuilding_repairs_views_that_were_tampered_with(tmp_path):
    store = control(tmp_path / "x.db")
    store.append(
        [Draft("budget.set", "b", {"budget": "b", "scope": "agent:a", "limit_nano": 5, "mode": "hard"})]
    )
    raw = sqlite3.connect(tmp_path / "x.db")
    raw.execute("UPDATE budget SET limit_nano=999")
    raw.commit()
    raw.close()
    assert store.budgets()[0].limit_nano == 999
    assert store.rebuild()["changed"] > 0
    assert store.budgets()[0].limit_nano == 5
    assert store.rebuild()["changed"] == 0
    store.close()


def test_migrations_run_forward_and_a_failed_one_leaves_the_old_version(tmp_path):
    path = tmp_path / "x.db"
    first = script("CREATE TABLE one (a);\nINSERT INTO one VALUES (1);")

    def make(*migrations) -> Database:
        return Database(path, application=77, migrations=migrations, synchronous="NORMAL")

    make(first).close()
    with pytest.raises(StoreFault):
        make(first, script("CREATE TABLE two (a);\nINSERT INTO nowhere VALUES (1);"))
    make(first).close()  # still version 1
    database = make(first, script("CREATE TABLE two AS SELECT a + 1 AS a FROM one;"))
    with database.reading() as connection:
        assert connection.execute("SELECT a FROM two").fetchall() == [(2,)]
    database.close()
    with pytest.raises(StoreTooNew):
        make(first)


def test_old_traces_still_open(tmp_path):
    expected = json.loads((GOLDEN / "store-1.json").read_text())
    shutil.copy(GOLDEN / "store-1" / "traces.db", tmp_path / "traces.db")
    store = traces(tmp_path / "traces.db")
    found = {}
    for run in store.runs(EVERYTHING, now=store_work.START * 2).runs:
        spans = store.spans(run.run)
        found[run.run] = {
            "steps": run.steps, "cost_nano": run.cost_nano, "status": str(run.status), "agent": run.agent,
            "texts": [str(spans[step.span].attributes["text"])[:40] for step in store.steps(run.run)],
        }  # fmt: skip
    assert found == expected["runs"]
    assert store.write(store_work.batch(3, 0), at=1).steps == 20  # and takes new records
    store.close()


def _chat(turns: int, whole: bool) -> list[tuple[Step, Span]]:
    """A chat that sends its whole history with every call; ``whole`` makes every request unlike the others."""
    dice = random.Random(4)
    words = ["".join(dice.choices("etaoinshrdlu", k=dice.randint(2, 9))) for _ in range(4000)]
    history = [json.dumps({"role": "system", "content": " ".join(dice.choices(words, k=120))})]
    made = []
    for turn in range(turns):
        for role in ("user", "assistant"):
            text = " ".join(dice.choices(words, k=60 if role == "user" else 250))
            history.append(json.dumps({"role": role, "content": text}))
        sent = "[" + ", ".join(history[:-1]) + "]"
        if whole:
            sent = f"[{turn}" + sent[1:].replace('": "', f'":"{turn} ')
        ids = ("1" * 32, f"{turn + 1:016x}", None)
        begun = store_work.START + turn
        step = Step(*ids, None, Kind.MODEL, "chat", StepStatus.OK, begun, begun, "scope", "canonical")
        span = Span(*ids, "chat", begun, begun, Source(), attributes={"gen_ai.input.messages": sent})
        made.append((step, span))
    return made


def test_a_chat_that_repeats_its_history_costs_what_is_new(tmp_path):
    sizes = []
    for whole in (False, True):
        store = traces(tmp_path / f"{whole}.db")
        records = _chat(60, whole)
        for record in records:  # each call arrives alone, as it does from a live agent
            store.write([record], at=1)
        assert store.spans("1" * 32) == {span.span: span for _, span in records}
        store.close()
        with sqlite3.connect(tmp_path / f"{whole}.db") as connection:
            sizes.append(connection.execute("SELECT sum(length(data)) FROM frame").fetchone()[0])
        connection.close()
    assert sizes[0] * 10 < sizes[1]


def test_a_payload_is_kept_once_and_read_without_the_rest(tmp_path):
    store = traces(tmp_path / "x.db")
    same = os.urandom(40_000).hex()
    records = []
    for number in range(30):
        ids = ("1" * 32, f"{number + 1:016x}", None)
        span = Span(*ids, "s", 1, 2, Source(), attributes={"same": same, "own": os.urandom(20_000).hex()})
        records.append((Step(*ids, None, Kind.OTHER, "s", StepStatus.OK, 1, 2, "", "none"), span))
        store.write(records[-1:], at=1)
    assert store.spans("1" * 32) == {span.span: span for _, span in records}
    store.close()
    size = (tmp_path / "x.db").stat().st_size
    assert size < 200_000 + 30 * 25_000  # hex halves; one copy of what is the same; the tables themselves
    with sqlite3.connect(tmp_path / "x.db") as connection:
        assert connection.execute("SELECT max(length(data)) FROM frame").fetchone()[0] <= 260_000
    connection.close()


def _one(number: int, **attributes: str) -> list[tuple[Step, Span]]:
    ids = (f"{number + 1:032x}", f"{number + 1:016x}", None)
    span = Span(*ids, "s", 1, 2, Source(), attributes=attributes)
    return [(Step(*ids, None, Kind.OTHER, "s", StepStatus.OK, 1, 2, "", "none"), span)]


def _stored_bytes(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        size = connection.execute("SELECT sum(length(data)) FROM frame").fetchone()[0]
    connection.close()
    return int(size)


def test_a_content_is_known_again_after_a_restart_and_in_another_process(tmp_path):
    same = os.urandom(20_000).hex()
    first, other = traces(tmp_path / "x.db"), traces(tmp_path / "x.db")
    first.write(_one(0, same=same), at=1)
    other.write(_one(1, same=same), at=1)
    first.write(_one(2, same=same, own="own " * 100), at=1)
    first.close()
    other.close()
    again = traces(tmp_path / "x.db")
    again.write(_one(3, same=same), at=1)
    for number in range(4):
        run = f"{number + 1:032x}"
        assert again.spans(run)[f"{number + 1:016x}"].attributes["same"] == same
    again.close()
    assert _stored_bytes(tmp_path / "x.db") < 25_000  # twenty thousand random bytes once, and not four times


def test_a_content_of_a_batch_that_was_rolled_back_is_written_again(tmp_path):
    store = traces(tmp_path / "x.db")
    same = os.urandom(5_000).hex()
    broken = _one(0, same=same) + _one(1, odd=object())  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        store.write(broken, at=1)
    assert store.runs(EVERYTHING, now=1).total == 0
    store.write(_one(0, same=same), at=1)
    assert store.spans(f"{1:032x}")[f"{1:016x}"].attributes["same"] == same
    store.close()


def test_what_is_remembered_of_contents_is_bounded():
    recent = Recent()
    for number in range(200_000):
        recent.put(number.to_bytes(16), (1, number, 1))
    assert len(recent.newer) + len(recent.older) <= 65_536
    assert recent.get((199_999).to_bytes(16)) == (1, 199_999, 1)
    assert recent.get((0).to_bytes(16)) is None
