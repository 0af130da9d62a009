"""Who brings records into the journal: an agent's own process, the server, and a command that reads afterwards."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from pathlib import Path

from test_server_ingest import PROTOBUF, request_of
from test_server_process import serving

from tallystick import wiring
from tallystick.app.prove.audit import audit

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, signal, sys
import tallystick
tallystick.init(agent="quiet", store="store", instrument=False)

@tallystick.tool(effect="read")
def look(item):
    return 3

with tallystick.run(goal="count"):
    look("kettle")
    if "die" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    look("toaster")
"""


def check(folder: Path, *, status: str) -> None:
    """Everything stored is attested, the run is sealed as ``status``, and the audit has nothing to say."""
    stores = wiring.open_stores(folder, create=False)
    try:
        logs = stores.traces.logs()
        assert logs
        assert all(records == attested > 0 for records, attested in logs.values())
        assert {entry.body["status"] for entry in stores.control.entries(kind="run.sealed")} == {status}
        found = list(audit(stores.traces, stores.control, wiring.clock()))
        assert [flaw for one in found for flaw in one.flaws] == []
        assert sum(one.waiting for one in found) == 0
    finally:
        stores.close()


def run(tmp_path: Path, *arguments: str) -> int:
    (tmp_path / "tallystick.toml").touch()
    (tmp_path / "program.py").write_text(PROGRAM, "utf-8")
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": ""}
    command = [sys.executable, "program.py", *arguments]
    return subprocess.run(command, cwd=tmp_path, env=environment, timeout=60, check=False).returncode


def test_an_agent_without_a_server_attests_what_it_recorded_when_it_ends(tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    check(tmp_path / "store", status="ok")


def test_what_a_killed_agent_left_is_attested_by_the_next_reader(tmp_path: Path) -> None:
    assert run(tmp_path, "die") == -signal.SIGKILL
    stores = wiring.open_stores(tmp_path / "store", create=False)
    wiring.reader(stores)
    stores.close()
    check(tmp_path / "store", status="crashed")


def test_a_server_attests_what_it_took_in_until_it_stopped(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("POST", "/v1/traces", request_of(1, 20, trace=1), {"content-type": PROTOBUF})
        assert connection.getresponse().status == 200
        connection.close()
        assert server.end(signal.SIGINT) == 0
    check(tmp_path, status="ok")
