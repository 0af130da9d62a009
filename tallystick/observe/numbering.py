"""Whose sequence numbers are whose.

A run may cross processes, and each of them numbers the steps that it records from 1. So numbers are counted process by
process: what one process sends never fills a gap in another's. A process is known by the name in its resource, which
only its own SDK puts there; here it is a mark of 32 bits, because a run's tally must stay small.

A sender can claim anything. What it claims can cast doubt on a run (steps that it says are missing), and never lift it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final

from tallystick.model.step import Step
from tallystick.observe.values import clean_text

MOST: Final = 256  # processes of one run that are counted apart; those beyond share one count
_REST: Final = -1

Numbered = dict[int, list[int]]  # mark -> [steps that came, steps that their process says it numbered]


@lru_cache(maxsize=4096)
def mark_of(process: str) -> int:
    """The mark of a process name: the first 32 bits of its SHA-256, never 0 (which stands for senders without one)."""
    return int.from_bytes(sha256(process.encode("utf-8", "replace")).digest()[:4], "big") or 1


def count_number(numbered: Numbered, origin: int | None, came: int, expected: int) -> None:
    """Add steps that came, and steps that are expected, to what is known of a process (negative: take away)."""
    if not came and not expected:
        return
    key = origin or 0
    held = numbered.get(key)
    if held is None:
        if len(numbered) >= MOST:
            key = _REST
        held = numbered.setdefault(key, [0, 0])
    held[0] += came
    held[1] += expected


def count_leg(legs: dict[str, str], step: Step, sign: int) -> None:
    """Note that a leg is at work in a process, or take the note away (``sign`` -1); ended legs are not noted."""
    process = clean_text(step.facts.get("process")) if step.ended is None and step.facts else None
    if process is not None and sign > 0:
        legs[step.span] = process
    elif process is not None:
        legs.pop(step.span, None)


def gaps(numbered: Mapping[int, list[int]]) -> int:
    """How many numbered steps have not come, of the processes that have said how many there are."""
    return sum(max(0, expected - came) for came, expected in numbered.values())


def unsaid(numbered: Mapping[int, list[int]]) -> int:
    """How many processes numbered steps and never said how many there are: the end of what they did is missing."""
    return sum(came > 0 and not expected for mark, (came, expected) in numbered.items() if mark)
