"""Parents that steps name and that have not come: while there is one, nobody knows a run to be whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from tallystick.model.step import Step

if TYPE_CHECKING:
    from tallystick.observe.summary import Tally

MOST_HELD: Final = 256  # of one run that a tally holds itself where its store can keep more of them beside it


def note_parents(tally: Tally, steps: Sequence[Step], here: Iterable[str]) -> None:
    """Keep the set of parents that have not come.

    ``steps`` are new in the run; ``here`` holds those of their parents (trace + span) that came with earlier batches.
    A store that keeps some beside the tally gives those of ``steps`` back to it before.
    """
    wanted = {step.trace + step.parent for step in steps if step.parent is not None}
    wanted.difference_update(here)
    if wanted:
        tally.missing |= wanted
    if tally.missing:
        tally.missing.difference_update([step.trace + step.span for step in steps])


def lacking(tally: Tally) -> int:
    """How many parents of a run have not come."""
    return len(tally.missing) + tally.beside
