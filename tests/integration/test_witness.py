"""A witness in a process of its own, against journals that grow, shrink, fork and are exchanged."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Alarms:
    """An HTTP server that keeps what is posted to it; ``heard`` is set with the first."""

    def __init__(self) -> None:
        self.posted: list[Any] = []
        self.heard = threading.Event()
        alarms = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                alarms.posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()
                alarms.heard.set()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alarm"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Journal:
    """One store and the commands on it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.store = folder / name
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith("TALLYSTICK_")
        }
        self.environment |= {"PYTHONPATH": str(ROOT), "HOME": str(folder)}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "tallystick", *arguments, "--store", str(self.store)]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        self.said = done.stderr
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))

    def grow(self, entries: int) -> None:
        """Entries written as the guard would, in a process of their own."""
        program = (
            "import sys; from pathlib import Path; from tallystick import wiring\n"
            "from tallystick.model.journal import Draft\n"
            "stores = wiring.open_stores(Path(sys.argv[1]))\n"
            "body = {'how': 'link', 'by': 'ann'}\n"
            "stores.control.append([Draft('signin.made', 'ann', body) for _ in range(int(sys.argv[2]))])\n"
        )
        command = [sys.executable, "-c", program, str(self.store), str(entries)]
        subprocess.run(command, env=self.environment, check=True, timeout=60)


class Witness:
    """``tally journal witness`` in a process of its own."""

    def __init__(self, folder: Path, *logs: str, alarm: str | None = None) -> None:
        self.state = folder / "witness"
        options = [part for log in logs for part in ("--log", log)]
        command = [sys.executable, "-m", "tallystick", "journal", "witness", "--port", "0", *options]
        command += ["--state", str(self.state), "--name", "witness.example/w1"]
        command += ["--alarm", alarm] if alarm else []
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, env=environment, text=True, cwd=folder
        )
        assert self.process.stderr is not None
        self.key = self.process.stderr.readline().split()[1]
        self.url = self.process.stderr.readline().split()[1]
        self.process.stderr.readline()

    def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, str, str]:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=20)
        connection.request(method, path, body)
        answer = connection.getresponse()
        told = answer.status, answer.getheader("content-type") or "", answer.read().decode()
        connection.close()
        return told

    def status(self) -> Any:
        return json.loads(self.call("GET", "/")[2])

    def end(self, number: int = signal.SIGTERM) -> str:
        """Stop it; gives what it said on stderr."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=20)[1]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, "store")


@pytest.fixture
def alarms() -> Iterator[Alarms]:
    started = Alarms()
    yield started
    started.close()


@pytest.fixture
def witness(tmp_path: Path, journal: Journal, alarms: Alarms) -> Iterator[Witness]:
    started = Witness(tmp_path, journal.json("journal", "key")["key"], alarm=alarms.url)
    journal.environment["TALLYSTICK_WITNESSES"] = f"{started.key} {started.url} outside"
    yield started
    if started.process.poll() is None:
        started.end(signal.SIGKILL)


def lamps(journal: Journal, code: int = 0) -> tuple[str, str]:
    told = journal.json("journal", "verify", code=code)["lamps"]
    return told["integrity"], told["completeness"]


def test_growth_is_cosigned_and_the_second_lamp_turns_green(journal: Journal, witness: Witness) -> None:
    assert lamps(journal) == ("holds", "grey")
    for size in (1, 301, 302):
        journal.grow({1: 0, 301: 300, 302: 1}[size])
        told = journal.json("journal", "checkpoint")
        assert told["size"] == size
        assert [one["state"] for one in told["witnesses"]] == ["signed"]
        assert "witness.example/w1" in told["note"]
    assert lamps(journal) == ("holds", "green")
    steps = {step["step"]: step for step in journal.json("journal", "verify")["steps"]}
    assert (steps["cosignatures"]["state"], steps["cosignatures"]["count"]) == ("holds", 3)
    (log,) = witness.status()["logs"]
    assert (log["size"], witness.status()["alarms"]) == (302, [])
    (journal.store / "checkpoints.json").unlink()  # the journal forgot what the witness knows, and is told
    journal.grow(5)
    assert journal.json("journal", "checkpoint")["witnesses"][0]["size"] == 307
    findings = {one["check"]: one for one in journal.json("doctor")["findings"]}
    assert findings["witness"]["state"] == findings["checkpoint"]["state"] == "ok"


def test_dropping_the_newest_entries_and_a_fork_are_seen(
    journal: Journal, witness: Witness, alarms: Alarms
) -> None:
    journal.grow(9)
    journal("journal", "checkpoint")
    shutil.copytree(journal.store, journal.folder / "backup")
    journal.grow(5)
    newest = journal.json("journal", "checkpoint")
    assert newest["size"] == 15
    shutil.rmtree(journal.store)
    shutil.move(
        journal.folder / "backup", journal.store
    )  # with its checkpoints: nothing inside shows the loss
    assert journal.json("journal", "head")["size"] == 10
    told = journal.json("journal", "checkpoint")  # this head was co-signed before, and nobody is asked again
    assert told["witnesses"][0]["state"] == "signed"
    journal.grow(1)
    told = journal.json("journal", "checkpoint", code=3)
    assert told["witnesses"][0]["state"] == "fork"
    assert "co-signed 15 entries, and the journal has 11" in told["witnesses"][0]["error"]
    assert lamps(journal, code=3) == ("holds", "red")
    doctor = {one["check"]: one for one in journal.json("doctor", code=3)["findings"]}
    assert doctor["witness"]["state"] == "fail"
    assert not alarms.posted  # a smaller head may be an old one: no proof of anything

    journal.grow(30)  # the restored journal goes on: now the log has signed two histories
    told = journal.json("journal", "checkpoint", code=3)
    assert told["witnesses"][0]["state"] == "fork"
    assert "no continuation of the 15 entries" in journal.said
    assert alarms.heard.wait(20)
    (posted,) = alarms.posted
    assert (posted["proven"], posted["kept"].split("\n\n")[0]) == (True, newest["note"].split("\n\n")[0])
    assert "\n41\n" in posted["offered"]
    (alarm,) = witness.status()["alarms"]
    assert (alarm["size"], alarm["proven"]) == (41, True)
    journal.json("journal", "checkpoint", code=3)
    assert len(witness.status()["alarms"]) == 1  # the same fork is told once
    said = witness.end()
    assert said.count("ALARM") == 1
    (kept,) = json.loads((witness.state / "witness.json").read_text())["forks"]
    assert kept["kept"] != kept["offered"]


def test_what_a_witness_signed_survives_kill_9(journal: Journal, witness: Witness, alarms: Alarms) -> None:
    journal.grow(4)
    journal("journal", "checkpoint")
    witness.end(signal.SIGKILL)
    assert journal.json("journal", "checkpoint")["witnesses"][0]["state"] == "signed"
    journal.grow(2)
    told = journal.json("journal", "checkpoint")
    assert told["witnesses"][0]["state"] == "failed"
    assert "no answer" in journal.said
    again = Witness(journal.folder, journal.json("journal", "key")["key"])
    try:
        assert again.key == witness.key
        assert again.status()["logs"][0]["size"] == 5
        journal.environment["TALLYSTICK_WITNESSES"] = f"{again.key} {again.url}"
        assert journal.json("journal", "checkpoint")["witnesses"][0]["size"] == 7
        assert lamps(journal) == ("holds", "grey")  # it is not run by somebody else
    finally:
        again.end()


def test_a_stranger_gets_nothing_from_a_witness(journal: Journal, witness: Witness) -> None:
    note = journal.json("journal", "checkpoint")["note"]
    stranger = Journal(journal.folder, "other")
    other = stranger.json("journal", "checkpoint")["note"] if stranger("journal", "key") else ""
    text, _, signatures = note.partition("\n\n")

    def ask(body: str) -> int:
        return witness.call("POST", "/add-checkpoint", body.encode())[0]

    assert ask("") == ask("old x\n\n" + note) == ask("old 1\n" + note) == 400
    assert ask(f"old 0\n\n{other}") == 404
    assert ask(f"old 0\n\n{text}\n\n{other.partition(chr(10) * 2)[2]}") == 403
    forged = text.replace("\n1\n", "\n2\n") + "\n\n" + signatures
    assert ask(f"old 1\n\n{forged}") == 403
    assert ask(f"old 5\n\n{note}") == 400
    status, kind, body = witness.call("POST", "/add-checkpoint", f"old 0\n\n{note}".encode())
    assert (status, kind, body) == (409, "text/x.tlog.size", "1\n")
    assert ask(f"old 1\n\n{note}") == 200
    assert ask("x" * 2_000_000) == 413
    assert witness.call("GET", "/add-checkpoint")[0] == witness.call("GET", "/x")[0] == 404
    assert witness.status()["alarms"] == witness.status()["suspicions"] == []


def test_an_exchanged_control_db_is_not_written_and_not_served(journal: Journal) -> None:
    journal.grow(5)
    shutil.copytree(journal.store, journal.folder / "backup")
    journal.grow(5)
    journal("journal", "checkpoint")
    for part in ("control.db", "control.db-wal", "control.db-shm"):
        (journal.store / part).unlink(missing_ok=True)
        if (journal.folder / "backup" / part).exists():
            shutil.copy(journal.folder / "backup" / part, journal.store / part)
    journal("budgets", "set", "b", "--scope", "run:*", "--limit", "1", code=1)
    assert "tally journal reopen" in journal.said
    journal("up", "--port", "0", "--otlp-port", "0", code=1)
    program = "import sys, tallystick; tallystick.init(store=sys.argv[1], instrument=False)"
    started = subprocess.run(
        [sys.executable, "-c", program, str(journal.store)],
        env=journal.environment,
        capture_output=True,
        text=True,
    )
    assert started.returncode == 1
    assert "StoreFault" in started.stderr
    assert journal.json("journal", "head")["size"] == 5
    assert "beware" in journal.said
    assert lamps(journal, code=3) == ("broken", "red")
    findings = [one for one in journal.json("doctor", code=3)["findings"] if one["check"] == "journal"]
    assert "fail" in {one["state"] for one in findings}
    reopened = journal.json("journal", "reopen", "--because", "the disk died")
    assert Path(reopened["aside"]).exists()
    journal("budgets", "set", "b", "--scope", "run:*", "--limit", "1")
    (entry,) = journal.json("journal", "ls", "--kind", "journal.reopened")["entries"]
    assert (entry["body"]["size"], entry["body"]["because"]) == (11, "the disk died")
    assert lamps(journal) == ("holds", "grey")
    journal("journal", "reopen", "--because", "once more", code=7)
