"""A server is killed between the question, its answer, the call and its outcome: nothing is forgotten or repeated."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from access_kit import WORDS, lay_out, question, said

from tallystick import wiring
from tallystick.model.control import EffectState

ROOT = Path(__file__).resolve().parents[2]
ASKED = said(question(id="A-2", amount="400.00"), words=WORDS)


class Killed:
    """``tally up`` in a process of its own, over one project; ``again`` kills it and starts another."""

    def __init__(self, folder: Path) -> None:
        lay_out(folder)
        self.folder = folder
        self.store = folder / "store"
        self._start()

    def _start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment |= {f"TALLYSTICK_{name}": "0" for name in ("PORT", "OTLP_PORT", "GRPC_PORT")}
        command = [sys.executable, "-m", "tallystick", "up", "--store", str(self.store)]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, env=environment, text=True, cwd=self.folder
        )
        assert self.process.stderr is not None
        address = next(line for line in self.process.stderr if "pages" in line).split()[-1]
        self.port = int(address.rsplit(":", 1)[1].rstrip("/"))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def again(self) -> None:
        self.kill()
        self._start()

    def send(self, path: str, body: Any) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        status, answer = self.send("/access/v1/evaluation", asked)
        assert status == 200, answer
        return answer

    def approve(self, approval: str) -> None:
        assert self.send(f"/api/approvals/{approval}", {"answer": "approved"})[0] == 200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Killed]:
    started = Killed(tmp_path)
    try:
        yield started
    finally:
        started.kill()


def test_a_server_killed_at_each_point_of_a_held_call_executes_it_once(server: Killed) -> None:
    approval = server.ask(ASKED)["context"]["approval"]["id"]
    server.again()  # between the question and its answer
    assert server.ask(ASKED)["context"]["approval"]["id"] == approval
    by_id = said(ASKED, approval=approval)
    assert server.ask(by_id)["context"]["effect"] == "hold"
    server.approve(approval)
    server.again()  # between the answer and the call
    for other in (
        question(id="A-2", amount="400.01"), question(id="A-1", amount="400.00"),
        question(id="A-2", amount="400.00", run="r2"), question(id="A-2", amount="400.00", agent="other"),
    ):  # fmt: skip
        assert server.ask(said(other, approval=approval, words=WORDS))["decision"] is False, other
    allowed = server.ask(by_id)
    assert allowed["decision"] is True
    server.again()  # between the call and its outcome
    assert server.send("/access/v1/evaluation", by_id)[0] == 404
    assert server.ask(ASKED)["context"]["effect"] == "hold"  # that would be another payment
    told = {"decision": allowed["context"]["id"], "outcome": "landed", "result": {"receipt": "R-1"}}
    assert server.send("/access/v1/outcome", told)[0] == 200
    assert server.send("/access/v1/outcome", told)[0] == 404
    server.kill()
    with closing(wiring.open_stores(server.store)) as stores:
        kinds = [entry.kind for entry in stores.control.entries(run="r1")]
        assert kinds.count("effect.started") == kinds.count("effect.ended") == 1
        assert kinds.count("approval.consumed") == 1
        assert kinds.count("approval.requested") == 2
        assert [one.state for one in stores.control.effects(run="r1")] == [EffectState.LANDED]


def test_an_effect_that_no_server_hears_of_again_waits_for_an_operator(server: Killed) -> None:
    asked = said(question(id="A-1", amount="40.00"), words=WORDS)
    decision = server.ask(asked)["context"]["id"]
    server.again()
    server.kill()
    command = [sys.executable, "-m", "tallystick", "effects", "ls", "--in-doubt", "--json"]
    done = subprocess.run(
        [*command, "--store", str(server.store)], capture_output=True, text=True, check=True
    )
    assert [one["decision"] for one in json.loads(done.stdout)["effects"]] == [decision]
    server._start()
