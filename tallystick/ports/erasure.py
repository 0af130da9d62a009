"""Erasure: contents of runs go, and what happened, when and what it cost stays. The trace stores implement it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Wiped:
    """What an erasure did: steps without contents now, records without salt, bytes overwritten (0: not known).

    ``log_emptied`` false: somebody still reads from before, or writes a file of the archive, and old bytes are in a
    file until then; ``unfinished`` says so too.
    """

    steps: int
    records: int
    bytes: int
    log_emptied: bool = True


class ErasableTraces(Protocol):
    """A trace store out of which contents can be taken."""

    def concerning(self, subject: str) -> Sequence[str]:
        """Runs that have a step which concerns a subject, oldest first. What was erased concerns nobody."""
        ...

    def unfinished(self) -> Sequence[str]:
        """All erased runs, where an erasure was begun and bytes of what it erased may still be in a file; else none."""
        ...

    def finish_erasing(self) -> None:
        """No file holds what was erased any more, here and elsewhere in the store: ``unfinished`` is none from now."""
        ...

    def erase(self, runs: Sequence[str]) -> Wiped:
        """Take out of runs all contents: attributes, events, links and messages of spans, goals, errors, subjects.

        Kinds, names, times, tokens, costs, decisions stay, and so do the commitments of records, whose salts go. Each
        run is done whole or not at all; run again after a crash, also with no runs, it finishes what was begun. What is
        written for these runs later is stored without contents too. Raises UnknownThing.
        """
        ...
