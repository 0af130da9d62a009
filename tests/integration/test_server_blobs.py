"""Large binaries over HTTP: as files to be saved, and only those that a run names."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from test_server_wired import Wired

from tallystick import wiring
from tallystick.model.query import Query
from tallystick.model.span import Source, Span

NOW = 1_795_000_000_000_000_000
PAGE = b"<html><script>alert(1)</script>" + b"hello there, " * 3_000
IMAGE = b"\x89PNG\r\n\x1a\n" + os.urandom(40_000)


def span(number: int, raw: bytes, kind: str) -> Span:
    url = f"data:{kind};base64,{base64.b64encode(raw).decode()}"
    said = json.dumps([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])
    facts = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.input.messages": said}
    return Span(
        f"{number:032x}", f"{number:016x}", None, "chat", NOW, NOW + 9, Source({}, "t"), attributes=facts
    )


def get(port: int, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_blobs_are_served_backed_up_and_erased(tmp_path: Path) -> None:
    wired = Wired(tmp_path / "store")
    try:
        record = wiring.recorder(wired.stores).record
        assert not record([span(1, IMAGE, "image/png"), span(2, PAGE, "text/html")]).rejected
        folder = tmp_path / "store" / "blobs"
        assert folder.stat().st_mode & 0o777 == 0o700
        for raw, kind in ((IMAGE, "image/png"), (PAGE, "application/octet-stream")):
            status, headers, body = get(wired.port, f"/api/blobs/{sha256(raw).hexdigest()}")
            assert (status, headers["content-type"], body) == (200, kind, raw)
            assert headers["content-disposition"].startswith("attachment; filename=")
            assert headers["x-content-type-options"] == "nosniff"
            assert "immutable" in headers["cache-control"]
        for unknown in ("0" * 64, "..%2f..%2fcontrol.db", "ab", "A" * 64):
            assert get(wired.port, f"/api/blobs/{unknown}")[0] in (400, 404), unknown
        (step,) = json.loads(get(wired.port, f"/api/runs/{1:032x}")[2])["steps"]
        whole = get(wired.port, f"/api/runs/{1:032x}/steps/{step['step']}")[2]
        assert sha256(IMAGE).hexdigest().encode() in whole
        assert base64.b64encode(IMAGE)[:64] not in whole
        backup = tmp_path / "backup"
        wiring.keeping.backup(wired.stores, backup, with_key=False, tell=lambda _: None)
        copy = wiring.open_stores(backup)
        assert copy.traces.blob(sha256(IMAGE).hexdigest())[1] == IMAGE
        copy.close()
        wiring.stores.eraser(wired.stores).erase((f"{1:032x}",), by="ada", because="request 7")
        assert get(wired.port, f"/api/blobs/{sha256(IMAGE).hexdigest()}")[0] == 404
        held = b"".join(file.read_bytes() for file in (tmp_path / "store").rglob("*") if file.is_file())
        assert IMAGE[:64] not in held
        assert PAGE[:64] in held
        assert wired.stores.traces.runs(Query(()), now=NOW * 2).total == 2
    finally:
        wired.close()


def test_doctor_and_verification_name_blobs_that_are_not_as_they_were(tmp_path: Path) -> None:
    stores = wiring.open_stores(tmp_path / "store")
    assert (
        not wiring.recorder(stores).record([span(1, IMAGE, "image/png"), span(2, PAGE, "text/html")]).rejected
    )
    wiring.attest(stores)
    stores.close()
    where = ("--store", str(tmp_path / "store"), "--json")
    assert ran("doctor", *where)[0] == ran("journal", "verify", *where)[0] == 0
    places = {raw: tmp_path / "store" / "blobs" / sha256(raw).hexdigest()[:2] for raw in (IMAGE, PAGE)}
    next(places[PAGE].iterdir()).write_bytes(PAGE.replace(b"hello", b"holla"))
    next(places[IMAGE].iterdir()).unlink()
    status, said = ran("doctor", *where)
    found = [one for one in json.loads(said)["findings"] if one["check"] == "blobs"]
    assert (status, [one["state"] for one in found]) == (3, ["fail"])
    assert sha256(IMAGE).hexdigest() in found[0]["why"]
    status, said = ran("journal", "verify", *where)
    assert status == 3
    assert f"blob {sha256(IMAGE).hexdigest()} is missing" in said
    assert f"blob {sha256(PAGE).hexdigest()} was altered" in said


def ran(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", *words], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(Path(wiring.__file__).parent.parent.parent)},
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout
