"""The server over the real stores, read model and pages, put together as ``tally up`` does."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import msgspec
import pytest
from test_server_ingest import PROTOBUF, request_of

from tallystick import wiring
from tallystick.api import compare_shapes, registry_shapes, shapes, standing_shapes
from tallystick.api.server import ServerThread, address_of, listen
from tallystick.app.prove.mirror import content_of
from tallystick.config import load
from tallystick.model.journal import Draft

_DATA = os.environ.get("TALLYSTICK_SHARED_DATA")
DATA = Path(_DATA) if _DATA else Path(__file__).resolve().parents[2].parent / "shared" / "data"
SPANS = DATA / "framework-spans"


class Wired:
    """A server in a thread over a store folder."""

    def __init__(self, folder: Path) -> None:
        self.stores = wiring.open_stores(folder)
        opened = listen("127.0.0.1", 0, token=None)
        self.port: int = opened.getsockname()[1]
        settings = load({}, {}, folder)
        app = wiring.build_app(self.stores, settings, address=address_of(opened))
        self._thread = ServerThread(app, [opened])
        self._thread.start()

    def close(self) -> None:
        self._thread.stop()
        self.stores.close()

    def call(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"content-type": kind} if body is not None else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask(self, path: str, shape: Any) -> Any:
        """The answer, held against the shape that the API's document promises; no field more, no field less."""
        status, body = self.call("GET", path)
        assert status == 200, body
        document = json.loads(body)
        msgspec.convert(document, shape)
        exact(document, shape)
        return document


def exact(value: Any, shape: Any) -> None:
    """Fail where an answer has a field that its TypedDict does not name (convert only finds those missing)."""
    if get_origin(shape) is list:
        for item in value:
            exact(item, get_args(shape)[0])
    elif is_typeddict(shape):
        assert set(value) == set(shape.__required_keys__), shape.__name__
        for key, inner in get_type_hints(shape).items():
            exact(value[key], inner)


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wired]:
    started = Wired(tmp_path)
    yield started
    started.close()


def test_what_was_posted_is_there_in_the_shapes_that_were_promised(wired: Wired) -> None:
    assert wired.call("POST", "/v1/traces", request_of(1, 5, trace=7), PROTOBUF) == (200, b"")
    assert wired.call("POST", "/v1/traces", request_of(1, 5, trace=7), PROTOBUF) == (200, b"")  # sent twice
    (run,) = wired.ask("/api/runs", shapes.RunsShape)["runs"]
    assert (run["run"], run["steps"]) == (f"{7:032x}", 5)
    detail = wired.ask(f"/api/runs/{run['run'][:31]}", shapes.RunDetailShape)
    assert sorted(step["step"] for step in detail["steps"]) == [f"{number:016x}" for number in range(1, 6)]
    columns = wired.ask(f"/api/runs/{run['run']}/skeleton", shapes.SkeletonShape)["columns"]
    assert {len(column) for column in columns.values()} == {5}
    wired.ask(f"/api/runs/{run['run']}/steps/{3:016x}", shapes.StepDetailShape)
    for kind in (
        "agents",
        "tools",
        "models",
        "data",
        "prompts",
        "policies",
        "budgets",
        "suites",
        "workflows",
    ):
        wired.ask(f"/api/{kind}", getattr(registry_shapes, f"{kind.title()}Shape"))
    itself = wired.ask(
        f"/api/compare?a={run['run']}&b={run['run'][:9]}&all=true", compare_shapes.ComparedShape
    )
    assert (itself["same"], {row["op"] for row in itself["rows"]}) == (True, {"same"})
    wired.ask("/api/contrast?a=status:failed", compare_shapes.ContrastShape)
    wired.ask("/api/contrast?a=steps:5&b=steps:4", compare_shapes.ContrastShape)
    for by in ("agent", "tool", "workflow", "run", "model"):
        wired.ask(f"/api/cost?by={by}", shapes.CostShape)
    doctor = wired.ask("/api/doctor", standing_shapes.DoctorShape)
    assert (doctor["ingest"]["accepted"], doctor["ingest"]["repeats"]) == (10, 5)
    assert doctor["watermark"] > 0


def test_the_journal_is_shown_verified_and_handed_out(wired: Wired) -> None:
    empty = wired.ask("/api/journal", shapes.JournalShape)
    assert (empty["size"], empty["origin"], empty["lamps"]["integrity"]) == (0, None, "unchecked")
    assert wired.call("GET", "/journal/checkpoint")[0] == 404
    control, path = wired.stores.control, wired.stores.path
    control.append([Draft("signin.made", "ann", {"how": "link", "by": "ann"})])
    settings = load({}, {"TALLYSTICK_CHECKPOINT_EXPORT": "file:notes.txt"}, path)
    signed = wiring.journal.keeper(control, path, settings, print).keep()
    shown = wired.ask("/api/journal", shapes.JournalShape)
    assert (shown["size"], shown["checkpoints"][0]["root"]) == (2, signed.checkpoint.root.hex())
    verified = wired.ask("/api/journal/verify", shapes.VerifyShape)
    assert verified["lamps"]["integrity"] == "holds"
    assert wired.call("GET", "/journal/checkpoint") == (200, signed.note.encode())
    for place in ("0/000.p/2", "entries/000.p/2"):
        status, content = wired.call("GET", f"/journal/tile/{place}")
        assert (status, content) == (200, content_of(control, f"tile/{place}"))
    for place in ("0/000.p/3", "0/000", "../control.db", "%2e%2e/control.db", "0/0", "9/000"):
        assert wired.call("GET", f"/journal/tile/{place}")[0] == 404, place


def test_an_approval_is_answered_over_http_once(wired: Wired) -> None:
    asked = {
        "approval": "apr_1", "decision": "dec_1", "run": "a" * 32, "agent": "refunds", "tool": "refund",
        "arguments": {"amount": "40.00"}, "binding": "0" * 64, "group": "finance", "because": None, "expires_ns": 2**62,
    }  # fmt: skip
    wired.stores.control.append([Draft("approval.requested", "apr_1", asked, run="a" * 32)])
    (shown,) = wired.ask("/api/approvals?state=waiting", shapes.ApprovalsShape)["approvals"]
    assert shown["arguments"] == {"amount": "40.00"}
    answer = json.dumps({"answer": "approved", "note": "fine"}).encode()
    status, body = wired.call("POST", "/api/approvals/apr_1", answer)
    assert (status, json.loads(body)["state"]) == (200, "approved")
    assert wired.ask("/api/approvals/apr_1", shapes.ApprovalShape)["note"] == "fine"
    status, body = wired.call("POST", "/api/approvals/apr_1", answer)
    assert (status, json.loads(body)["error"]["code"]) == (409, "conflict")


def test_the_pages_are_there_and_errors_keep_to_their_door(wired: Wired) -> None:
    status, body = wired.call("GET", "/")
    assert (status, b"<!doctype html>" in body.lower()) == (200, True)
    status, body = wired.call("GET", "/api/runs?q=colour:red")
    assert (status, json.loads(body)["error"]["code"]) == (400, "input.invalid")
    assert wired.call("GET", "/runs/zzzz")[0] == 404


def test_a_change_is_told_live(wired: Wired) -> None:
    with socket.create_connection(("127.0.0.1", wired.port), timeout=10) as listener:
        listener.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        told = b""
        while b"event: cursor" not in told:
            told += listener.recv(4096)
        wired.call("POST", "/v1/traces", request_of(1, 1, trace=9), PROTOBUF)
        while b"event: change" not in told:
            told += listener.recv(4096)
        assert f"{9:032x}".encode() in told


@pytest.mark.skipif(not SPANS.is_dir(), reason="shared data is not here: framework-spans")
def test_recorded_framework_spans_are_taken_whole(wired: Wired) -> None:
    bodies = [
        path
        for path in sorted(SPANS.glob("*.pb"))
        if ".logs" not in path.name and ".metrics" not in path.name
    ]
    for path in bodies:
        assert wired.call("POST", "/v1/traces", path.read_bytes(), PROTOBUF) == (200, b""), path.name
        again = path.with_suffix(".json").read_bytes()
        assert wired.call("POST", "/v1/traces", again) == (200, b"{}"), path.name
    ingest = wired.ask("/api/doctor", standing_shapes.DoctorShape)["ingest"]
    assert ingest["repeats"] * 2 >= ingest["accepted"]  # both encodings say the same
    assert ingest["rejected"] == ingest["faults"] == 0
    for run in wired.ask("/api/runs?limit=1000", shapes.RunsShape)["runs"]:
        wired.ask(f"/api/runs/{run['run']}", shapes.RunDetailShape)
