"""Checkpoints: signed once a head, kept outside the journal, and held against a journal that was exchanged."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tallystick.adapters.checkpoint_log import CheckpointLog
from tallystick.adapters.exports import FileTarget, GitTarget, slug, target_of
from tallystick.adapters.memory.control import MemoryControl
from tallystick.adapters.posting import Answer
from tallystick.adapters.signer import KEY_FILE, open_signer, rotate
from tallystick.adapters.sqlite import SqliteControl
from tallystick.adapters.state_file import StateFile
from tallystick.adapters.tile_folder import TileFolder
from tallystick.app.checkpoints import (
    enrol,
    guard_continuity,
    journal_keys,
    last_kept,
    make_checkpoint,
    read,
    reopen,
)
from tallystick.app.journalbook import JournalBook
from tallystick.app.keeping import Keeper
from tallystick.app.mirror import content_of, mirror
from tallystick.app.proving import notes_in, prove
from tallystick.model.errors import BadInput, Conflict, StoreFault, UnknownThing
from tallystick.model.journal import Draft
from tallystick.ports import Signer
from tallystick.proof.keys import VerifierKey
from tallystick.proof.merkle import leaf_hash, root_at, root_from_inclusion, root_of
from tallystick.proof.notes import parse_note, verify_note
from tallystick.proof.tiles import decode_bundle, nodes_from_tiles
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds


def journal(entries: int = 0, *, kind: str = "a") -> MemoryControl:
    control = MemoryControl(clock=FakeClock(), ids=CountingIds())
    grow(control, entries, kind=kind)
    return control


def grow(control: MemoryControl, entries: int, *, kind: str = "a") -> None:
    for number in range(entries):
        control.append([Draft("signin.made", f"{kind}{number}", {"how": "link", "by": kind})])


@pytest.fixture
def kept(tmp_path: Path) -> CheckpointLog:
    return CheckpointLog(tmp_path / "checkpoints.log")


@pytest.fixture
def signer(tmp_path: Path) -> Callable[[], Signer]:
    return lambda: open_signer(tmp_path / KEY_FILE)


def test_a_head_is_signed_once(kept: CheckpointLog, signer: Callable[[], Signer]) -> None:
    control = journal(3)
    signed = make_checkpoint(control, signer, kept)
    assert signed.fresh
    assert (signed.checkpoint.size, signed.checkpoint.root) == control.head()
    assert control.head()[0] == 4  # the key's own entry came before it signed anything
    (key,) = journal_keys(control)
    assert verify_note(parse_note(signed.note), [key.key]) == (key.key.name,)
    assert control.checkpoints() == [(4, signed.note)]
    again = make_checkpoint(control, signer, kept)
    assert (again.note, again.fresh) == (signed.note, False)
    assert list(kept.notes()) == [signed.note]
    grow(control, 1)
    assert make_checkpoint(control, signer, kept).checkpoint.size == 5
    assert [read(note).size for note in kept.notes()] == [4, 5]


def test_a_shorter_or_another_journal_is_neither_opened_nor_signed(
    kept: CheckpointLog, signer: Callable[[], Signer]
) -> None:
    control = journal(9)
    make_checkpoint(control, signer, kept)
    shorter, other = journal(5), journal(20, kind="b")
    for changed in (shorter, other, journal()):
        with pytest.raises(StoreFault) as caught:
            guard_continuity(changed, kept)
        assert "tally journal reopen" in (caught.value.hint or "")
        with pytest.raises(StoreFault):
            make_checkpoint(changed, signer, kept)
        assert changed.checkpoints() == []
    grow(control, 50)
    guard_continuity(control, kept)


def test_lost_history_is_admitted_once_and_for_all(kept: CheckpointLog, signer: Callable[[], Signer]) -> None:
    lost = make_checkpoint(journal(9), signer, kept).checkpoint
    restored = journal(5)
    signed, place = reopen(restored, signer, kept, because="the disk died", by="ann")
    (entry,) = restored.entries(kind="journal.reopened")
    assert entry.body == {"size": lost.size, "root": lost.root.hex(), "because": "the disk died", "by": "ann"}
    assert place is not None
    assert place.exists()
    guard_continuity(restored, kept)
    assert last_kept(kept) == last_kept(kept)
    assert signed.checkpoint.size == restored.head()[0]
    with pytest.raises(Conflict, match="nothing is missing"):
        reopen(restored, signer, kept, because="again", by="ann")


def test_a_line_that_a_crash_tore_is_dropped(kept: CheckpointLog, signer: Callable[[], Signer]) -> None:
    control = journal(2)
    first = make_checkpoint(control, signer, kept)
    with kept.path.open("ab") as file:
        file.write(b'{"note": "half of')
    assert kept.tail() == [first.note]
    grow(control, 1)
    second = make_checkpoint(control, signer, kept)
    assert list(kept.notes()) == [first.note, second.note]


def test_the_guard_is_cheap(kept: CheckpointLog, signer: Callable[[], Signer]) -> None:
    control = journal(600)
    for _ in range(60):
        grow(control, 1)
        make_checkpoint(control, signer, kept)
    took = []
    for _ in range(20):
        start = time.thread_time()
        guard_continuity(control, kept)
        took.append(time.thread_time() - start)
    assert min(took) < 0.002


def test_a_rotated_key_signs_what_comes_and_verifies_what_was(
    kept: CheckpointLog, signer: Callable[[], Signer], tmp_path: Path
) -> None:
    control = journal(1)
    make_checkpoint(control, signer, kept)
    enrol(control, rotate(tmp_path / KEY_FILE), because="yearly")
    make_checkpoint(control, signer, kept)
    old, new = journal_keys(control)
    assert (old.created, old.retired, new.created, new.retired) == (2, 3, 4, None)
    assert not enrol(control, signer())
    steps = {step["step"]: step["state"] for step in JournalBook(control, kept=kept).verify_steps()}
    assert steps["checkpoints"] == steps["kept checkpoints"] == "holds"


def _book(control: MemoryControl, kept: CheckpointLog) -> dict[str, dict[str, Any]]:
    return {step["step"]: step for step in JournalBook(control, kept=kept).verify_steps()}


def test_a_checkpoint_that_is_not_ours_is_a_finding(
    kept: CheckpointLog, signer: Callable[[], Signer], tmp_path: Path
) -> None:
    control = journal(4)
    ours = make_checkpoint(control, signer, kept)
    text, _, _ = ours.note.rpartition("\n\n")
    stranger = make_checkpoint(
        journal(4), lambda: open_signer(tmp_path / "other.key"), CheckpointLog(tmp_path / "o")
    )
    for forged in (
        ours.note.replace("\n5\n", "\n4\n"), stranger.note, text + "\n\n" + stranger.note.split("\n\n")[1], "", "\n",
    ):  # fmt: skip
        kept.append(forged)
        found = _book(control, kept)["kept checkpoints"]
        assert (found["state"], found["count"]) == ("finding", 2), forged
        kept.set_aside()
        kept.append(ours.note)
    assert _book(control, kept)["kept checkpoints"]["state"] == "holds"


def test_earlier_checkpoints_from_elsewhere_are_compared(
    kept: CheckpointLog, signer: Callable[[], Signer]
) -> None:
    control = journal(4)
    notes = []
    for _ in range(3):
        grow(control, 2)
        notes.append(make_checkpoint(control, signer, kept).note)
    exported = "".join(f"{note}\n" for note in notes)
    assert notes_in(exported) == notes
    assert notes_in(notes[0]) == [notes[0]]
    book = JournalBook(control, kept=kept)
    steps = {step["step"]: step for step in book.verify_steps(notes_in(exported))}
    assert (steps["earlier checkpoints"]["state"], steps["earlier checkpoints"]["count"]) == ("holds", 3)
    other = journal(30, kind="b")
    steps = {step["step"]: step for step in JournalBook(other).verify_steps(notes)}
    assert steps["earlier checkpoints"]["state"] == "finding"
    for text in ("", "\n\n", "only this\n"):
        with pytest.raises(BadInput):
            notes_in(text)


def test_lamps_are_two(kept: CheckpointLog, signer: Callable[[], Signer]) -> None:
    control = journal(4)
    make_checkpoint(control, signer, kept)
    book = JournalBook(control, kept=kept)
    assert (book.lamps()["integrity"], book.lamps()["completeness"]) == ("unchecked", "grey")
    list(book.verify_steps())
    assert (book.lamps()["integrity"], book.lamps()["completeness"]) == ("holds", "grey")
    shorter = JournalBook(journal(2), kept=kept)
    assert (shorter.lamps()["integrity"], shorter.lamps()["completeness"]) == ("broken", "red")


# ── exports ─────────────────────────────────────────────────────────────────────────────────────────────────────


def keeper(control: MemoryControl, folder: Path, *targets: str, said: list[str]) -> Keeper:
    return Keeper(
        control, lambda: open_signer(folder / KEY_FILE), CheckpointLog(folder / "checkpoints.log"),
        StateFile(folder / "checkpoints.json"), [target_of(one) for one in targets], [], said.append,
    )  # fmt: skip


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


def test_many_sign_at_once_and_nothing_disagrees(tmp_path: Path) -> None:
    clock, ids = FakeClock(), CountingIds()
    stores = [SqliteControl(tmp_path / "control.db", clock=clock, ids=ids) for _ in range(3)]
    faults: list[Exception] = []

    def work(control: SqliteControl) -> None:
        keeping = keeper(control, tmp_path, f"file:{tmp_path}/notes.txt", said=[])  # type: ignore[arg-type]
        try:
            for _ in range(15):
                control.append([Draft("signin.made", "ann", {"how": "link", "by": "ann"})])
                keeping.keep()
        except Exception as error:  # noqa: BLE001 - whatever it was, the test tells it
            faults.append(error)

    threads = [threading.Thread(target=work, args=(control,)) for control in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    book = JournalBook(stores[0], kept=CheckpointLog(tmp_path / "checkpoints.log"))
    states = {step["step"]: step["state"] for step in book.verify_steps()}
    assert states["entries"] == states["checkpoints"] == states["kept checkpoints"] == "holds"
    assert stores[0].checkpoints()[0][0] == stores[0].head()[0]
    for control in stores:
        control.close()


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


# ── the log as files ────────────────────────────────────────────────────────────────────────────────────────────


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


def test_one_entry_is_proved(kept: CheckpointLog, signer: Callable[[], Signer]) -> None:
    control = journal(20)
    with pytest.raises(UnknownThing, match="no checkpoint"):
        prove(control, 3)
    make_checkpoint(control, signer, kept)
    for seq in range(1, 22):
        proof = prove(control, seq)
        leaf = leaf_hash(proof["leaf"].encode())
        path = [bytes.fromhex(one) for one in proof["path"]]
        assert leaf.hex() == proof["leaf_hash"]
        root = root_from_inclusion(seq - 1, proof["size"], leaf, path)
        assert root == read(proof["checkpoint"]).root == bytes.fromhex(proof["root"])
    with pytest.raises(UnknownThing, match="no entry 22"):
        prove(control, 22)
