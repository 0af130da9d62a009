"""Inclusion and consistency: the entries are in the journal that the checkpoint signs, and so are older checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tallystick.model.errors import BadInput
from tallystick.proof.keys import ED25519, VerifierKey
from tallystick.proof.lines import Line
from tallystick.proof.merkle import is_consistent, root_from_many
from tallystick.proof.notes import Checkpoint, parse_checkpoint, parse_note, verified
from tallystick.proof.report import Checklist
from tallystick.proof.verify.seen import Seen, hash_of


@dataclass(frozen=True, slots=True)
class Trust:
    """What the reader of a file brings along: the log's keys, earlier checkpoints (notes), witnesses' keys."""

    keys: tuple[VerifierKey, ...] = ()
    checkpoints: tuple[str, ...] = ()
    witnesses: tuple[VerifierKey, ...] = ()

    def of(self, origin: object) -> list[VerifierKey]:
        """The log's keys that sign for an origin: a checkpoint's first line is the name of the key that signs it."""
        return [key for key in self.keys if key.type == ED25519 and key.name == origin]


@dataclass(frozen=True, slots=True)
class _Earlier:
    place: str
    checkpoint: Checkpoint
    hashes: tuple[bytes, ...]


class Inclusion:
    """Collects leaf hashes and proofs, and folds them when the checkpoint is known."""

    def __init__(self, told: Checklist, seen: Seen, trust: Trust) -> None:
        self._told = told
        self._seen = seen
        self._trust = trust
        self._indexes: list[int] = []
        self._leaves: list[bytes] = []
        self._proof: tuple[int, list[bytes]] | None = None
        self._earlier: list[_Earlier] = []
        self.checkpoint: Checkpoint | None = None

    def leaf(self, seq: int, leaf: bytes) -> None:
        """The leaf hash of entry ``seq``."""
        self._seen.keep(64)
        self._indexes.append(seq - 1)
        self._leaves.append(leaf)

    def inclusion(self, line: Line) -> None:
        """The hashes that lead from the entries to the root."""
        size = line.value["size"]
        if type(size) is not int:
            raise TypeError("a size is a number")
        self._proof = size, [hash_of(one) for one in line.value["hashes"]]

    def consistency(self, line: Line) -> None:
        """An earlier checkpoint and its proof."""
        note = parse_note(line.value["note"])
        checkpoint = parse_checkpoint(note.text)
        if checkpoint.size != line.value["size"]:
            self._told.finding(
                "consistency", line.place, "the proof is for another size than the checkpoint's"
            )
        if self._trust.keys and not verified(note, self._trust.of(checkpoint.origin)):
            self._told.finding(
                "signature", line.place, "the earlier checkpoint is not signed by the key given"
            )
        hashes = tuple(hash_of(one) for one in line.value["hashes"])
        self._earlier.append(_Earlier(line.place, checkpoint, hashes))

    def head(self, line: Line) -> None:
        """The checkpoint that everything is proved against."""
        note = parse_note(line.value["note"])
        self.checkpoint = found = parse_checkpoint(note.text)
        if found.origin != self._seen.header.get("origin"):
            self._told.finding("format", line.place, "the checkpoint is of another log than the file says")
        if self._trust.keys:
            if verified(note, self._trust.of(found.origin)):
                self._told.holds("signature")
            else:
                self._told.finding("signature", line.place, "the checkpoint is not signed by the key given")
        for witness in self._trust.witnesses:
            if verified(note, [witness]):
                self._told.holds("signature")
                self._told.outside = True
            else:
                self._told.finding(
                    "signature", line.place, f"witness {witness.name} did not cosign the checkpoint"
                )

    def finish(self) -> None:
        """Fold everything. A file without these lines has a finding of form already."""
        if self.checkpoint is None or self._proof is None:
            return
        size, hashes = self._proof
        root = root_from_many(self._indexes, self._leaves, size, hashes)
        if size != self.checkpoint.size or root != self.checkpoint.root:
            self._told.finding("inclusion", "", "entries and proof do not lead to the root of the checkpoint")
        else:
            self._told.holds("inclusion", len(self._leaves))
        self._consistency(self.checkpoint)

    def _consistency(self, head: Checkpoint) -> None:
        for one in self._earlier:
            old = one.checkpoint
            fits = old.origin == head.origin and is_consistent(
                old.size, head.size, old.root, head.root, one.hashes
            )
            if fits:
                self._told.holds("consistency")
            else:
                self._told.finding(
                    "consistency", one.place, f"the checkpoint of {old.size} entries is no prefix"
                )
        for number, text in enumerate(self._trust.checkpoints, 1):
            self._given(f"checkpoint {number} given", text, head)
        if not self._earlier and not self._trust.checkpoints:
            self._told.not_checked("consistency", "", "no earlier checkpoint is here or was given")

    def _given(self, place: str, text: str, head: Checkpoint) -> None:
        """A checkpoint that the reader holds: it must be this one, or one that the file proves to be a prefix."""
        note = parse_note(text)
        old = parse_checkpoint(note.text)
        problem: str | None = None
        if self._trust.keys and not verified(note, self._trust.of(old.origin)):
            problem = "it is not signed by the key given"
        elif old.origin != head.origin:
            problem = f"it is of another log, {old.origin}"
        elif old.size > head.size:
            problem = (
                f"it has {old.size} entries and this file's journal {head.size}: entries were dropped, "
                "or the file is older than the checkpoint"
            )
        elif not _proved(old, head, self._earlier):
            problem = (
                f"the journal of this file does not lead on from its {old.size} entries"
                if old.size == head.size or any(one.checkpoint.size == old.size for one in self._earlier)
                else "this file has no proof from it: ask for evidence made with --checkpoint"
            )
        if problem is None:
            self._told.holds("consistency")
            self._told.outside = True
        else:
            self._told.finding("consistency", place, problem)


def _proved(old: Checkpoint, head: Checkpoint, earlier: Iterable[_Earlier]) -> bool:
    if old.size == head.size:
        return old.root == head.root
    if old.size == 0:
        return is_consistent(0, head.size, old.root, head.root, [])
    return any(
        one.checkpoint.size == old.size
        and one.checkpoint.root == old.root
        and is_consistent(old.size, head.size, old.root, head.root, one.hashes)
        for one in earlier
    )


def checked_notes(notes: Sequence[str]) -> tuple[str, ...]:
    """Checkpoints as a reader gives them. Raises BadInput for what is no signed checkpoint."""
    for number, text in enumerate(notes, 1):
        try:
            parse_checkpoint(parse_note(text).text)
        except BadInput as error:
            raise BadInput(f"checkpoint {number} given cannot be read: {error.message}") from error
    return tuple(notes)
