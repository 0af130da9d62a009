"""The people of a store: added, changed, removed; tokens made and revoked; groups delegated. One verb a method.

Every change is one entry of the journal, checked in its own transaction (adapters/people_projections.py). Whether the
caller may ask for it is the door's business, but for what hangs on who they are: see ``delegate``.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tallystick.app.people.shapes import delegation_json, log_json, person_json, token_json
from tallystick.govern.people import People
from tallystick.model.errors import BadInput, Denied, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.people import (
    TOKEN_PREFIX,
    Caller,
    Person,
    Role,
    Token,
    Via,
    covers,
    group_names,
    os_user_name,
    person_name,
    person_role,
    token_digest,
)
from tallystick.ports import Clock, ControlStore, Ids

KEEP: Final = object()  # a field that a change leaves as it is
OS_PREFIX: Final = "os:"  # no person's name has a colon
TOKEN_DAYS: Final = 90
_LONGEST_TEXT: Final = 2_000
_LONGEST_LABEL: Final = 200


class PeopleDesk:
    """People over one control store. Safe to use from several threads."""

    def __init__(self, control: ControlStore, clock: Clock, ids: Ids) -> None:
        self._control = control
        self._clock = clock
        self._ids = ids
        self._lock = threading.Lock()
        self._known: People | None = None

    def people(self) -> People:
        """Everybody as the journal has them now. Read anew only when an entry changed something: for every request."""
        revision = self._control.people_revision()
        with self._lock:
            known = self._known
        if known is None or known.revision != revision:
            known = self._control.people()
            with self._lock:
                self._known = known
        return known

    def may_answer(self, name: str, group: str) -> str | None:
        """Why a person may not answer approvals of a group now; None: they may."""
        return self.people().may_answer(name, group, self._clock.now())

    def os_caller(self, user: str) -> Caller:
        """Who gives a command on the store's own files: whoever owns those is admin, and is named as a person if one
        was added with this user of the operating system."""
        people = self.people()
        person = people.by_os_user(user)
        if person is not None:
            return Caller(person.name, Role.ADMIN, Via.STORE, person.name)
        return Caller(OS_PREFIX + user if people.exist else user, Role.ADMIN, Via.STORE)

    def list(self) -> dict[str, Any]:
        """``{"people": [person], "delegations": [delegation]}``."""
        people, at = self._control.people(), self._clock.now()
        return {
            "people": [person_json(people, one, at) for one in people.persons.values()],
            "delegations": [delegation_json(people, one, at) for one in people.delegations],
        }

    def show(self, name: str, *, log: int = 50) -> dict[str, Any]:
        """One person with their tokens, delegations and what they did last. Raises UnknownThing."""
        people, at = self._control.people(), self._clock.now()
        person = _named(people, name)
        own = [one for one in people.delegations if name in (one.to, one.giver)]
        return {
            **person_json(people, person, at),
            "tokens": [token_json(people, one, at) for one in people.tokens.values() if one.person == name],
            "delegations": [delegation_json(people, one, at) for one in own],
            "log": log_json(self._control, person, limit=log),
        }

    def add(
        self, name: str, role: str, groups: Sequence[str], by: Caller, *, os_user: str | None = None,
        because: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Add a person; gives them as ``show`` does. Raises BadInput, and Conflict for a name that was ever used."""
        stated = _stated(
            person_name(name), person_role(role), group_names(list(groups)), os_user_name(os_user)
        )
        self._write("person.added", name, {**stated, **_said(because, by)}, by)
        return self.show(name)

    def change(
        self, name: str, by: Caller, *, role: Any = KEEP, groups: Any = KEEP, os_user: Any = KEEP,
        because: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Change role, groups or user of the system of a person, at once. Raises UnknownThing and Conflict."""
        found = _named(self._control.people(), name)
        stated = _stated(
            name,
            found.role if role is KEEP else person_role(role),
            found.groups if groups is KEEP else group_names(list(groups)),
            found.os_user if os_user is KEEP else os_user_name(os_user),
        )
        self._write("person.changed", name, {**stated, **_said(because, by)}, by)
        return self.show(name)

    def remove(self, name: str, by: Caller, *, because: str | None = None) -> dict[str, Any]:
        """Remove a person: their tokens, sessions and delegations are worth nothing from then on."""
        self._write("person.removed", name, {"person": name, **_said(because, by)}, by)
        return self.show(name)

    def make_token(
        self, name: str, by: Caller, *, days: int = TOKEN_DAYS, label: str | None = None
    ) -> dict[str, Any]:
        """A new token of a person: ``{"token", "secret", …}``. ``secret`` is told here and never again."""
        if not 1 <= days <= 366:
            raise BadInput("a token lasts 1 to 366 days")
        if label is not None and len(label) > _LONGEST_LABEL:
            raise BadInput(f"a label has at most {_LONGEST_LABEL} characters")
        secret = TOKEN_PREFIX + (self._ids.salt() + self._ids.salt()).hex()  # 256 bits
        token = self._ids.new("tok")
        body = {
            "person": name, "token": token, "label": label, "digest": token_digest(secret),
            "expires_ns": str(self._clock.now() + days * 86_400_000_000_000), "via": by.via.value,
        }  # fmt: skip
        self._write("token.made", name, body, by)
        people = self._control.people()
        return {**token_json(people, people.tokens[token], self._clock.now()), "secret": secret}

    def revoke_token(self, token: str, by: Caller, *, because: str | None = None) -> dict[str, Any]:
        """End a token and every session that was opened with it, at once. ``token`` is its id or the beginning of it.

        Raises UnknownThing, Conflict where it was revoked before, and Denied for another person's token by whoever is
        not admin.
        """
        found = _the_token(self._control.people(), token)
        if found.person != by.person and not covers(by.role, Role.ADMIN):
            raise Denied(f"token {found.id} is another person's", hint="an admin can revoke it")
        body = {"person": found.person, "token": found.id, **_said(because, by)}
        self._write("token.revoked", found.person, body, by)
        people = self._control.people()
        return token_json(people, people.tokens[found.id], self._clock.now())

    def delegate(
        self,
        group: str,
        to: str,
        until: int,
        by: Caller,
        *,
        giver: str | None = None,
        because: str | None = None,
    ) -> dict[str, Any]:
        """Let ``to`` answer the approvals of a group until a time (nanoseconds), in place of ``giver``.

        ``giver`` is the caller; only an admin may name somebody else, who must be in the group themselves. Raises
        Denied, BadInput, UnknownThing and Conflict.
        """
        name = giver or by.person
        if name is None:
            raise BadInput(
                f"{by.name} is no person in a group", hint="say who is represented: --from NAME", group=group
            )
        if name != by.person and not covers(by.role, Role.ADMIN):
            raise Denied("only an admin delegates for somebody else", hint="leave out --from")
        delegation = self._ids.new("dlg")
        body = {
            "delegation": delegation, "group": group, "from": name, "to": to, "until_ns": str(until),
            **_said(because, by),
        }  # fmt: skip
        self._write("delegation.made", to, body, by)
        return self._delegation(delegation)

    def end_delegation(self, delegation: str, by: Caller, *, because: str | None = None) -> dict[str, Any]:
        """End a delegation at once: its giver, its receiver or an admin may. Raises UnknownThing, Conflict, Denied."""
        people = self._control.people()
        found = [one for one in people.delegations if one.id == delegation]
        found = found or [one for one in people.delegations if delegation and one.id.startswith(delegation)]
        if len(found) != 1:
            raise UnknownThing(f"{_how_many(found)} delegation {delegation[:80]!r}", hint="tally users ls")
        one = found[0]
        if by.person not in (one.giver, one.to) and not covers(by.role, Role.ADMIN):
            raise Denied(f"delegation {one.id} is between others", hint="an admin can end it")
        self._write("delegation.revoked", one.to, {"delegation": one.id, **_said(because, by)}, by)
        return self._delegation(one.id)

    def end_sessions(self, by: Caller) -> None:
        """Sign out: end all sessions that were opened with the caller's token."""
        if by.token is not None:
            self._write("signin.ended", by.name, {"token": by.token, "by": by.name}, by)

    def _delegation(self, delegation: str) -> dict[str, Any]:
        people = self._control.people()
        one = next(one for one in people.delegations if one.id == delegation)
        return delegation_json(people, one, self._clock.now())

    def _write(self, kind: str, subject: str, body: Mapping[str, Any], by: Caller) -> None:
        self._control.append([Draft(kind, subject, body, actor=by.name)])


def _stated(name: str, role: Role, groups: Sequence[str], os_user: str | None) -> dict[str, Any]:
    return {"person": name, "role": role.value, "groups": list(groups), "os_user": os_user}


def _said(because: str | None, by: Caller) -> dict[str, Any]:
    if because is not None and len(because) > _LONGEST_TEXT:
        raise BadInput(f"a reason has at most {_LONGEST_TEXT} characters")
    return {"because": because, "via": by.via.value}


def _named(people: People, name: str) -> Person:
    found = people.persons.get(name)
    if found is None:
        raise UnknownThing(f"there is no person {name[:80]!r}", hint="tally users ls")
    return found


def _the_token(people: People, token: str) -> Token:
    if token in people.tokens:
        return people.tokens[token]
    found = [one for one in people.tokens.values() if token and one.id.startswith(token)]
    if len(found) != 1:
        raise UnknownThing(
            f"{_how_many(found)} token {token[:12]!r}", hint="tally users show NAME lists their ids"
        )
    return found[0]


def _how_many(found: Sequence[Any]) -> str:
    return "there is more than one" if found else "there is no"
