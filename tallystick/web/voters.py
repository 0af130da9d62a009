"""Who may answer an approval: whoever looks, and who else still may; what each did who had a part in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tallystick.govern.approvals import USER, stands_apart
from tallystick.model.people import Caller
from tallystick.model.quorum import same_person
from tallystick.web.sources import People


def standing(people: People | None, caller: Caller, approval: Mapping[str, Any]) -> dict[str, Any]:
    """``{"why_not", "not_yes", "others", "apart", "missing"}`` of one approval that waits.

    ``why_not``: why whoever looks may not answer at all; ``not_yes``: why they may only reject; None: they may.
    ``others`` are the names of people who may still say yes; None where nobody was added as a person, and then whoever
    reaches this page may. ``apart`` are those who may not, as people read it; ``missing`` how many must still say yes.
    """
    everybody = None if people is None else people.people()
    if people is None or everybody is None or not everybody.exist:
        found: dict[str, Any] = {"why_not": None, "not_yes": _said_yes(approval, caller.name), "others": None}
    elif caller.person is None:
        why = "only people who are signed in answer approvals"
        found = {"why_not": why, "not_yes": None, "others": _others(people, approval)}
    else:
        found = {
            "why_not": _why_not(people, approval["groups"], caller.person),
            "not_yes": _not_yes(people, approval, caller.person),
            "others": _others(people, approval),
        }
    apart = [_who(one) for one in approval["apart"]]
    return {**found, "apart": apart, "missing": int(approval["quorum"]) - len(approval["given"])}


def _others(people: People, approval: Mapping[str, Any]) -> list[str]:
    """Everybody whose yes would count now."""
    return [
        one.name
        for one in people.people().persons.values()
        if one.removed is None and _not_yes(people, approval, one.name) is None
    ]


def _why_not(people: People, groups: Iterable[str], name: str) -> str | None:
    """Why a person may speak for none of the groups that are asked; None: they may for one."""
    why = [people.may_answer(name, group) for group in groups]
    return None if None in why else why[0] if why else "no group is asked"


def _not_yes(people: People, approval: Mapping[str, Any], name: str) -> str | None:
    """Why a person's yes would not count now: only that of a group of which one more is lacking does."""
    person = people.people().persons.get(name)
    os_user = person.os_user if person is not None else None
    return (
        _said_yes(approval, name)
        or stands_apart(approval["apart"], name, os_user)
        or _why_not(people, approval["lacking"], name)
    )


def _said_yes(approval: Mapping[str, Any], name: str) -> str | None:
    if any(same_person(one["by"], name) for one in approval["given"]):
        return f"{name} has said yes already, and nobody counts twice"
    return None


def _who(apart: str) -> str:
    """One who may not approve, as people read it."""
    if apart.startswith(USER):
        return f"whoever is {apart.removeprefix(USER)} on the agent's machine: they started what asks"
    return apart
