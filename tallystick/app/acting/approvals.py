"""Approvals: a person's answer to one held call, given once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from tallystick.app.acting.waiting import expire
from tallystick.app.reading.shapes import approval_json
from tallystick.model.commitment import Content
from tallystick.model.control import Approval, ApprovalState
from tallystick.model.errors import BadInput, Conflict
from tallystick.model.journal import Draft
from tallystick.model.people import Caller
from tallystick.ports import Clock, ControlStore, Ids

ANSWERS: Final = (ApprovalState.APPROVED.value, ApprovalState.REJECTED.value)
_LONGEST_NOTE: Final = 4_000
_LONGEST_NAME: Final = 256

Sign: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]  # an answer -> a DSSE envelope over it


def answer(
    control: ControlStore, clock: Clock, ids: Ids, approval_id: str, answer: str, by: Caller, note: str | None = None,
    *, sign: Sign | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Approve or reject one held call; returns the approval as it stands then.

    ``approval_id`` may be a prefix. ``by`` is whoever the door let in: once there are people, a person in the
    approval's group, and that is checked again in the transaction that writes the answer. ``sign`` puts the journal's
    signature to ``{approval, binding, answer, by, person, via, at}`` (``at`` in nanoseconds, as text); without it the
    entry has no envelope. Raises UnknownThing, BadInput for another answer or no name, Denied for who may not answer,
    and Conflict when the approval was answered before or is past its time (it is then recorded as expired).
    """
    if answer not in ANSWERS:
        raise BadInput(f"{answer!r} is no answer to an approval", hint="approved or rejected")
    if not by.name.strip():
        raise BadInput("an approval is answered by somebody", hint="say who")
    if len(by.name) > _LONGEST_NAME:
        raise BadInput(f"a name has at most {_LONGEST_NAME} characters")
    if note is not None and len(note) > _LONGEST_NOTE:
        raise BadInput(f"a note has at most {_LONGEST_NOTE} characters")
    found = control.approval(approval_id)
    if found.state is not ApprovalState.WAITING:
        raise already(found)
    if clock.now() >= found.expires:
        raise already(expire(control, found))
    given = {"approval": found.id, "binding": found.binding, "answer": answer, "by": by.name, "person": by.person,
        "via": by.via.value,
    }  # fmt: skip
    body = {
        **given, "note": None if note is None else Content(note, ids.salt()),
        "envelope": None if sign is None else sign({**given, "at": str(clock.now())}),
    }  # fmt: skip
    control.append([Draft("approval.answered", found.id, body, run=found.run, actor=by.name)])
    return approval_json(control.approval(found.id))


def already(found: Approval) -> Conflict:
    """The conflict of answering what is not waiting any more."""
    who = f" by {found.by}" if found.by else ""
    return Conflict(
        f"approval {found.id} is {found.state.value}{who}", hint="tally approvals ls", approval=found.id,
        state=found.state.value,
    )  # fmt: skip
