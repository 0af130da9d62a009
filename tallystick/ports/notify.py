"""Telling people of approvals that wait, outside Tallystick."""

from __future__ import annotations

from typing import Protocol

from tallystick.model.notice import Notice


class Notifier(Protocol):
    """One place to which notices go."""

    @property
    def name(self) -> str:
        """The place as people are told of it: without secrets."""
        ...

    def send(self, notice: Notice, at: int) -> None:
        """Deliver one notice; ``at`` is now, in nanoseconds since the epoch. Raises Unreachable if it did not arrive.

        Sent again, a notice has the same id (its approval), so that a receiver can drop the second.
        """
        ...
