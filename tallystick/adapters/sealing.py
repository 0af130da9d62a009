"""How every control store turns drafts into leaves of the journal, and what it gives back of their contents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from tallystick.model.canonical import digest_bytes
from tallystick.model.commitment import Content, Opening
from tallystick.model.errors import BadInput
from tallystick.model.journal import Draft, Entry, leaf_around, opened, texts_named, written_body
from tallystick.proof.merkle import leaf_hash

_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry on its way in: ``body`` is its body's RFC 8785 form, as it stands in the leaf and as stores keep it."""

    entry: Entry
    body: bytes
    leaf: bytes  # the leaf's hash
    contents: list[Content]

    @property
    def texts(self) -> list[str]:
        """The digests of the texts that the entry names."""
        return texts_named(self.entry.kind, self.entry.body)

    @property
    def openings(self) -> list[Opening]:
        """What opens the entry's commitments, in the order in which stores keep it."""
        return [
            Opening(one.commitment, one.salt, one.bytes)
            if one.keep
            else Opening(one.commitment, None, None, one.why)
            for one in self.contents
        ]


ERASED: Final = "erased"  # why an opening is not there


def unopened(one: Sealed) -> Sealed:
    """The same entry, of which no opening is kept: it came for a run whose contents were erased."""
    return replace(one, contents=[replace(held, keep=False, why=ERASED) for held in one.contents])


def sealed(draft: Draft, *, seq: int, entry_id: str, at: int, nth: int | None) -> Sealed:
    """Seal a draft: contents become commitments, and the leaf hash covers all that is left.

    Raises BadInput for a body that JSON cannot hold, a leaf that is too long, a text whose digest is wrong or that the
    body does not name.
    """
    made = written_body(draft.body)
    entry = Entry(seq, entry_id, at, draft.kind, draft.subject, draft.run, draft.actor, made.body, "", nth)
    leaf = leaf_hash(leaf_around(made.json, entry))
    object.__setattr__(entry, "digest", leaf.hex())  # nobody has seen the entry yet
    if draft.texts:
        _check_texts(draft, texts_named(draft.kind, made.body))
    return Sealed(entry, made.json, leaf, made.contents)


def _check_texts(draft: Draft, named: list[str]) -> None:
    for digest, text in draft.texts.items():
        try:
            fits = digest_bytes(text.encode("utf-8")) == digest
        except UnicodeEncodeError as error:
            raise BadInput(f"a text of a {draft.kind} entry is not valid Unicode: {error}") from error
        if not fits:
            raise BadInput(f"a text of a {draft.kind} entry does not have the digest {digest[:12]}")
        if digest not in named:
            raise BadInput(f"a {draft.kind} entry brings the text {digest[:12]} and does not name it")


def no_such_text(kind: str, digest: str) -> BadInput:
    """The answer to an entry that names a text which nobody ever gave."""
    return BadInput(f"a {kind} entry names the text {digest[:12]}, which is neither in the journal nor given")


def values_of(openings: Iterable[Opening]) -> dict[str, Any]:
    """The contents that openings give, by commitment."""
    return {one.commitment: _decode(one.content) for one in openings if one.content is not None}


def open_body(entry: Entry, openings: Sequence[Opening]) -> Mapping[str, Any]:
    """A written body with its contents open; what is withheld or erased is None."""
    if not openings:  # as many as there are commitments
        return entry.body
    body: Mapping[str, Any] = opened(entry.body, values_of(openings))
    return body
