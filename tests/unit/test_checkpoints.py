"""Checkpoints: signed once a head, kept outside the journal, and held against a journal that was exchanged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journal_kit import grow, journal, keeper

from tallystick.adapters.checkpoint_log import CheckpointLog
from tallystick.adapters.memory.control import MemoryControl
from tallystick.adapters.signer import KEY_FILE, open_signer, rotate
from tallystick.adapters.sqlite import SqliteControl
from tallystick.app.prove.checkpoints import (
    enrol,
    guard_continuity,
    journal_keys,
    last_kept,
    make_checkpoint,
    read,
    reopen,
)
from tallystick.app.prove.entries import notes_in, prove
from tallystick.app.prove.journalbook import JournalBook
from tallystick.model.errors import BadInput, Conflict, StoreFault, UnknownThing
from tallystick.model.journal import Draft
from tallystick.ports import Signer
from tallystick.proof.merkle import leaf_hash, root_from_inclusion
from tallystick.proof.notes import parse_note, verify_note
from tallystick.testing.clock import FakeClock
from tallystick.testing.ids import CountingIds


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
