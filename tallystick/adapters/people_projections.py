"""What entries about people do to their views, and what must hold before they may be written.

Whoever writes an entry, the person in it is checked here, inside the transaction: between a door that let somebody in
and the write, that somebody may have been removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from tallystick.govern.people import may_answer, may_give, signs_in
from tallystick.model.errors import BadInput, Conflict, Denied, UnknownThing
from tallystick.model.journal import Entry
from tallystick.model.people import (
    ANSWERING,
    LONGEST_DELEGATION_NS,
    LONGEST_TOKEN_NS,
    Delegation,
    Person,
    Token,
    group_names,
    is_digest,
    os_user_name,
    person_name,
    person_role,
)

LS: Final = "tally users ls"


class PeopleViews(Protocol):
    """People's rows. ``get`` methods return None for what is not there."""

    def put_person(self, person: Person) -> None:
        """Add or replace one person."""
        ...

    def get_person(self, name: str) -> Person | None:
        """One person, removed or not."""
        ...

    def has_people(self) -> bool:
        """Whether anybody was ever added."""
        ...

    def person_of_user(self, os_user: str) -> Person | None:
        """The person, not removed, whom a user of the operating system is."""
        ...

    def put_token(self, token: Token) -> None:
        """Add or replace one token."""
        ...

    def get_token(self, token: str) -> Token | None:
        """One token by its id."""
        ...

    def has_digest(self, digest: str) -> bool:
        """Whether some token has this digest."""
        ...

    def put_delegation(self, delegation: Delegation) -> None:
        """Add or replace one delegation."""
        ...

    def get_delegation(self, delegation: str) -> Delegation | None:
        """One delegation by its id."""
        ...

    def delegations_to(self, name: str) -> Sequence[Delegation]:
        """Delegations to one person, by id."""
        ...


def check_answerer(views: PeopleViews, entry: Entry, body: Mapping[str, Any], group: str) -> None:
    """Refuse an answer to an approval by somebody who may not give it now. Raises Denied.

    Entries of journals from before there were people do not say how it was known who answered.
    """
    if "via" not in body:
        return
    person = body["person"]
    if person is None:
        if views.has_people():
            raise Denied(
                f"{body['by']} is no person who may answer approvals",
                hint="sign in as a person: tally users ls", group=group,
            )  # fmt: skip
        return
    if person != body["by"]:
        raise BadInput("an answer names the person who gave it")
    why = may_answer(views.get_person, views.delegations_to(person), person, group, entry.at)
    if why is not None:
        raise Denied(f"this approval asks {group}: {why}", hint="tally users ls", group=group)


def _active(views: PeopleViews, name: str) -> Person:
    found = views.get_person(name)
    if found is None:
        raise UnknownThing(f"there is no person {str(name)[:80]!r}", hint=LS)
    if found.removed is not None:
        raise Conflict(f"{found.name} was removed", hint=LS)
    return found


def _stated(views: PeopleViews, entry: Entry, body: Mapping[str, Any]) -> Person:
    """A person as an entry states them."""
    name, user = person_name(body["person"]), os_user_name(body["os_user"])
    same = None if user is None else views.person_of_user(user)
    if same is not None and same.name != name:
        raise Conflict(f"the user {user} of this system is {same.name}", hint=f"tally users show {same.name}")
    return Person(name, person_role(body["role"]), group_names(body["groups"]), user, entry.at, entry.actor)


def _person_added(views: PeopleViews, entry: Entry, body: Mapping[str, Any]) -> None:
    made = _stated(views, entry, body)
    found = views.get_person(made.name)
    if found is not None:
        what = (
            "is here already"
            if found.removed is None
            else "was removed, and a name means one person for good"
        )
        raise Conflict(f"{made.name} {what}", hint=f"tally users show {made.name}")
    views.put_person(made)


def _person_changed(views: PeopleViews, entry: Entry, body: Mapping[str, Any]) -> None:
    made = _stated(views, entry, body)
    found = _active(views, made.name)
    views.put_person(replace(found, role=made.role, groups=made.groups, os_user=made.os_user))


def _person_removed(views: PeopleViews, entry: Entry, body: Mapping[str, Any]) -> None:
    views.put_person(replace(_active(views, body["person"]), removed=entry.at))


def _token_made(views: PeopleViews, entry: Entry, body: Mapping[str, Any]) -> None:
    person, token, digest, expires = (
        _active(views, body["person"]),
        body["token"],
        body["digest"],
        int(body["expires_ns"]),
    )
    if not isinstance(token, str) or not is_digest(digest) or not isinstance(body["label"], str | None):
        raise BadInput("a token has an id and a digest, and its label is a text")
    if not entry.at < expires <= entry.at + LONGEST_TOKEN_NS:
        raise BadInput("a token lasts at most 366 days, and not into the past")
    if views.get_token(token) is not None or views.has_digest(digest):
        raise Conflict("this token was made before")
    views.put_token(Token(token, person.name, digest, entry.at, expires, body["label"]))


def _token_revoked(views: PeopleViews, entry: Entry, body: Mapping[str, Any]) -> None:
    found = _token(views, body["token"])
    if found.revoked is not None:
        raise Conflict(f"token {found.id} was revoked before", hint=f"tally users show {found.person}")
    views.put_token(replace(found, revoked=entry.at))


def _token(views: PeopleViews, token: str) -> Token:
    found = views.get_token(token)
    if found is None:
        raise UnknownThing(f"there is no token {str(token)[:80]!r}", hint=LS)
    return found


def _delegation_made(views: PeopleViews, entry: Entry, body: Mapping[str, Any]) -> None:
    giver, to = _active(views, body["from"]), _active(views, body["to"])
    (group,), until = group_names([body["group"]]), int(body["until_ns"])
    why = may_give(views.get_person, giver.name, group)
    if why is not None:
        raise Denied(
            f"{giver.name} cannot delegate {group}: {why}", hint="only who is in a group delegates it"
        )
    if to.name == giver.name:
        raise BadInput("nobody delegates to themselves")
    if to.role not in ANSWERING:
        raise Denied(f"the role of {to.name} is {to.role.value}: approvers answer approvals", hint=LS)
    if not entry.at < until <= entry.at + LONGEST_DELEGATION_NS:
        raise BadInput("a delegation lasts at most 366 days, and not into the past")
    if views.get_delegation(body["delegation"]) is not None:
        raise Conflict("this delegation was made before")
    views.put_delegation(
        Delegation(str(body["delegation"]), group, giver.name, to.name, entry.at, until, body["because"])
    )


def _delegation_revoked(views: PeopleViews, entry: Entry, body: Mapping[str, Any]) -> None:
    found = views.get_delegation(body["delegation"])
    if found is None:
        raise UnknownThing(f"there is no delegation {str(body['delegation'])[:80]!r}", hint=LS)
    if found.revoked is not None:
        raise Conflict(f"delegation {found.id} was revoked before", hint=LS)
    views.put_delegation(replace(found, revoked=entry.at))


def _signin_made(views: PeopleViews, entry: Entry, body: Mapping[str, Any]) -> None:
    """Note when a token was last used; sign-ins without a person's token change nothing."""
    found = views.get_token(body["token"]) if body.get("token") is not None else None
    if found is not None and (found.used is None or found.used < entry.at):
        views.put_token(replace(found, used=entry.at))


def _signin_ended(views: PeopleViews, entry: Entry, body: Mapping[str, Any]) -> None:
    found = _token(views, body["token"])
    if signs_in(views.get_person, found, entry.at) is None:  # what lets nobody in has no session left to end
        views.put_token(replace(found, ends=found.ends + 1))


PEOPLE_KINDS: Final[dict[str, Callable[[PeopleViews, Entry, Mapping[str, Any]], None]]] = {
    "person.added": _person_added,
    "person.changed": _person_changed,
    "person.removed": _person_removed,
    "token.made": _token_made,
    "token.revoked": _token_revoked,
    "delegation.made": _delegation_made,
    "delegation.revoked": _delegation_revoked,
    "signin.made": _signin_made,
    "signin.ended": _signin_ended,
}
# Entries after which somebody may do more or less than before; what only notes that a token was used is none.
RIGHTS_KINDS: Final = tuple(kind for kind in PEOPLE_KINDS if kind != "signin.made")
