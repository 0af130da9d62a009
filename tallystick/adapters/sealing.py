"""How every control store seals its entries, and how it checks them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from tallystick.model.errors import BadInput, StoreFault
from tallystick.model.journal import GENESIS, Draft, Entry, seal


def sealed(draft: Draft, *, seq: int, entry_id: str, at: int, previous: str) -> Entry:
    """Seal a draft in the form in which its body will be read again, so that its digest can be recomputed.

    Raises BadInput for a body that JSON cannot hold.
    """
    return seal(
        replace(draft, body=plain_body(draft.body)), seq=seq, entry_id=entry_id, at=at, previous=previous
    )


def plain_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body as it looks after a way through JSON (tuples are lists, decimals are text)."""
    try:
        plain: dict[str, Any] = msgspec.json.decode(body_bytes(body))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput(f"a journal entry cannot hold this: {error}") from error
    return plain


def body_bytes(body: Mapping[str, Any]) -> bytes:
    """The stored form of a body. Raises BadInput for what JSON cannot hold."""
    try:
        return msgspec.json.encode(dict(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"a journal entry cannot hold this: {error}") from error


def checked_chain(entries: Iterable[Entry]) -> int:
    """Recompute every digest in order; the number of entries. Raises StoreFault naming the first bad one."""
    previous, count = GENESIS, 0
    for entry in entries:
        count += 1
        if entry.seq != count:
            raise StoreFault(f"the journal lacks entry {count}", hint="put a backup in its place", seq=count)
        draft = Draft(entry.kind, entry.subject, entry.body, entry.run, entry.actor)
        again = seal(draft, seq=entry.seq, entry_id=entry.id, at=entry.at, previous=previous)
        if entry.previous != previous or again.digest != entry.digest:
            raise StoreFault(
                f"journal entry {entry.seq} was changed after it was written",
                hint="put a backup in its place, and find out who changed it", seq=entry.seq,
            )  # fmt: skip
        previous = entry.digest
    return count
