"""What entries about approvals do to their views, and what must hold before they may be written.

The rules are those of ``govern.approvals``; here they are given what the store knows: the entry's time, the people, and
the newest time that was ever written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Protocol

from tallystick.adapters.people_projections import PeopleViews, check_answerer
from tallystick.govern.approvals import (
    MOST_APPROVERS,
    USER,
    answered,
    consumed,
    edited,
    expired,
    may_vouch,
    stands_apart,
)
from tallystick.model.control import Approval, ApprovalState, Vouched
from tallystick.model.errors import BadInput, Conflict, Denied, UnknownThing
from tallystick.model.journal import Entry
from tallystick.model.quorum import same_person

LONGEST_VOUCHED_NS: Final = 366 * 86_400 * 1_000_000_000


class ApprovalViews(PeopleViews, Protocol):
    """Approvals, and what people vouched for. ``get`` methods return None for what is not there."""

    def put_approval(self, approval: Approval) -> None:
        """Add or replace one approval."""
        ...

    def get_approval(self, approval: str) -> Approval | None:
        """One approval by its whole id."""
        ...

    def put_vouched(self, vouched: Vouched) -> None:
        """Add or replace one."""
        ...

    def get_vouched(self, vouched: str) -> Vouched | None:
        """One by its id."""
        ...

    def time_before(self, seq: int) -> int:
        """When the newest entry before one was written; 0 without any."""
        ...


def requested(views: ApprovalViews, entry: Entry, body: Mapping[str, Any]) -> None:
    """Somebody is asked."""
    if views.get_approval(body["approval"]) is not None:
        raise Conflict(f"approval {body['approval']} was requested before")
    quorum = body.get("quorum", 1)
    if type(quorum) is not int or not 1 <= quorum <= MOST_APPROVERS:
        raise BadInput(f"an approval asks 1 to {MOST_APPROVERS} people")
    facts = body.get("facts")
    views.put_approval(
        Approval(
            body["approval"], ApprovalState.WAITING, body["decision"], body["run"], body["agent"], body["tool"],
            arguments_shown(body), body["binding"], body["group"], body["because"], entry.at,
            int(body["expires_ns"]), quorum=quorum, apart=tuple(body.get("apart") or ()), asks=body.get("asks"),
            rules=tuple(body.get("rules") or ()), facts=dict(facts) if facts is not None else None,
            editable=bool(body.get("editable")), groups=_groups(body.get("groups"), quorum),
        )
    )  # fmt: skip


def _groups(groups: Any, quorum: int) -> dict[str, int] | None:
    """How many people of each of several groups, as an entry says it. Raises BadInput where the numbers do not fit."""
    if groups is None:
        return None
    fits = isinstance(groups, Mapping) and len(groups) > 1 and all(
        type(name) is str and type(count) is int and count > 0 for name, count in groups.items()
    )  # fmt: skip
    if not fits or sum(groups.values()) != quorum:
        raise BadInput("an approval of several groups says how many people of each, and of all together")
    return dict(groups)


def arguments_shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a held call as people see them: what is not kept as it is stands there as ``shown``."""
    arguments = {**(body["arguments"] or {}), **(body.get("shown") or {})}
    whole = arguments.get("*")  # committed to as one, because an entry could not name them all
    return dict(whole) if len(arguments) == 1 and isinstance(whole, dict) else arguments


def _known(views: ApprovalViews, approval: str) -> Approval:
    found = views.get_approval(approval)
    if found is None:
        raise UnknownThing(f"there is no approval {approval!r}", hint="tally approvals ls")
    return found


def _check_part(views: ApprovalViews, found: Approval, body: Mapping[str, Any]) -> None:
    """Refuse a yes by somebody who had a part in what asks. Raises Denied."""
    if not found.apart:
        return
    person = views.get_person(body["by"])
    why = stands_apart(found.apart, body["by"], person.os_user if person is not None else None)
    if why is not None:
        raise Denied(
            f"this approval is for somebody else: {why}", hint="the setting separate_duties says so",
            group=found.group,
        )  # fmt: skip


def _answered(views: ApprovalViews, entry: Entry, body: Mapping[str, Any]) -> None:
    if not isinstance(body["note"], str | None):
        raise BadInput("the note of an answer is a text")
    found = _known(views, body["approval"])
    yes = body["answer"] == ApprovalState.APPROVED
    groups = tuple(_spoken_for(found, body)) if yes else ()
    after = answered(found, body["answer"], body["by"], body["note"], entry.at, groups)
    if groups:
        for group in groups:
            check_answerer(views, entry, body, group)
    else:
        _check_any(views, entry, body, found)
    if yes:
        _check_part(views, found, body)
    views.put_approval(after)


def _spoken_for(found: Approval, body: Mapping[str, Any]) -> list[str]:
    """The groups that a yes is given for, where several are asked."""
    if found.groups is None:
        return []
    groups = body.get("groups")
    if not isinstance(groups, list) or not groups or not all(one in found.groups for one in groups):
        raise BadInput("a yes to several groups says for which of them", hint=", ".join(found.groups))
    return sorted(set(groups))


def _check_any(views: ApprovalViews, entry: Entry, body: Mapping[str, Any], found: Approval) -> None:
    """A no, and other arguments, come from anybody who is asked. Raises Denied."""
    *others, last = found.asked
    for group in others:
        with suppress(Denied):
            return check_answerer(views, entry, body, group)
    return check_answerer(views, entry, body, last)


def _edited(views: ApprovalViews, entry: Entry, body: Mapping[str, Any]) -> None:
    if not isinstance(body["note"], str | None):
        raise BadInput("the note of an edit is a text")
    found = _known(views, body["approval"])
    after = edited(found, body["arguments"], body["by"], body["note"], entry.at)
    _check_any(views, entry, body, found)
    _check_part(views, found, body)
    views.put_approval(after)


def _expired(views: ApprovalViews, _entry: Entry, body: Mapping[str, Any]) -> None:
    views.put_approval(expired(_known(views, body["approval"])))


def _consumed(views: ApprovalViews, entry: Entry, body: Mapping[str, Any]) -> None:
    found = _known(views, body["approval"])
    at = entry.at
    if at < found.expires:  # by this process's clock; the journal may know better
        at = max(at, views.time_before(entry.seq))
    views.put_approval(consumed(found, body["binding"], at))


def _value_endorsed(views: ApprovalViews, entry: Entry, body: Mapping[str, Any]) -> None:
    _vouched(views, entry, body, "value", body["argument"], body["value"])


def _label_released(views: ApprovalViews, entry: Entry, body: Mapping[str, Any]) -> None:
    _vouched(views, entry, body, "class", body["class"], None)


def _vouched(
    views: ApprovalViews, entry: Entry, body: Mapping[str, Any], kind: str, name: str, value: Any
) -> None:
    found, until = _known(views, body["approval"]), int(body["until_ns"])
    may_vouch(found, kind, name, body["by"])
    run, agent = body["run"], body["agent"]
    if (run, agent) not in ((found.run, None), (None, found.agent)) or body["tool"] != found.tool:
        raise BadInput("what is vouched for belongs to the run or to the agent that asked, and to its tool")
    if not entry.at < until <= entry.at + LONGEST_VOUCHED_NS:
        raise BadInput("nobody vouches for more than 366 days, nor into the past")
    if views.get_vouched(body["vouched"]) is not None:
        raise Conflict("this was vouched for before")
    views.put_vouched(
        Vouched(
            str(body["vouched"]), kind, found.id, found.tool, name, until, body["by"], entry.at, run, agent, value
        )
    )  # fmt: skip


def forget_approval(views: ApprovalViews, entry: Entry, body: Mapping[str, Any]) -> None:
    """Take out of the views what came from contents of an entry that are erased now; ``body`` has None for them."""
    if entry.kind == "value.endorsed":
        vouched = views.get_vouched(body["vouched"])
        if vouched is not None:
            views.put_vouched(replace(vouched, value=body["value"]))
        return
    found = views.get_approval(body["approval"])
    if found is None:
        return
    if entry.kind == "approval.requested":
        views.put_approval(replace(found, arguments=arguments_shown(body)))
    elif entry.kind == "approval.edited":
        views.put_approval(replace(found, note=body["note"], edits=dict(body["arguments"])))
    elif found.by is not None and same_person(found.by, body["by"]):
        views.put_approval(replace(found, note=body["note"]))
    else:
        given = tuple(
            replace(one, note=body["note"]) if same_person(one.by, body["by"]) else one for one in found.given
        )
        views.put_approval(replace(found, given=given))


FORGOTTEN: Final = ("approval.requested", "approval.answered", "approval.edited", "value.endorsed")
APPROVAL_KINDS: Final[dict[str, Callable[[ApprovalViews, Entry, Mapping[str, Any]], None]]] = {
    "approval.requested": requested,
    "approval.answered": _answered,
    "approval.edited": _edited,
    "approval.expired": _expired,
    "approval.consumed": _consumed,
    "value.endorsed": _value_endorsed,
    "label.released": _label_released,
}
VOUCHING_KINDS: Final = ("value.endorsed", "label.released")

__all__ = ["APPROVAL_KINDS", "FORGOTTEN", "USER", "VOUCHING_KINDS", "ApprovalViews", "forget_approval"]
