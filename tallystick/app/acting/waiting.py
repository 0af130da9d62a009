"""Waiting for a person: until an approval is answered, or its time is up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tallystick.model.control import Approval, ApprovalState
from tallystick.model.errors import Conflict
from tallystick.model.journal import Draft
from tallystick.ports import Clock, ControlStore

POLL_NS: Final = 200_000_000

Waiter = Callable[[int], None]  # waits for about so many nanoseconds


def expire(control: ControlStore, found: Approval) -> Approval:
    """Record that nobody answered in time; returns the approval, which somebody may have answered meanwhile."""
    with suppress(Conflict):  # answered in the last moment: then that answer stands
        control.append([Draft("approval.expired", found.id, {"approval": found.id}, run=found.run)])
    return control.approval(found.id)


def wait_for(control: ControlStore, clock: Clock, waiter: Waiter, approval_id: str) -> Approval:
    """Wait until an approval is answered or its time is up (then it is recorded as expired)."""
    while True:
        found = control.approval(approval_id)
        if found.state is not ApprovalState.WAITING:
            return found
        left = found.expires - clock.now()
        if left <= 0:
            return expire(control, found)
        waiter(min(left, POLL_NS))
