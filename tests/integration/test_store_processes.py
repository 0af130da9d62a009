"""Stores that several processes use at once, and processes that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import store_work

from tallystick.adapters import process
from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.prove.continuity import check_continuity
from tallystick.model.journal import Draft, Entry
from tallystick.model.query import EVERYTHING
from tallystick.proof.merkle import root_of

ROOT = Path(__file__).resolve().parent.parent.parent


def start(task: str, directory: Path, number: int, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, store_work.__file__, task, str(directory), str(number), str(seconds)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def finish(worker: subprocess.Popen[str]) -> str:
    out, err = worker.communicate(timeout=120)
    assert worker.returncode == 0, err
    return out


def wait_for_a_run(path: Path) -> None:
    """Until the first writer has committed something (its output is left for the end)."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if path.exists():
            store = SqliteTraces(path)
            total = store.runs(EVERYTHING, now=0).total
            store.close()
            if total:
                return
        time.sleep(0.01)
    raise AssertionError("no writer wrote anything")


@pytest.mark.parametrize(
    "seconds", [3.0, pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(300)])]
)
def test_four_writers_and_two_readers_share_a_new_store(tmp_path, seconds):
    workers = [start("write", tmp_path, number, seconds) for number in range(4)]
    wait_for_a_run(tmp_path / "traces.db")
    readers = [start("read", tmp_path, number, seconds) for number in range(2)]
    counts = [len(finish(worker).splitlines()) for worker in workers]
    assert all(int(finish(reader)) > 0 for reader in readers)
    store = SqliteTraces(tmp_path / "traces.db")
    assert store.runs(EVERYTHING, now=0).total == sum(counts)
    found = {row.key: row.runs for row in store.spend("agent", EVERYTHING, now=0)}
    assert found == {f"agent-{number}": count for number, count in enumerate(counts)}
    store.close()


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_a_killed_writer_loses_no_committed_batch(tmp_path, times):
    for life in range(times):
        worker = start("write", tmp_path, life, 60)
        committed = [worker.stdout.readline() for _ in range(5 + 3 * life % 11)]
        worker.send_signal(signal.SIGKILL)
        committed += worker.stdout.readlines()
        worker.wait()
        worker.stdout.close()
        worker.stderr.close()
        store = SqliteTraces(tmp_path / "traces.db")
        for line in committed:
            if line.endswith("\n"):
                batch = store_work.batch(life, int(line))
                spans = store.spans(batch[0][0].trace)
                assert spans == {span.span: span for _, span in batch}
        again = store.write(store_work.batch(life, 0), at=1)
        assert (again.steps, again.repeats) == (0, 20)
        store.close()


def test_a_budget_holds_across_processes(tmp_path):
    control = SqliteControl(tmp_path / "control.db", clock=SystemClock(), ids=TimeIds())
    limit = 300
    body = {"budget": "b", "scope": "agent:a", "limit_nano": limit, "mode": "hard"}
    control.append([Draft("budget.set", "b", body)])
    workers = [start("spend", tmp_path, number, 30) for number in range(4)]
    spent = sum(int(finish(worker)) for worker in workers)
    (budget,) = control.budgets("agent:a")
    assert (budget.spent_nano, budget.held_nano) == (spent, 0)
    assert limit - 7 < spent <= limit
    assert control.rebuild()["changed"] == 0
    assert control.verify() == control.head()[0]
    control.close()


def true_journal(directory: Path) -> tuple[SqliteControl, list[Entry]]:
    """The journal as it is now: verified, in order, with the root over its leaves."""
    control = SqliteControl(directory / "control.db", clock=SystemClock(), ids=TimeIds())
    entries = list(control.entries(limit=10**6))
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    for run in ("r0", "r1"):
        numbers = [entry.nth for entry in entries if entry.run == run]
        assert numbers == list(range(1, len(numbers) + 1))
    assert control.head() == (len(entries), root_of(bytes.fromhex(entry.digest) for entry in entries))
    assert control.verify() == len(entries)
    return control, entries


def test_processes_that_append_at_once_grow_one_tree(tmp_path):
    workers = [start("journal", tmp_path, number, 2.0) for number in range(4)]
    told = [line.split() for worker in workers for line in finish(worker).splitlines()]
    control, entries = true_journal(tmp_path)
    assert sum(int(last) - int(first) + 1 for first, last, _ in told) == len(entries) > 256
    assert all(entries[int(last) - 1].digest == digest for _, last, digest in told)
    control.close()


def test_a_killed_appender_loses_no_entry_it_told_of(tmp_path):
    seen: list[tuple[int, bytes]] = []
    for life in range(4):
        workers = [start("journal", tmp_path, 2 * life + number, 60) for number in range(2)]
        told = [worker.stdout.readline() for worker in workers for _ in range(4 + 5 * life)]
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
        for worker in workers:
            told += worker.stdout.readlines()
            worker.wait()
            worker.stdout.close()
            worker.stderr.close()
        control, entries = true_journal(tmp_path)
        for line in told:
            if line.endswith("\n"):
                _, last, digest = line.split()
                assert entries[int(last) - 1].digest == digest
        for size, root in seen:
            check_continuity(control, size, root)
        seen.append(control.head())
        control.close()


def test_threads_share_a_store(tmp_path):
    store = SqliteTraces(tmp_path / "traces.db")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for count in range(10):
                store.write(store_work.batch(number, count), at=1)
                store.steps(store_work.batch(number, count)[0][0].trace)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.runs(EVERYTHING, now=0).total == 40
    store.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # newer Pythons warn of fork in general
def test_a_store_survives_a_fork(tmp_path):
    store = SqliteTraces(tmp_path / "traces.db")
    store.write(store_work.batch(0, 0), at=1)
    child = os.fork()
    if child == 0:
        try:
            store.write(store_work.batch(1, 0), at=1)
            store.close()
            os._exit(0 if len(store_work.batch(1, 0)) == 20 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.write(store_work.batch(2, 0), at=1)
    assert store.runs(EVERYTHING, now=0).total == 3
    store.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells who lives")
def test_a_process_is_known_by_its_start():
    worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = process.identity(worker.pid)
    assert process.alive(name) is True
    assert process.alive(process.identity()) is True
    host, boot, pid, begun = name.split("/")
    assert process.alive(f"{host}/{boot}/{pid}/{int(begun) + 1}") is False  # the number was given out again
    assert process.alive(f"elsewhere/{boot}/{pid}/{begun}") is None
    assert process.alive(f"{host}/another-boot/{pid}/{begun}") is None
    worker.kill()
    assert process.alive(name) in (True, False)  # a zombie, until it is waited for
    worker.wait()
    worker.stdin.close()
    assert process.alive(name) is False
    for odd in ("", "a/b/c", "a/b/x/d", f"{host}/{boot}/{'9' * 30}/1", "a/b/1/2/3"):
        assert process.alive(odd) is None
