"""What every trace store answers to a name that it does not have."""

from __future__ import annotations

from tallystick.model.errors import UnknownThing


def unknown_run(run: str, *, several: bool = False) -> UnknownThing:
    """The error for a run id, or a prefix of one, that nothing or several have."""
    if several:
        return UnknownThing(
            f"several runs start with {run[:80]!r}", hint="give more digits of the id", run=run[:80]
        )
    return UnknownThing(f"no run {run[:80]!r}", hint="list what is there with: tally runs ls", run=run[:80])
