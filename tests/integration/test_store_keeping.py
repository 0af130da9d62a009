"""Archive, retention and backup on real folders, as the command line does them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tallystick import wiring
from tallystick.adapters.parquet import ParquetArchive
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.keeping.retention import Retention, parse_rule
from tallystick.app.prove.audit import audit
from tallystick.cli import main
from tallystick.model.errors import BadInput, Conflict, UnknownThing
from tallystick.model.query import EVERYTHING
from tallystick.model.span import Source, Span

DAY = 86_400 * 10**9
SOURCE = Source({"service.name": "shop"}, "test", "1")


def span(run: int, number: int, started: int, environment: str | None = None, **attributes) -> Span:
    source = (
        Source({**SOURCE.resource, "deployment.environment.name": environment}, "test", "1")
        if environment
        else SOURCE
    )
    return Span(
        f"{run + 1:032x}", f"{run * 1000 + number + 1:016x}", f"{run * 1000 + 1:016x}" if number else None,
        "chat", started + number, started + number + 5, source, attributes=attributes,
    )  # fmt: skip


def fill(stores, runs, *, age_days=30, **attributes) -> None:
    started = wiring.clock().now() - age_days * DAY
    for run in runs:
        wiring.recorder(stores).record([
            span(run, number, started, **{"gen_ai.agent.name": "refunds", "said": f"words {run} " * 60}, **attributes)
            for number in range(4)
        ])  # fmt: skip


def quiet(_text: str) -> None:
    """Nothing is said."""


def rest(stores) -> None:
    """Make runs silent for long: what came just now would wait for half an hour else."""
    with stores.traces._database.writing() as connection:
        connection.execute("UPDATE run SET due=0")


def sound(stores) -> list:
    wiring.attest(stores)
    return [flaw.text for one in audit(stores.traces, stores.control, wiring.clock()) for flaw in one.flaws]


@pytest.fixture
def stores(tmp_path):
    found = wiring.open_stores(tmp_path / "store")
    yield found
    found.close()


def test_archive_and_evidence_of_an_archived_run(stores):
    fill(stores, range(3))
    fill(stores, range(3, 5), age_days=1)
    wiring.attest(stores)
    before = {
        run.run: list(stores.traces.kept(run.run)) for run in stores.traces.runs(EVERYTHING, now=1).runs
    }
    rest(stores)
    done = wiring.keeping.archive(stores, days=14, dry_run=False, tell=quiet)
    assert (done.runs, done.steps) == (3, 12)
    assert {run: list(stores.traces.kept(run)) for run in before} == before
    assert sound(stores) == []
    assert stores.control.verify()


def test_runs_expire_by_rules(stores):
    fill(stores, range(2), environment="dev")
    fill(stores, range(2, 4), environment="prod")
    rest(stores)
    wiring.attest(stores)
    wiring.keeping.archive(stores, days=14, dry_run=False, tell=quiet)
    keep = Retention(stores.traces, stores.control, wiring.clock(), by="me")
    rules = [parse_rule("environment:dev=7d"), parse_rule("environment:prod=60d")]
    assert keep.expire(rules, dry_run=True).runs == 2
    done = keep.expire(rules)
    assert (done.runs, done.steps, done.kept) == (2, 8, 0)
    entry = stores.control.entries(kind="runs.deleted")[-1]
    assert entry.body["rule"] == "environment:dev=7d"
    assert len(entry.body["runs"]) == 2
    assert stores.traces.runs(EVERYTHING, now=1).total == 2
    with pytest.raises(UnknownThing):
        stores.traces.steps(f"{1:032x}")
    assert sound(stores) == []
    assert len(stores.traces.spans(f"{3:032x}")) == 4
    text = b"".join(file.read_bytes() for file in stores.path.rglob("*.parquet"))
    assert text == b"" or b"words 0" not in text
    assert keep.expire(rules).runs == 0


def test_a_deletion_that_was_interrupted_is_finished(stores, monkeypatch):
    fill(stores, range(2))
    rest(stores)
    wiring.attest(stores)
    keep = Retention(stores.traces, stores.control, wiring.clock())
    monkeypatch.setattr(
        stores.traces, "delete_runs", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        keep.expire([parse_rule("agent:refunds=7d")])
    monkeypatch.undo()
    assert keep.expire([]).runs == 2
    assert stores.traces.runs(EVERYTHING, now=1).total == 0
    assert sound(stores) == []


def test_what_the_journal_does_not_hold_stays(stores):
    fill(stores, range(1))
    rest(stores)
    done = Retention(stores.traces, stores.control, wiring.clock()).expire([parse_rule("agent:refunds=7d")])
    assert (done.runs, done.kept) == (0, 1)


def test_a_run_begins_anew_under_the_id_of_a_deleted_one(stores):
    fill(stores, range(1))
    rest(stores)
    wiring.attest(stores)
    Retention(stores.traces, stores.control, wiring.clock()).expire([parse_rule("agent:refunds=7d")])
    fill(stores, range(1))
    assert len(stores.traces.steps(f"{1:032x}")) == 4
    assert sound(stores) == []


@pytest.mark.parametrize("text", ["dev", "=7d", "environment:dev=7", "since:3d=7d", "environmen:dev=7d"])
def test_rules_that_are_none(text):
    with pytest.raises(BadInput):
        parse_rule(text)


_KILLED = """
    import os, sys, signal
    from pathlib import Path
    from tallystick.adapters.parquet import ParquetArchive, archive as parquet
    from tallystick.adapters.sqlite import archiving
    from tallystick.adapters.sqlite.traces import SqliteTraces
    folder, point = Path(sys.argv[1]), sys.argv[2]
    def die(*_a, **_k):
        os.kill(os.getpid(), signal.SIGKILL)
    store = SqliteTraces(folder / "traces.db", archive=ParquetArchive(folder / "archive"))
    name, _, where = point.partition(":")
    places = {"write": ParquetArchive, "_mark": archiving.Archiver, "_end": archiving.Archiver, "scrub": archiving,
              "queue": archiving, "_write_contents": parquet, "to_disk": parquet}
    holder = places[name]
    real = getattr(holder, name)
    count = [0]
    def around(*given, **more):
        count[0] += 1
        if where == "before" or (where == "second" and count[0] == 2):
            die()
        answer = real(*given, **more)
        if where == "after":
            die()
        return answer
    setattr(holder, name, around)
    store.archive(before=2**62, now=2**61)
    """


_SOAK = ("write:before", "_write_contents:before", "to_disk:before", "queue:before", "_end:after")


@pytest.mark.parametrize("point", [
    "write:after", "queue:after", "_mark:after", "scrub:before",
    *(pytest.param(point, marks=pytest.mark.soak) for point in _SOAK),
])  # fmt: skip
def test_a_process_that_is_killed_loses_and_doubles_nothing(tmp_path, point):
    stores = wiring.open_stores(tmp_path)
    fill(stores, range(3))
    wiring.attest(stores)
    before = {
        run.run: list(stores.traces.kept(run.run)) for run in stores.traces.runs(EVERYTHING, now=1).runs
    }
    stores.close()
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(_KILLED), str(tmp_path), point], check=False)
    assert done.returncode == -signal.SIGKILL
    stores = wiring.open_stores(tmp_path)
    assert {run: list(stores.traces.kept(run)) for run in before} == before
    assert sound(stores) == []
    stores.traces.archive(before=2**62, now=2**61)
    assert {run: list(stores.traces.kept(run)) for run in before} == before
    assert stores.traces.info()["archived_runs"] == 3
    stores.traces.tidy(now=2**62)
    assert sound(stores) == []
    with stores.traces._database.reading() as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM segment WHERE state=1")}
    assert ParquetArchive(tmp_path / "archive").found().keys() == names
    stores.close()


def test_a_backup_while_others_write_and_archive(tmp_path):
    stores = wiring.open_stores(tmp_path / "store")
    fill(stores, range(4))
    wiring.attest(stores)
    stop = threading.Event()
    troubles: list[Exception] = []

    def work(first: int) -> None:
        own = wiring.open_stores(tmp_path / "store")
        number = first
        try:
            while not stop.is_set():
                fill(own, [number])
                wiring.attest(own)
                number += 1
                if first == 10_000:
                    own.traces.archive(before=2**62, now=2**62)
        except Exception as error:  # noqa: BLE001 - the test says what it was
            troubles.append(error)
        own.close()

    workers = [threading.Thread(target=work, args=(10_000 * (n + 1),)) for n in range(4)]
    for worker in workers:
        worker.start()
    for number in range(2):
        time.sleep(0.3)
        wiring.keeping.backup(stores, tmp_path / f"copy{number}", with_key=False, tell=quiet)
    stop.set()
    for worker in workers:
        worker.join()
    assert not troubles
    stores.close()
    for number in range(2):
        assert not (tmp_path / f"copy{number}" / "journal.key").exists()
        copy = wiring.open_stores(tmp_path / f"copy{number}")
        assert copy.traces.runs(EVERYTHING, now=1).total >= 4
        assert sound(copy) == []
        assert copy.control.verify()
        copy.close()


def test_a_backup_needs_an_empty_folder(stores, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(Conflict):
        wiring.keeping.backup(stores, tmp_path / "full", with_key=False, tell=quiet)


def test_the_command_line(tmp_path, capsys):
    stores = wiring.open_stores(tmp_path / "store")
    fill(stores, range(2))
    rest(stores)
    stores.close()
    store = ["--store", str(tmp_path / "store"), "--json"]

    def tally(*words: str) -> dict:
        with pytest.raises(SystemExit) as ended:
            main([*words, *store])
        assert not ended.value.code
        return json.loads(capsys.readouterr().out)

    assert tally("store", "archive", "--dry-run")["runs"] == 2
    assert tally("store", "archive")["steps"] == 8
    assert tally("store", "info")["traces"]["archived_runs"] == 2
    os.environ["TALLYSTICK_KEEP_DAYS"] = "7"
    try:
        assert tally("store", "expire", "--dry-run")["rules"][0]["rule"] == "keep_days=7"
        assert tally("store", "expire")["runs"] == 2
    finally:
        del os.environ["TALLYSTICK_KEEP_DAYS"]
    assert tally("store", "backup", str(tmp_path / "copy"))["files"] >= 2
    assert SqliteTraces(Path(tmp_path / "copy" / "traces.db")).runs(EVERYTHING, now=1).total == 0


def test_an_erased_subject_is_gone_from_the_archive_too(stores):
    fill(stores, range(2), **{"user.id": "jane", "secret": "Jane lives in Lima. " * 40})
    fill(stores, range(2, 4), **{"user.id": "john"})
    wiring.attest(stores)
    stores.traces.archive(before=2**62, now=2**62)
    files = list(stores.path.rglob("*.parquet"))
    assert len(stores.traces.concerning("jane")) == 2
    stores.traces.erase(stores.traces.concerning("jane"))
    assert not any(file.exists() for file in files)
    assert "Lima" not in str([stores.traces.spans(f"{run + 1:032x}") for run in range(4)])
    assert len(stores.traces.spans(f"{3:032x}")) == 4
    assert sound(stores) == []


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_late_span_of_an_unreadable_archive_holds_up_no_other(tmp_path, harm):
    stores = wiring.open_stores(tmp_path / "store")
    fill(stores, range(2))
    wiring.attest(stores)
    rest(stores)
    assert wiring.keeping.archive(stores, days=14, dry_run=False, tell=quiet).runs == 2
    stores.close()
    for file in (tmp_path / "store" / "archive").rglob("*.parquet"):
        if harm == "gone":
            file.unlink()
        else:
            file.write_bytes(b"PAR1" + b"x" * 100 + b"PAR1")
    stores = wiring.open_stores(tmp_path / "store")
    now = wiring.clock().now()
    late = [span(run, 9, now) for run in (0, 1, 7)]
    receipt = wiring.recorder(stores).record([late[0], late[2], late[1]])
    assert receipt.accepted == 1
    assert {one.span for one in receipt.rejected} == {late[0].span, late[1].span}
    assert all("archive" in one.reason for one in receipt.rejected)
    assert [step.span for step in stores.traces.steps(late[2].trace)] == [late[2].span]
    stores.close()
