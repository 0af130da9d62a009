"""What must hold in every journal, checked entry by entry; each control store feeds it from its own rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

from tallystick.adapters.checkpoint_text import read_checkpoint
from tallystick.model.canonical import digest_bytes
from tallystick.model.commitment import Opening
from tallystick.model.errors import BadInput, StoreFault
from tallystick.model.journal import Entry, commitments_of, leaf_around, texts_named
from tallystick.proof.merkle import CompactRange, leaf_hash

_HINT: Final = "put a backup in its place, and find out who changed it"
FIRST_CHAIN: Final = "0" * 64  # what the first entry of the first leaf version had before it


def damage(message: str, *, hint: str = _HINT, **place: Any) -> StoreFault:
    """The fault that names a place at which the journal is not what was written."""
    return StoreFault(message, hint=hint, **place)


class JournalCheck:
    """Takes entries in order, then the texts. Raises StoreFault at the first thing that is not as it was written.

    ``checkpoints`` are (size, note) by size; each must be met by the tree on its way.
    """

    def __init__(self, checkpoints: Iterable[tuple[int, str]]) -> None:
        self.edge = CompactRange()
        self._chain: str | None = FIRST_CHAIN  # None once an entry of the second leaf version was met
        self._counts: dict[str, int] = {}
        self._named: dict[str, int] = {}
        self._checkpoints = iter(checkpoints)
        self._next = next(self._checkpoints, None)
        self._meet_checkpoints()

    def entry(self, entry: Entry, body: bytes, openings: Sequence[Opening]) -> bytes:
        """Check one entry with its stored body and its openings; its leaf hash."""
        seq = self.edge.size + 1
        if entry.seq != seq:
            raise damage(f"the journal lacks entry {seq}", seq=seq)
        try:
            leaf = leaf_around(body, entry)
        except (BadInput, TypeError) as error:
            raise _changed(seq) from error
        hashed = leaf_hash(leaf)
        if hashed.hex() != entry.digest or self._nth(entry) != entry.nth:
            raise _changed(seq)
        self._check_chain(entry, leaf)
        if entry.previous is None:
            self._check_openings(entry, openings)
            for digest in texts_named(entry.kind, entry.body):
                self._named.setdefault(digest, seq)
        elif openings:
            raise damage(f"entry {seq} has no commitments, and openings are kept for it", seq=seq)
        self.edge.append(hashed)
        self._meet_checkpoints()
        return hashed

    def _nth(self, entry: Entry) -> int | None:
        if entry.run is None:
            return None
        self._counts[entry.run] = self._counts.get(entry.run, 0) + 1
        return None if entry.previous is not None else self._counts[entry.run]

    def _check_chain(self, entry: Entry, leaf: bytes) -> None:
        """Entries of the first leaf version name the digest of the one before, and stand in the front."""
        if entry.previous is None:
            self._chain = None
        elif entry.previous != self._chain:
            raise _changed(entry.seq if self._chain in (None, FIRST_CHAIN) else entry.seq - 1)
        else:
            self._chain = sha256(leaf).hexdigest()

    def _check_openings(self, entry: Entry, openings: Sequence[Opening]) -> None:
        wanted = commitments_of(entry.body)
        if sorted(wanted) != sorted(one.commitment for one in openings):
            raise damage(
                f"the openings kept for entry {entry.seq} are not those of its commitments", seq=entry.seq
            )
        for one in openings:
            kept = one.content is not None
            if (kept and (not one.fits or one.why is not None)) or (not kept and one.salt is not None):
                raise damage(
                    f"an opening of entry {entry.seq} does not open its commitment",
                    seq=entry.seq, commitment=one.commitment,
                )  # fmt: skip

    def _meet_checkpoints(self) -> None:
        while self._next is not None and self._next[0] <= self.edge.size:
            size, note = self._next
            try:
                given = read_checkpoint(note)
            except BadInput as error:
                raise damage(
                    f"the checkpoint of {size} entries is no checkpoint any more", size=size
                ) from error
            if given.size != size or size != self.edge.size or given.root != self.edge.root():
                raise damage(
                    f"the journal was forked: its first {size} entries are not those that a checkpoint signed",
                    size=size, finding="forked",
                )  # fmt: skip
            self._next = next(self._checkpoints, None)

    def end(self, texts: Iterable[tuple[str, str]]) -> None:
        """After the last entry: no checkpoint may be left, and texts must be those that entries name."""
        if self._next is not None:
            raise damage(
                f"the journal was cut: it has {self.edge.size} entries, and a checkpoint signed {self._next[0]}",
                size=self._next[0], finding="shorter",
            )  # fmt: skip
        for digest, text in texts:
            if digest_bytes(text.encode("utf-8", "surrogatepass")) != digest:
                raise damage(f"the text {digest[:12]} was changed", text=digest)
            if self._named.pop(digest, None) is None:
                raise damage(f"no entry names the text {digest[:12]}", text=digest)
        for digest, seq in self._named.items():
            raise damage(f"the text {digest[:12]}, which entry {seq} names, is missing", seq=seq, text=digest)


def _changed(seq: int) -> StoreFault:
    return damage(f"journal entry {seq} was changed after it was written", seq=seq)
