"""Whose sequence numbers are whose.

A run may cross processes, and each of them numbers the steps that it records from 1. So numbers are counted process by
process: what one process sends never fills a gap in another's. A process is known by the name in its resource, which
only its own SDK puts there; here it is a mark of 32 bits, because a run's tally must stay small.

A sender can claim anything. What it claims can cast doubt on a run (steps that it says are missing), and never lift it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from tallystick.model.step import Step
from tallystick.observe.values import clean_text

MOST: Final = 1_024  # processes of one run that are counted apart; with more, all share one count
_ALL: Final = -1
_LEGS: Final = 32  # places for the processes of legs; two that fall on one place are not told apart
_LONGEST_NAME: Final = 200

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
        if len(numbered) >= MOST:  # all of them, so that the order of arrival decides nothing
            sums = [sum(counts[index] for counts in numbered.values()) for index in (0, 1)]
            numbered.clear()
            numbered[_ALL] = sums
        if _ALL in numbered:
            key = _ALL
        held = numbered.setdefault(key, [0, 0])
    held[0] += came
    held[1] += expected


def too_many(numbered: Mapping[int, list[int]]) -> bool:
    """Whether so many processes numbered steps that one's steps could fill a gap in another's."""
    return _ALL in numbered


Legs = dict[int, list[Any]]  # place -> [legs at work, the process that all its legs named, "" for several]


def count_leg(legs: Legs, step: Step, sign: int) -> None:
    """Note the process of a leg, and that it is at work while it has not ended (``sign`` -1 takes that away).

    Bounded, and the same whatever the order: places are shared by print, and a name is never taken away.
    """
    process = clean_text(step.facts.get("process")) if step.facts else None
    if process is None:
        return
    process = process[:_LONGEST_NAME]
    held = legs.setdefault(mark_of(process) % _LEGS, [0, process])
    if step.ended is None:
        held[0] += sign
    if held[1] != process:
        held[1] = ""


def legs_at_work(legs: Mapping[int, list[Any]]) -> list[str]:
    """The processes in which legs are at work, one for each place ("" where it cannot be said which)."""
    return sorted(process for count, process in legs.values() if count > 0)


def lives(processes: str | None, alive: Callable[[str], bool | None]) -> bool | None:
    """Whether one of several processes (names, one to a line) lives; None where that cannot be told."""
    if processes is None:
        return None
    found = {alive(one) for one in processes.split("\n")}
    return True if True in found else None if None in found else False


def gaps(numbered: Mapping[int, list[int]]) -> int:
    """How many numbered steps have not come, of the processes that have said how many there are."""
    return sum(max(0, expected - came) for came, expected in numbered.values())


def unsaid(numbered: Mapping[int, list[int]]) -> int:
    """How many processes numbered steps and never said how many there are: the end of what they did is missing."""
    return sum(came > 0 and not expected for mark, (came, expected) in numbered.items() if mark)
