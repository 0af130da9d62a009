"""How every control store turns drafts into leaves of the journal, and how it checks them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick.model.canonical import digest_bytes
from tallystick.model.commitment import Content, Opening
from tallystick.model.errors import BadInput, StoreFault
from tallystick.model.journal import Draft, Entry, committed, contents_of, leaf_bytes, leaf_digest
from tallystick.proof.merkle import CompactRange

_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry on its way in: its leaf, what opens its commitments, and the body with its contents open."""

    entry: Entry
    leaf: bytes
    contents: tuple[Content, ...]
    open_body: Mapping[str, Any]


def sealed(draft: Draft, *, seq: int, entry_id: str, at: int, nth: int | None) -> Sealed:
    """Seal a draft: contents become commitments, and the leaf hash covers all that is left.

    Raises BadInput for a body that JSON cannot hold, a leaf that is too long, or a text whose digest is wrong.
    """
    for named, text in draft.texts.items():
        if digest_bytes(text.encode("utf-8", "surrogatepass")) != named:
            raise BadInput(f"a text of a {draft.kind} entry does not have the digest {named[:12]}")
    contents = tuple(contents_of(draft.body))
    body = plain_body(committed(draft.body)) if contents else plain_body(draft.body)
    bare = Entry(seq, entry_id, at, draft.kind, draft.subject, draft.run, draft.actor, body, "", nth)
    leaf = leaf_bytes(bare)
    entry = Entry(
        seq, entry_id, at, draft.kind, draft.subject, draft.run, draft.actor, body, leaf_digest(leaf), nth
    )
    return Sealed(entry, leaf, contents, _opened(draft.body) if contents else body)


def _opened(body: Any) -> Any:
    if isinstance(body, Content):
        return _decode(body.bytes)
    if isinstance(body, Mapping):
        return {key: _opened(value) for key, value in body.items()}
    if isinstance(body, list | tuple):
        return [_opened(value) for value in body]
    return body


def plain_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body as it looks after a way through JSON (tuples are lists, decimals are text)."""
    try:
        plain: dict[str, Any] = _decode(body_bytes(body))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput(f"a journal entry cannot hold this: {error}") from error
    return plain


def body_bytes(body: Mapping[str, Any]) -> bytes:
    """The stored form of a body. Raises BadInput for what JSON cannot hold."""
    try:
        return msgspec.json.encode(dict(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"a journal entry cannot hold this: {error}") from error


def values_of(openings: Iterable[Opening]) -> dict[str, Any]:
    """The contents that openings give, by commitment."""
    return {one.commitment: _decode(one.content) for one in openings if one.content is not None}


def checked_leaves(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Recompute every leaf hash in order. Raises StoreFault naming the first entry that is not what it was."""
    counts: dict[str, int] = {}
    for count, entry in enumerate(entries, 1):
        if entry.seq != count:
            raise StoreFault(f"the journal lacks entry {count}", hint="put a backup in its place", seq=count)
        if entry.run is not None:
            counts[entry.run] = counts.get(entry.run, 0) + 1
        try:
            again = leaf_digest(leaf_bytes(entry))
        except BadInput:
            again = ""
        nth = counts[entry.run] if entry.run is not None and entry.previous is None else None
        if again != entry.digest or nth != entry.nth:
            raise StoreFault(
                f"journal entry {entry.seq} was changed after it was written",
                hint="put a backup in its place, and find out who changed it", seq=entry.seq,
            )  # fmt: skip
        yield bytes.fromhex(entry.digest)


def checked_root(leaves: Iterable[bytes]) -> CompactRange:
    """The edge of the tree over leaf hashes."""
    edge = CompactRange()
    for leaf in leaves:
        edge.append(leaf)
    return edge
