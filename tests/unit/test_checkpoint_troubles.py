"""Full disks, keys that nobody can reach, witnesses that dawdle: each is said, nothing is lost, the next time works."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from journal_kit import grow, journal, keeper

from tallystick.adapters.checkpoint_log import CheckpointLog
from tallystick.adapters.exports import FileTarget
from tallystick.adapters.posting import post
from tallystick.adapters.signer import KEY_FILE, open_signer, rotate
from tallystick.app.prove.checkpoints import guard_continuity, make_checkpoint
from tallystick.app.prove.entries import notes_in
from tallystick.model.errors import StoreFault, Unreachable
from tallystick.sdk.local import StoreSink
from tallystick.wiring.journal import Schedule


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may become longer than ``size`` bytes: what is written up to there is written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_in_the_middle_of_a_checkpoint_is_said_and_the_next_one_is_kept(
    tmp_path: Path,
) -> None:
    control, log = journal(2), CheckpointLog(tmp_path / "checkpoints.log")
    first = make_checkpoint(control, lambda: open_signer(tmp_path / KEY_FILE), log)
    grow(control, 1)
    with room_for(log.path.stat().st_size + 30), pytest.raises(StoreFault, match="cannot be written"):
        make_checkpoint(control, lambda: open_signer(tmp_path / KEY_FILE), log)
    guard_continuity(control, log)
    assert list(log.notes()) == [first.note]
    second = make_checkpoint(control, lambda: open_signer(tmp_path / KEY_FILE), log)
    assert list(log.notes()) == [first.note, second.note]


def test_a_disk_that_fills_up_leaves_no_half_note_in_an_export(tmp_path: Path) -> None:
    control, target = journal(2), FileTarget(tmp_path / "notes.txt")
    signed = make_checkpoint(control, lambda: open_signer(tmp_path / KEY_FILE), CheckpointLog(tmp_path / "l"))
    target.send(signed)
    grow(control, 1)
    other = make_checkpoint(control, lambda: open_signer(tmp_path / KEY_FILE), CheckpointLog(tmp_path / "l"))
    with room_for(target.path.stat().st_size + 30), pytest.raises(StoreFault, match="cannot be written"):
        target.send(other)
    for _ in range(2):  # that it was written may have been forgotten
        target.send(other)
    assert notes_in(target.path.read_text()) == [signed.note, other.note]


def test_a_state_document_that_cannot_be_written_or_read_holds_nothing_up(tmp_path: Path) -> None:
    control, said = journal(2), list[str]()
    places = [tmp_path / "one.txt", tmp_path / "two.txt"]
    keeping = keeper(control, tmp_path, *[f"file:{one}" for one in places], said=said)
    states = tmp_path / "checkpoints.json"
    states.with_name("checkpoints.json.new").mkdir()  # what is written first cannot be
    for _ in range(2):
        signed = keeping.keep()
    assert [notes_in(one.read_text()) for one in places] == [[signed.note]] * 2
    assert len(said) == 1
    assert "is not remembered" in said[0]
    states.write_bytes(bytes(100))
    grow(control, 1)
    for _ in range(2):
        assert keeping.keep().checkpoint.size == 4
    assert len(said) == 2
    assert "passed on to nobody" in said[1]
    states.unlink()
    states.with_name("checkpoints.json.new").rmdir()
    signed = keeping.keep()
    assert [notes_in(one.read_text())[1:] for one in places] == [[signed.note]] * 2


def test_a_disk_that_fills_up_costs_no_key(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    before = open_signer(path).verifier_key
    with room_for(50), pytest.raises(StoreFault, match="cannot be written"):
        rotate(path)
    assert open_signer(path).verifier_key == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["journal.key", "journal.pub"]


def test_a_key_that_nobody_can_look_for_is_a_fault_and_no_new_key_is_made(tmp_path: Path) -> None:
    """Here: a name that is too long. A folder that may not be entered answers in the same way."""
    with pytest.raises(StoreFault, match="cannot be read: File name too long"):
        open_signer(tmp_path / ("k" * 300))
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_others_may_read_signs_nothing_until_that_is_mended(tmp_path: Path) -> None:
    control, said = journal(2), list[str]()
    schedule = Schedule(keeper(control, tmp_path, said=said), 3_600, said.append)
    schedule.stop()
    (tmp_path / KEY_FILE).chmod(0o644)
    grow(control, 1)
    for _ in range(2):
        schedule.stop()
    assert said == [
        f"no checkpoint was signed: others on this machine may read the key {tmp_path / KEY_FILE}"
    ]
    (tmp_path / KEY_FILE).chmod(0o600)
    schedule.stop()
    assert [size for size, _ in control.checkpoints()] == [4, 3]


def test_a_key_that_is_gone_is_replaced_and_that_is_said(tmp_path: Path) -> None:
    control, said = journal(2), list[str]()
    keeping = keeper(control, tmp_path, said=said)
    for _ in range(2):
        keeping.keep()
    (tmp_path / KEY_FILE).unlink()
    for _ in range(2):
        keeping.keep()
    assert len(said) == 1
    made = open_signer(tmp_path / KEY_FILE).key
    assert f"{made.name}+{made.id.hex()} from now on" in said[0]
    assert [one.kind for one in control.entries(kind="key.*")] == [
        "key.created", "key.retired", "key.created",
    ]  # fmt: skip


class Broken:
    """Anything that fails in a way that nobody foresaw, so many times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.done = threading.Event()

    def keep(self) -> None:
        if self.left:
            self.left -= 1
            raise KeyError("unforeseen")
        self.done.set()


def test_an_unforeseen_fault_does_not_end_the_schedule() -> None:
    keeping, said = Broken(2), list[str]()
    schedule = Schedule(keeping, 0, said.append)  # type: ignore[arg-type]
    assert keeping.done.wait(10)
    schedule.stop()
    assert said == ["no checkpoint was signed: KeyError('unforeseen')"]


def test_an_unforeseen_fault_of_the_notary_does_not_reach_the_host() -> None:
    def attest() -> None:
        raise KeyError("unforeseen")

    closed = []
    StoreSink(None, lambda: closed.append(1), attest).close()  # type: ignore[arg-type]
    assert closed == [1]


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_an_answer_that_drips_is_cut_off(head: bytes) -> None:
    door = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip() -> None:
        opened, _ = door.accept()
        with opened:
            opened.sendall(head)
            while not over.wait(0.02):
                try:
                    opened.sendall(b"x")
                except OSError:
                    return

    dripping = threading.Thread(target=drip, daemon=True)
    dripping.start()
    with pytest.raises(Unreachable):
        post(f"http://127.0.0.1:{door.getsockname()[1]}/", b"", "text/plain", timeout=5, in_all=0.3)
    over.set()
    dripping.join(10)
    door.close()
