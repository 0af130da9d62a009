"""What both control stores share: checking the chain of digests, and the errors for approvals."""

from __future__ import annotations

from collections.abc import Iterable

from tallystick.model.errors import StoreFault, UnknownThing
from tallystick.model.journal import GENESIS, Draft, Entry, seal


def check_chain(entries: Iterable[Entry]) -> int:
    """Recompute every digest, in order; return the number of entries. Raises StoreFault naming the first bad one."""
    previous, count = GENESIS, 0
    for entry in entries:
        count += 1
        draft = Draft(entry.kind, entry.subject, entry.body, entry.run, entry.actor)
        again = seal(draft, seq=count, entry_id=entry.id, at=entry.at, previous=previous)
        if (entry.seq, entry.previous, entry.digest) != (count, previous, again.digest):
            raise StoreFault(
                f"journal entry {entry.seq} ({entry.kind}) is not what was written, or one before it is missing",
                hint="put a backup in the place of control.db and compare the two", seq=entry.seq, expected_seq=count,
            )  # fmt: skip
        previous = entry.digest
    return count


def unknown_approval(approval: str, *, several: bool) -> UnknownThing:
    """The error for an approval id, or a prefix of one, that nothing or several have."""
    if several:
        return UnknownThing(f"several approvals start with {approval[:80]!r}", hint="give more of the id")
    return UnknownThing(f"no approval {approval[:80]!r}", hint="list them with: tally approvals ls")
