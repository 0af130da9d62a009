"""Approvals: a person's answer to one held call, given once."""

from __future__ import annotations

from typing import Any, Final

from tallystick.app.shapes import approval_json
from tallystick.app.waiting import expire
from tallystick.model.control import Approval, ApprovalState
from tallystick.model.errors import BadInput, Conflict
from tallystick.model.journal import Draft
from tallystick.ports import Clock, ControlStore, Ids

ANSWERS: Final = (ApprovalState.APPROVED.value, ApprovalState.REJECTED.value)
_LONGEST_NOTE: Final = 4_000


def answer(
    control: ControlStore, clock: Clock, ids: Ids, approval_id: str, answer: str, by: str, note: str | None = None
) -> dict[str, Any]:  # fmt: skip
    """Approve or reject one held call; returns the approval as it stands then.

    ``approval_id`` may be a prefix. Raises UnknownThing, BadInput for another answer or no name, and Conflict when the
    approval was answered before or is past its time (it is then recorded as expired).
    """
    del ids  # the journal names its own entries; doors hand over what every writing use case may need
    if answer not in ANSWERS:
        raise BadInput(f"{answer!r} is no answer to an approval", hint="approved or rejected")
    if not by.strip():
        raise BadInput("an approval is answered by somebody", hint="say who")
    if note is not None and len(note) > _LONGEST_NOTE:
        raise BadInput(f"a note has at most {_LONGEST_NOTE} characters")
    found = control.approval(approval_id)
    if found.state is not ApprovalState.WAITING:
        raise already(found)
    if clock.now() >= found.expires:
        raise already(expire(control, found))
    body = {"approval": found.id, "answer": answer, "by": by, "note": note}
    control.append([Draft("approval.answered", found.id, body, run=found.run, actor=by)])
    return approval_json(control.approval(found.id))


def already(found: Approval) -> Conflict:
    """The conflict of answering what is not waiting any more."""
    who = f" by {found.by}" if found.by else ""
    return Conflict(
        f"approval {found.id} is {found.state.value}{who}", hint="tally approvals ls", approval=found.id,
        state=found.state.value,
    )  # fmt: skip
