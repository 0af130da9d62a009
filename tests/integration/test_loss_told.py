"""What was refused or dropped is told by the doctor and the API, with the reason, also after a restart."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from test_server_ingest import PROTOBUF, request_of
from test_server_process import ROOT, serving

from tallystick import wiring
from tallystick.api.otlp import read_protobuf
from tallystick.config import load
from tallystick.sdk import edge
from tallystick.sdk.losses import keep_faults, kept_faults, spool_losses


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {"content-type": PROTOBUF})
    answer = connection.getresponse()
    told = answer.status, answer.read()
    connection.close()
    return told


def loss(port: int) -> dict[str, Any]:
    return dict(json.loads(ask(port, "GET", "/api/doctor")[1])["loss"])


def test_the_account_of_a_server_lives_longer_than_the_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert ask(server.port, "POST", "/v1/traces", request_of(1, 5))[0] == 200
        assert ask(server.port, "POST", "/v1/traces", request_of(1, 5))[0] == 200
        status, told = ask(server.port, "POST", "/v1/traces", request_of(0, 2))
        assert (status, b"1 rejected" in told) == (200, True)
        assert ask(server.port, "POST", "/v1/traces", b"\xff\xff no protobuf")[0] == 400
        first = loss(server.port)
        assert (first["accepted"], first["repeats"]) == (11, 6)
        assert [row["count"] for row in first["rejected"]] == [1]
        assert [(row["where"], row["count"]) for row in first["dropped"]] == [("door", 1)]
        assert first["watermark"] > 0
        server.end(signal.SIGTERM)
    with serving(tmp_path) as server:
        again = loss(server.port)
        server.end(signal.SIGTERM)
    goes_on = {"watermark": 0, "indexed": 0, "unattested": 0}
    assert {**again, **goes_on} == {**first, **goes_on}
    stores = wiring.open_stores(tmp_path)
    assert wiring.loss.loss_book(stores).state()["accepted"] == 11
    stores.close()


def test_what_waits_is_told_index_by_index_with_the_last_look_at_old_runs(tmp_path: Path) -> None:
    stores = wiring.open_stores(tmp_path)
    settings = load(
        {"store": str(tmp_path)}, {"TALLYSTICK_HOT_DAYS": "3", "TALLYSTICK_KEEP_DAYS": "36500"}, tmp_path
    )
    wiring.recorder(stores, settings).record(
        [one for run in (1, 2) for one in read_protobuf(request_of(1, 3, trace=run)).spans]
    )
    book = wiring.loss.loss_book(stores, settings)
    told = book.state()
    assert {name: told["indexed"][name]["behind"] for name in ("uses", "texts")} == {"uses": 2, "texts": 2}
    assert told["unattested"] == {"records": 6, "runs": 2}
    assert told["aging"] == {"able": True, "hot_days": 3, "due": 0, "rules": 1, "last": []}
    wiring.reader(stores).runs("text", limit=1)
    wiring.keeping.expire(stores, settings)
    wiring.keeping.archive(stores, days=0, dry_run=False, tell=lambda _: None)
    told = book.state()
    assert (told["indexed"]["behind"], told["indexed"]["revision"]) == (0, told["watermark"])
    assert told["unattested"] == {"records": 0, "runs": 0}
    assert [(one["what"], one["runs"], one["error"]) for one in told["aging"]["last"]] == [
        ("archive", 0, None), ("delete", 0, None),
    ]  # fmt: skip
    stores.close()


def test_faults_of_the_sdk_are_kept_where_the_doctor_looks(tmp_path: Path) -> None:
    edge.forget_faults()
    for _ in range(3):
        edge.caught("a.place", RuntimeError("\x1b[31mred"), answered=True)
    keep_faults(tmp_path, now=7)
    keep_faults(tmp_path, now=8)  # nothing new
    edge.caught("a.place", RuntimeError("last"), answered=True)
    keep_faults(tmp_path, now=9)
    assert kept_faults(tmp_path) == {"a.place": {"count": 4, "since": 7, "last": "RuntimeError: last"}}
    assert spool_losses(tmp_path) == [("sdk", "a fault in a.place was contained: RuntimeError: last", 4, 7)]
    edge.forget_faults()


def test_a_command_of_several_batches_counts_them_all(tmp_path: Path) -> None:
    """Counts are written down once in a while; what waits then is written when the process ends."""
    work = (
        "import sys; from pathlib import Path; from tallystick import wiring;"
        "from tallystick.model.span import Source, Span;"
        "take = wiring.recorder(wiring.open_stores(Path(sys.argv[1]))).record;"
        "[take([Span('a' * 32, f'{n:016x}', None, 'x', 1, 2, Source({}, 't'), attributes={})]) for n in range(1, 4)]"
    )
    subprocess.run(
        [sys.executable, "-c", work, str(tmp_path / "store")],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert json.loads((tmp_path / "store" / "counts.json").read_text())["accepted"] == 3
