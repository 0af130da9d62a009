"""Ties: what a span says by which its trace may belong to another one, where no id says so."""

from __future__ import annotations

from typing import Final, NamedTuple

# Roles. A host may have guests; who gives is followed by one who takes; who was created is invoked.
HOST: Final = 1
GUEST: Final = 2
GIVES: Final = 3
TAKES: Final = 4
CREATED: Final = 5
INVOKED: Final = 6


class Tie(NamedTuple):
    """One fact about a trace, to be held against those of others with the same ``key`` (``observe.tying``).

    ``key``: 64 bits, signed, of a digest over the sender's process and what is in common. ``role``: see above. ``at``,
    ``until``: nanoseconds; ``until`` below zero: one who took and gave no answer, or who gives and does not go
    with the one who takes.
    """

    key: int
    role: int
    at: int
    until: int
    trace: str
