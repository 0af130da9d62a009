"""Approvals as a state machine: what a question becomes by an answer, by an edit, by its use and by time. Pure.

A question waits until it is approved (by as many people as its rule asks for), rejected (by the first who says no),
edited (another call was proposed in its place) or expired. What was approved is used once. ``at`` is nanoseconds since
the epoch, of the clock of the store that writes the entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from tallystick.model.control import Approval, ApprovalState, Given
from tallystick.model.errors import BadInput, Conflict, Denied
from tallystick.model.quorum import named, same_person, served

ANSWERS: Final = (ApprovalState.APPROVED.value, ApprovalState.REJECTED.value)
MOST_APPROVERS: Final = 9  # that one rule may ask for
USER: Final = "user:"  # before the name of an operating system's user among those who may not approve
_LS: Final = "tally approvals ls"


def waiting(found: Approval, at: int) -> None:
    """Raises Conflict where a question can be answered no more."""
    if found.state is not ApprovalState.WAITING:
        raise settled(found)
    if at >= found.expires:
        raise Conflict(f"approval {found.id} is past its time", hint=_LS)


def settled(found: Approval) -> Conflict:
    """The conflict of answering what is not waiting any more."""
    who = f" by {found.by}" if found.by else ""
    return Conflict(
        f"approval {found.id} is {found.state.value}{who}",
        hint=_LS,
        approval=found.id,
        state=found.state.value,
    )


def stands_apart(apart: Iterable[str], name: str, os_user: str | None) -> str | None:
    """Why somebody may not approve what they had a part in; None: they may.

    ``apart`` are names of people, and users of the operating system as "user:NAME". ``os_user`` is the one that the
    person is.
    """
    for one in apart:
        if one.startswith(USER):
            if os_user is not None and one.removeprefix(USER) == os_user:
                return f"{name} started what asks"
        elif same_person(one, name):
            return f"{name} declared the agent or a policy that this is about"
    return None


def answered(
    found: Approval, answer: str, by: str, note: str | None, at: int, groups: tuple[str, ...] = ()
) -> Approval:
    """A question after one person's answer. It is approved when as many people as it asks for said yes.

    ``groups``: those asked that the person may speak for, where several are. Nobody serves two of them.
    Raises Conflict where it waits no more, this person has answered, or all that they speak for have; BadInput for
    another answer.
    """
    if answer not in ANSWERS:
        raise BadInput(f"{answer!r} is no answer to an approval", hint="approved or rejected")
    waiting(found, at)
    if answer == ApprovalState.APPROVED:
        if any(same_person(one.by, by) for one in found.given):
            raise Conflict(
                f"{by} has approved {found.id} already: {found.missing} more must, and nobody counts twice",
                hint=_LS,
            )
        given = (*found.given, Given(by, at, note, groups))
        if found.groups is not None:
            spoken = [one.groups for one in given]
            if served(found.groups, spoken) < len(given):
                raise Conflict(
                    f"{by} speaks for {named(groups) or 'nobody who is asked'}, and {found.id} waits for"
                    f" {named(found.lacking())}", hint=_LS,
                )  # fmt: skip
        if len(given) < found.quorum:
            return replace(found, given=given)
    return replace(found, state=ApprovalState(answer), answered=at, by=by, note=note)


def edited(found: Approval, changes: Mapping[str, Any], by: str, note: str | None, at: int) -> Approval:
    """A question in whose place another call was proposed: the same tool with other values of named arguments.

    ``changes`` may be None for values that are erased. Raises Conflict, and BadInput for what cannot be changed.
    """
    waiting(found, at)
    if not found.editable:
        raise Conflict(
            f"approval {found.id} is about a call whose arguments cannot be changed on its way",
            hint="reject it, and say in the note what to do instead",
        )
    if not changes:
        raise BadInput(
            "an edit changes at least one argument", hint="tally approvals edit APPROVAL --set NAME=VALUE"
        )
    unknown = [name for name in changes if name not in found.arguments]
    if unknown:
        raise BadInput(
            f"the call has no argument {unknown[0]!r}", hint="its arguments: " + ", ".join(found.arguments)
        )
    return replace(found, state=ApprovalState.EDITED, answered=at, by=by, note=note, edits=dict(changes))


def expired(found: Approval) -> Approval:
    """A question that nobody answered in time. Raises Conflict where it waits no more."""
    if found.state is not ApprovalState.WAITING:
        raise settled(found)
    return replace(found, state=ApprovalState.EXPIRED)


def consumed(found: Approval, binding: Any, at: int) -> Approval:
    """An approval, or an edit, whose one use is spent. Raises Conflict for any but one of exactly this, in time.

    ``at`` is the latest time that the store knows of, so that a clock that is behind does not make an approval last.
    """
    if found.state not in (ApprovalState.APPROVED, ApprovalState.EDITED):
        raise Conflict(f"approval {found.id} is {found.state.value}, not approved")
    if found.binding != binding:
        raise Conflict(f"approval {found.id} was given for something else")
    if at >= found.expires:
        raise Conflict(f"approval {found.id} is past its time")
    return replace(found, state=ApprovalState.CONSUMED)


def may_vouch(found: Approval, kind: str, name: str, by: str) -> None:
    """Whether the answer to an approval may also vouch for one of its values, or let one class of data flow.

    Raises Conflict where it was not approved by this person alone, and BadInput for what nobody asked about.
    """
    said_yes = found.state in (ApprovalState.APPROVED, ApprovalState.CONSUMED) and found.edits is None
    if not said_yes or found.by is None:
        raise Conflict(
            f"approval {found.id} is {found.state.value}: only who approves a call vouches for its values"
        )
    if not same_person(found.by, by):
        raise Denied(f"approval {found.id} was given by {found.by}", hint=_LS)
    if found.quorum > 1:
        raise Conflict(
            f"approval {found.id} asks {found.quorum} people, and one cannot vouch for later calls",
            hint="approve this call alone",
        )
    facts = found.facts or {}
    if kind == VALUE:
        if name not in facts.get("untrusted", ()):
            raise BadInput(
                f"nobody asked whether {name!r} can be trusted",
                hint="asked about: " + (", ".join(facts.get("untrusted", ())) or "none"),
            )
    elif kind != CLASS:
        raise BadInput(f"nobody vouches for a {kind}")
    elif name not in facts.get("leaks", ()):
        raise BadInput(
            f"this call does not tell {found.tool} any {name!r}",
            hint="it tells: " + (", ".join(facts.get("leaks", ())) or "nothing that it may not"),
        )


VALUE: Final = "value"
CLASS: Final = "class"
