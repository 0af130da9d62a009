"""Checkpoints in other hands: exports, witnesses that refuse, and copies of the whole log."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from journal_kit import grow, journal, keeper

from tallystick.adapters.checkpoint_log import CheckpointLog
from tallystick.adapters.exports import FileTarget, GitTarget, slug
from tallystick.adapters.posting import Answer
from tallystick.adapters.signer import KEY_FILE, open_signer
from tallystick.adapters.state_file import StateFile
from tallystick.adapters.tile_folder import TileFolder
from tallystick.app.prove.checkpoints import (
    make_checkpoint,
)
from tallystick.app.prove.entries import notes_in
from tallystick.app.prove.journalbook import JournalBook
from tallystick.app.prove.keeping import Keeper
from tallystick.app.prove.mirror import content_of, mirror
from tallystick.model.errors import StoreFault, UnknownThing
from tallystick.proof.keys import VerifierKey
from tallystick.proof.merkle import leaf_hash, root_at, root_of
from tallystick.proof.tiles import decode_bundle, nodes_from_tiles


def test_checkpoints_are_exported_and_failures_are_said_once_and_tried_again(tmp_path: Path) -> None:
    control, said = journal(3), list[str]()
    missing = tmp_path / "repository"
    keeping = keeper(control, tmp_path, f"file:{tmp_path}/out/notes.txt", f"git:{missing}", said=said)
    first = keeping.keep()
    keeping.keep()
    assert len(said) == 1
    assert "not the top of a git repository" in said[0]
    states = StateFile(tmp_path / "checkpoints.json").read()["exports"]
    assert states[f"git:{missing}"]["failures"] == 2
    assert notes_in((tmp_path / "out" / "notes.txt").read_text()) == [first.note]
    subprocess.run(["git", "init", "-q", str(missing)], check=True)
    (missing / "mine.txt").write_text("not yours to commit")
    subprocess.run(["git", "-C", str(missing), "add", "mine.txt"], check=True)
    (missing / ".git" / "hooks" / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (missing / ".git" / "hooks" / "pre-commit").chmod(0o755)
    keeping.keep()
    grow(control, 1)
    second = keeping.keep()
    place = missing / "checkpoints" / slug(first.checkpoint.origin)
    assert sorted(path.name for path in place.iterdir()) == ["4", "5"]
    assert (place / "5").read_text() == second.note
    log = subprocess.run(
        ["git", "-C", str(missing), "log", "--format=", "--name-only"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {Path(line).name for line in log.stdout.split()} == {"4", "5"}
    assert notes_in((tmp_path / "out" / "notes.txt").read_text()) == [first.note, second.note]
    assert StateFile(tmp_path / "checkpoints.json").read()["exports"][f"git:{missing}"]["state"] == "written"


class Taking:
    """An HTTP server that answers each POST with the next status; a redirect leads back to itself."""

    def __init__(self, *statuses: int) -> None:
        self.posted: list[tuple[str, str, str]] = []
        taking, left = self, list(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                taking.posted.append((self.path, self.headers["content-type"], body))
                self.send_response(left.pop(0))
                self.send_header("location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_checkpoints_are_posted_and_redirects_are_not_followed(tmp_path: Path) -> None:
    taking, control, said = Taking(307, 500, 204), journal(2), list[str]()
    url = f"http://127.0.0.1:{taking.server.server_port}/take?key=secret"
    keeping = keeper(control, tmp_path, url, said=said)
    for _ in range(4):
        signed = keeping.keep()
    taking.server.shutdown()
    taking.server.server_close()
    assert taking.posted == [("/take?key=secret", "text/plain; charset=utf-8", signed.note)] * 3
    assert ["HTTP 307" in said[0], "HTTP 500" in said[1], len(said)] == [True, True, 2]
    grow(control, 1)
    keeping.keep()  # nobody answers any more
    assert len(said) == 3
    assert "secret" not in "".join(said) + (tmp_path / "checkpoints.json").read_text()


class Refusing:
    """A witness that gives the answers it was given, in order."""

    key = VerifierKey.parse("witness.example.org+dfa1b1d7+BNwDAlDHAAQlTQ/gkLZcW1LIPgP35oLgWshpZdXjlEh0")
    url = "http://w.example"
    outside = True

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def ask(self, body: bytes) -> Answer:
        self.asked.append(body)
        return self.answers.pop(0)


def test_what_a_witness_said_of_a_fork_is_not_taken_back_by_silence(tmp_path: Path) -> None:
    size = "text/x.tlog.size"
    forged = "— witness.example.org 36Gx1wAAAABl".encode()
    witness = Refusing(
        Answer(200, "text/plain", forged + b"A" * 88 + b"\n"), Answer(409, size, b"9\n"), Answer(500, "", b"\x1b[2J"),
        Answer(409, size, b"2\n"), Answer(409, size, b"3\n"), Answer(409, size, b"x"),
    )  # fmt: skip
    control, said, states = journal(3), list[str](), StateFile(tmp_path / "checkpoints.json")
    kept = CheckpointLog(tmp_path / "checkpoints.log")
    keeping = Keeper(
        control, lambda: open_signer(tmp_path / KEY_FILE), kept, states, [], [witness], said.append
    )
    found = []
    for _ in range(3):
        keeping.keep()
        (state,) = states.read()["witnesses"].values()
        found.append((state["state"], state["size"]))
    assert found == [("failed", 0), ("fork", 9), ("fork", 9)]
    assert "co-signed 9 entries, and the journal has 4" in said[1]
    lamps = JournalBook(control, kept=kept, states=states, witnesses=[witness]).lamps()
    assert (lamps["integrity"], lamps["completeness"]) == ("unchecked", "red")
    keeping.keep()  # its size changes under our hands, and then it is none
    assert witness.answers == []
    assert [body.split(b"\n")[0] for body in witness.asked[3:]] == [b"old 0", b"old 2", b"old 3"]


def test_a_link_does_not_lead_an_export_out_of_its_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "r")], check=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "r" / "checkpoints").symlink_to(tmp_path / "elsewhere")
    control = journal(1)
    signed = make_checkpoint(
        control, lambda: open_signer(tmp_path / KEY_FILE), CheckpointLog(tmp_path / "log")
    )
    with pytest.raises(StoreFault, match="leads out of"):
        GitTarget(tmp_path / "r").send(signed)
    with pytest.raises(StoreFault, match="cannot be written"):
        FileTarget(tmp_path / "elsewhere").send(signed)
    assert slug("../../Etc passwd//x") == "etc-passwd-x"


def test_a_copy_of_the_journal_proves_the_same(tmp_path: Path) -> None:
    control, kept = journal(300), CheckpointLog(tmp_path / "log")
    folder = TileFolder(tmp_path / "copy")
    with pytest.raises(UnknownThing, match="no checkpoint"):
        mirror(control, folder)
    for more in (0, 1, 400):
        grow(control, more)
        signed = make_checkpoint(control, lambda: open_signer(tmp_path / KEY_FILE), kept)
        mirror(control, folder)
        size = signed.checkpoint.size

        def take(path: str) -> bytes:
            content = folder.read(path)
            assert content == content_of(control, path)
            assert content is not None
            return content

        assert take("checkpoint").decode() == signed.note
        assert root_at(size, nodes_from_tiles(size, take)) == signed.checkpoint.root
        leaves = []
        for first in range(0, size, 256):
            width = min(256, size - first)
            part = f".p/{width}" if width < 256 else ""
            leaves += decode_bundle(take(f"tile/entries/{first // 256:03d}{part}"), width)
        assert root_of(leaf_hash(leaf) for leaf in leaves) == signed.checkpoint.root
    assert mirror(control, folder)[1] == 0
    other = journal(900, kind="b")
    make_checkpoint(other, lambda: open_signer(tmp_path / KEY_FILE), CheckpointLog(tmp_path / "other"))
    with pytest.raises(StoreFault):
        mirror(other, folder)


@pytest.mark.parametrize(
    "path",
    ["tile/0/000.p/9", "tile/../0/000", "/etc/passwd", "tile/entries/007", "tile/0/0", "", "tile/x/000", "a"],
)
def test_a_path_that_is_no_tile_is_unknown(path: str) -> None:
    with pytest.raises(UnknownThing):
        content_of(journal(3), path)


def test_a_link_does_not_lead_a_copy_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "tile").symlink_to(tmp_path)
    with pytest.raises(StoreFault, match="leads out of"):
        TileFolder(tmp_path / "copy").write("tile/0/000", b"x")
