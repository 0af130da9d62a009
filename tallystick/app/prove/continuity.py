"""Is the journal still the one that somebody saw before? A few hashes answer it, however long the journal is."""

from __future__ import annotations

from typing import Final

from tallystick.model.errors import BadInput, StoreFault, UnknownThing
from tallystick.ports import ControlStore
from tallystick.proof.merkle import HASH_BYTES, root_at

_SHORTER: Final = "shorter"
_FORKED: Final = "forked"


def check_continuity(control: ControlStore, size: int, root: bytes) -> None:
    """Hold the journal against an earlier checkpoint: ``root`` over its first ``size`` entries.

    Raises StoreFault whose detail has ``finding`` ("shorter" or "forked"), ``size`` and ``entries``; BadInput for a
    size or a root that no checkpoint has.
    """
    if size < 0 or len(root) != HASH_BYTES:
        raise BadInput("a checkpoint has a size from 0 and a root of 32 bytes")
    entries, _ = control.head()
    if size > entries:
        raise _fault(
            _SHORTER, f"the journal has {entries} entries, and {size} were signed before: the newest are gone", size,
            entries,
        )  # fmt: skip
    try:
        now = root_at(size, control.nodes)
    except UnknownThing as error:
        raise _fault(
            _SHORTER, f"entries are missing among the journal's first {size}", size, entries
        ) from error
    if now != root:
        raise _fault(
            _FORKED, f"the journal's first {size} entries are not those that were signed before: it was forked", size,
            entries,
        )  # fmt: skip


def _fault(finding: str, message: str, size: int, entries: int) -> StoreFault:
    hint = "put the newest backup in its place; or admit what is lost: tally journal reopen --because TEXT"
    return StoreFault(message, hint=hint, finding=finding, size=size, entries=entries)
