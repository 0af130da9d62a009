"""Effects over HTTP: the queue as JSON and as a page, and a person's word on what is in doubt."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from test_server_wired import Wired

import tallystick
from tallystick.api.effects import EffectDetailShape, EffectsShape

HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Wired]:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.cedar").write_text("permit (principal, action, resource);\n")
    (tmp_path / "tallystick.toml").write_text("policy_pack = []\n")
    tallystick.init(agent="desk", project=tmp_path, store=tmp_path / "store", instrument=False)

    @tallystick.tool(effect="irreversible", name="wire")
    def wire(to: str) -> str:
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError), tallystick.run(goal="wire"):
        wire(HOSTILE)
    tallystick.shutdown()
    made = Wired(tmp_path / "store")
    yield made
    made.close()


def test_the_queue_is_read_and_settled(server: Wired) -> None:
    (row,) = server.ask("/api/effects?in_doubt=true", EffectsShape)["effects"]
    assert (row["tool"], row["state"]) == ("wire", "in doubt")
    shown = server.ask(f"/api/effects/{row['effect']}", EffectDetailShape)
    assert shown["arguments"] == {"to": HOSTILE}
    assert shown["undo"]["why"] == "its tool declares no undo"
    status, page = server.call("GET", "/effects")
    assert status == 200
    assert b"<script>alert" not in page
    assert "\u202e" not in page.decode()
    assert b"It did not happen" in page
    status, _ = server.call("POST", f"/api/effects/{row['effect']}", b'{"answer": "landed"}')
    assert status == 400
    body = json.dumps({"answer": "did-not-happen", "because": "the bank has nothing"}).encode()
    status, answer = server.call("POST", f"/api/effects/{row['effect']}", body)
    assert (status, json.loads(answer)["state"]) == (200, "did not happen")
    assert server.call("POST", f"/api/effects/{row['effect']}", body)[0] == 409
    assert server.ask("/api/effects?in_doubt=true", EffectsShape) == {"effects": []}
    form = urlencode({"answer": "landed", "because": "x"}).encode()
    kind = "application/x-www-form-urlencoded"
    assert server.call("POST", f"/effects/{row['effect']}", form, kind)[0] in (403, 409)


def test_an_agent_page_says_what_is_really_done(server: Wired) -> None:
    status, page = server.call("GET", "/agent?name=desk")
    assert status == 200
    assert b"enforced before execution" in page
