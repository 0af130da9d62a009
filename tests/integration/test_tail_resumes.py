"""The live stream of a real server that is killed and comes back: no change is lost, none is told twice."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_loss_told import ask
from test_server_ingest import request_of
from test_server_process import ROOT

from tallystick.adapters.event_stream import ServerReader, Told
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.cli.parts import Parts
from tallystick.cli.root import root
from tallystick.model.errors import ConfigError, UnknownThing


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """``tally up`` on a port that stays the same."""

    def __init__(self, folder: Path, port: int) -> None:
        environment = os.environ | {
            "PYTHONPATH": str(ROOT), "TALLYSTICK_PORT": str(port), "TALLYSTICK_OTLP_PORT": "0",
        }  # fmt: skip
        command = [sys.executable, "-m", "tallystick", "up", "--store", str(folder)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True)
        assert self.process.stderr is not None
        next(line for line in self.process.stderr if line.strip().startswith("pages"))

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(20)
        assert self.process.stderr is not None
        self.process.stderr.close()


def collect(reader: ServerReader, runs: set[str], told: list[Told], done: threading.Event) -> None:
    for event in reader.events(0):
        if event.event != "cursor":
            told.append(event)
        if runs <= {one.run for one in told}:
            break
    done.set()


def test_a_server_that_is_killed_and_comes_back(tmp_path: Path, port: int) -> None:
    wanted = {f"{number:032x}" for number in range(1, 41)}
    told: list[Told] = []
    said: list[str] = []
    done = threading.Event()
    server = Server(tmp_path, port)
    reader = ServerReader(f"http://127.0.0.1:{port}", token=None, say=said.append)
    follower = threading.Thread(target=collect, args=(reader, wanted, told, done), daemon=True)
    follower.start()
    try:
        for first in (1, 11, 21, 31):
            for number in range(first, first + 10):
                assert ask(port, "POST", "/v1/traces", request_of(number * 10, 2, trace=number))[0] == 200
            if first in (11, 21):
                server.end(signal.SIGKILL)
                server = Server(tmp_path, port)
        assert done.wait(60)
        lines = tail(port, "--since", "0", "--most", "8", "--steps")
        alone = tail(port, "--since", "0", "--most", "3", "--steps", f"run:{7:032x}")
        gone = CliRunner().invoke(
            root, ["runs", "tail", "run:nothing", "--server", f"http://127.0.0.1:{port}"], obj=Parts()
        )
    finally:
        server.end(signal.SIGTERM)
    cursors = [one.cursor for one in told]
    assert cursors == sorted(set(cursors))
    assert all(one.event == "change" for one in told)
    traces = SqliteTraces(tmp_path / "traces.db")
    changes = {(one.cursor, one.run) for one in traces.changes(0)}
    traces.close()
    assert changes <= {(one.cursor, one.run) for one in told}
    assert any("connecting anew" in text for text in said)
    assert [("step" in line, line["run"]) for line in lines[:3]] == [
        (True, f"{1:032x}"), (True, f"{1:032x}"), (False, f"{1:032x}"),
    ]  # fmt: skip
    assert lines[2]["cursor"] == min(cursors)
    assert [("step" in line, line["run"]) for line in alone] == [
        (True, f"{7:032x}"), (True, f"{7:032x}"), (False, f"{7:032x}"),
    ]  # fmt: skip
    assert isinstance(gone.exception, UnknownThing)


def tail(port: int, *options: str) -> list[dict]:
    arguments = ["runs", "tail", "--server", f"http://127.0.0.1:{port}", "--json", *options]
    done = CliRunner().invoke(root, arguments, obj=Parts())
    assert done.exit_code == 0, (done.stderr, done.exception)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def silent() -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers, tells one change, and then nothing more; what each connection asked."""
    asked: list[bytes] = []
    held: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            asked.append(connection.recv(65_536))
            held.append(connection)
            number = len(asked)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n: hello\n\nevent: change\n"
                b'data: {"cursor": 7, "run": "a"}\n\nevent: change\ndata: {"cursor": %d, "run": "b"}\n\n'
                % (7 + number)
            )

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], asked
    listener.close()
    for connection in held:
        connection.close()


def test_a_connection_that_fell_silent_is_made_anew(silent: tuple[int, list[bytes]]) -> None:
    port, asked = silent
    reader = ServerReader(f"http://127.0.0.1:{port}", token="secret", silent_s=0.1, sleep=lambda _: None)
    events = reader.events()
    assert [(told.cursor, told.run) for told in (next(events) for _ in range(4))] == [
        (7, "a"), (8, "b"), (9, "b"), (10, "b"),
    ]  # fmt: skip
    assert [b"last-event-id: 8" in one for one in asked[:2]] == [False, True]
    assert all(b"authorization: Bearer secret" in one for one in asked)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a server address"):
        ServerReader("ftp://x", token=None)
