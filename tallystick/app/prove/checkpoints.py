"""Signed heads of the journal: when they are made, what they are held against, and what is done when they disagree.

A checkpoint is kept twice: in the journal's own file and in a file beside it (``Kept``). A control.db that was rolled
back or replaced no longer leads on from the second, and then nothing is written and nothing is signed until somebody
puts the journal back, or admits in the journal that history was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tallystick.app.prove.continuity import check_continuity
from tallystick.model.errors import BadInput, Conflict, StoreFault
from tallystick.model.journal import Draft, Entry
from tallystick.ports import ControlStore, Signer
from tallystick.proof.notes import (
    Checkpoint,
    VerifierKey,
    checkpoint_text,
    format_note,
    parse_checkpoint,
    parse_note,
    sign_note,
)

ALL: Final = 1_000_000  # checkpoints; one a minute for two years
_NEWEST: Final = 8  # processes that sign at the same time may append out of order, by a few lines
SUBJECT: Final = (
    "journal"  # what entries about the journal itself are about; the stores have an index of subjects
)


class Kept(Protocol):
    """Checkpoints outside control.db (``adapters.checkpoint_log.CheckpointLog``)."""

    def append(self, note: str) -> None:
        """Add a note, durably. Raises StoreFault."""
        ...

    def tail(self) -> list[str]:
        """The newest notes, oldest first; what cannot be read is an empty text. Raises StoreFault."""
        ...

    def notes(self) -> Iterator[str]:
        """All notes, oldest first."""
        ...

    def set_aside(self) -> Path | None:
        """Begin a new file; gives the place of the old one."""
        ...


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint with its note. ``fresh``: it was signed just now."""

    checkpoint: Checkpoint
    note: str
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class JournalKey:
    """A key of the journal: entry ``created`` brought it into force, entry ``retired`` ended that."""

    key: VerifierKey
    created: int
    retired: int | None = None


def read(note: str) -> Checkpoint:
    """The checkpoint of a note, its signatures unjudged. Raises BadInput."""
    return parse_checkpoint(parse_note(note).text)


def last_kept(kept: Kept) -> Signed | None:
    """The largest of the newest kept checkpoints, or None. Lines that cannot be read are for ``verify`` to report."""
    found: list[Signed] = []
    for note in reversed(kept.tail()):
        try:
            found.append(Signed(read(note), note))
        except BadInput:
            continue
        if len(found) == _NEWEST:
            break
    return max(found, key=lambda one: one.checkpoint.size, default=None)


def guard_continuity(control: ControlStore, kept: Kept) -> None:
    """Refuse a journal that does not lead on from the last kept checkpoint. Raises StoreFault."""
    last = last_kept(kept)
    if last is not None:
        check_continuity(control, last.checkpoint.size, last.checkpoint.root)


def make_checkpoint(control: ControlStore, signer: Callable[[], Signer], kept: Kept) -> Signed:
    """Sign the journal's head, unless its newest checkpoint is of this head already.

    ``signer`` opens the key anew, so that a key that was retired meanwhile signs nothing more. Raises StoreFault when
    the journal does not lead on from the last kept checkpoint: a forked journal is never signed.
    """
    guard_continuity(control, kept)
    enrol(control, signer())
    size, root = control.head()
    by = signer()  # opened after the head was read: whoever retires a key replaces its file first
    key = VerifierKey.parse(by.verifier_key)
    newest = newest_checkpoint(control)
    if newest is not None and newest.checkpoint.size == size and _signed_by(newest.note, key):
        signed = newest
    else:
        text = checkpoint_text(key.name, size, root)
        signed = Signed(parse_checkpoint(text), format_note(sign_note(text, key, by.sign)), fresh=True)
        control.add_checkpoint(size, signed.note)
    last = last_kept(kept)
    if last is None or last.checkpoint.size < size:
        kept.append(signed.note)
    return signed


def _signed_by(note: str, key: VerifierKey) -> bool:
    return any((one.name, one.id) == (key.name, key.id) for one in parse_note(note).signatures)


def newest_checkpoint(control: ControlStore) -> Signed | None:
    """The newest checkpoint in the journal's own file, or None. Raises StoreFault for one that cannot be read."""
    for _, note in control.checkpoints(limit=1):
        try:
            return Signed(read(note), note)
        except BadInput as error:
            raise StoreFault(f"the newest checkpoint cannot be read: {error.message}") from error
    return None


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────


def enrol(control: ControlStore, signer: Signer, *, because: str = "another key took its place") -> bool:
    """Enter the signer's key in the journal, and retire those before it; False when it is in force already."""
    key = VerifierKey.parse(signer.verifier_key)
    in_force = [one.key for one in journal_keys(control) if one.retired is None]
    if in_force == [key]:
        return False
    drafts = [
        Draft("key.retired", SUBJECT, {"key": one.text, "because": because}) for one in in_force if one != key
    ]
    if key not in in_force:
        drafts.append(
            Draft("key.created", SUBJECT, {"key": key.text, "name": key.name, "purpose": "journal"})
        )
    control.append(drafts)
    return True


def journal_keys(control: ControlStore) -> list[JournalKey]:
    """The journal's keys in the order they came. Raises StoreFault for a key that cannot be read."""
    found: dict[str, JournalKey] = {}
    for entry in _key_entries(control):
        text = entry.body["key"]
        try:
            key = VerifierKey.parse(text)
        except BadInput as error:
            raise StoreFault(f"the key in journal entry {entry.seq} cannot be read", seq=entry.seq) from error
        if entry.kind == "key.created":
            found[text] = JournalKey(key, min(entry.seq, found[text].created) if text in found else entry.seq)
        elif text in found:
            found[text] = JournalKey(key, found[text].created, entry.seq)
    return list(found.values())


def _key_entries(control: ControlStore) -> Iterable[Entry]:
    after = 0
    while page := control.entries(after=after, kind="key.*", subject=SUBJECT):
        yield from page
        after = page[-1].seq


# ── lost history ────────────────────────────────────────────────────────────────────────────────────────────────


def reopen(
    control: ControlStore, signer: Callable[[], Signer], kept: Kept, *, because: str, by: str
) -> tuple[Signed, Path | None]:
    """Admit in the journal that history was lost, and begin anew from what is there.

    Gives the new checkpoint and the place of the earlier ones. Raises Conflict when nothing is missing.
    """
    last = last_kept(kept)
    if last is None:
        raise Conflict("no checkpoint was kept that the journal could disagree with")
    try:
        guard_continuity(control, kept)
    except StoreFault:
        lost = last.checkpoint
        body = {"size": lost.size, "root": lost.root.hex(), "because": because, "by": by}
        control.append([Draft("journal.reopened", SUBJECT, body, actor=by)])
        place = kept.set_aside()
        return make_checkpoint(control, signer, kept), place
    raise Conflict(
        "nothing is missing: the journal leads on from its last checkpoint", hint="tally journal verify"
    )
