"""People over HTTP: who there is, and for admins adding, changing, removing them; tokens and delegations.

Who asks comes from the sign-in, never from the request. A new token is in one answer and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, cast

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, PathParameter, QueryParameter

from tallystick.api import people_shapes as shapes
from tallystick.app.people.desk import KEEP, TOKEN_DAYS, PeopleDesk
from tallystick.model.people import Caller

PersonPath = Annotated[str, PathParameter(description="A person's name.", min_length=1, max_length=64)]
TokenPath = Annotated[
    str, PathParameter(description="A token's id, or the beginning of it.", min_length=1, max_length=64)
]
DelegationPath = Annotated[
    str, PathParameter(description="A delegation's id, or the beginning of it.", min_length=1, max_length=64)
]
Log = Annotated[int, QueryParameter(ge=0, le=1000, description="Most entries of what they did.")]
_Text = Annotated[str, msgspec.Meta(max_length=2000)]
_Name = Annotated[str, msgspec.Meta(max_length=256)]
_Groups = Annotated[list[_Name], msgspec.Meta(max_length=100)]
_Request = Request[Any, Any, Any]


class PersonBody(msgspec.Struct, forbid_unknown_fields=True):
    """A person to be added."""

    person: _Name
    role: _Name
    groups: _Groups = []
    os_user: _Name | None = None
    because: _Text | None = None


class ChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is to change; what is left out stays."""

    role: _Name | msgspec.UnsetType = msgspec.UNSET
    groups: _Groups | msgspec.UnsetType = msgspec.UNSET
    os_user: _Name | msgspec.UnsetType | None = msgspec.UNSET
    because: _Text | None = None


class BecauseBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why."""

    because: _Text | None = None


class TokenBody(msgspec.Struct, forbid_unknown_fields=True):
    """A token to be made."""

    days: Annotated[int, msgspec.Meta(ge=1, le=366)] = TOKEN_DAYS
    label: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class DelegationBody(msgspec.Struct, forbid_unknown_fields=True):
    """A group to be delegated; ``until`` in nanoseconds since the epoch, as text. ``giver``: for admins alone."""

    group: _Name
    to: _Name
    until: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,19}$")]
    giver: _Name | None = None
    because: _Text | None = None


BODIES: Final = (PersonBody, ChangeBody, BecauseBody, TokenBody, DelegationBody)


def people_handlers(
    desk: PeopleDesk, read: dict[str, Any], find: dict[str, Any], busy: dict[str, Any]
) -> list[HTTPRouteHandler]:
    """All handlers; the three settings say which errors a handler documents."""
    changing = {**busy, "status_code": 200}
    return [*_asking(desk, read, find), *_managing(desk, changing), *_own(desk, changing)]


def _asking(desk: PeopleDesk, read: dict[str, Any], find: dict[str, Any]) -> list[HTTPRouteHandler]:
    @get("/api/me", summary="Who is signed in", **read)
    def me(request: _Request) -> shapes.MeShape:
        """The caller as this server knows them; ``answers`` are the groups whose approvals they may answer now."""
        caller = caller_of(request)
        found = desk.show(caller.person, log=0) if caller.person is not None else None
        return {
            "name": caller.name, "person": caller.person, "role": caller.role.value if caller.role else None,
            "via": caller.via.value, "answers": found["answers"] if found is not None else [],
        }  # fmt: skip

    @get("/api/people", summary="People and delegations", **read)
    def people() -> shapes.PeopleShape:
        """Everybody who was ever added, with what they may do now."""
        return cast(shapes.PeopleShape, desk.list())

    @get("/api/people/{person:str}", summary="One person, and what they did", **find)
    def person(person: PersonPath, log: Log = 50) -> shapes.PersonDetailShape:
        """The person with their tokens (never what a token is), delegations and journal entries, newest first."""
        return cast(shapes.PersonDetailShape, desk.show(person, log=log))

    return [me, people, person]


def _managing(desk: PeopleDesk, busy: dict[str, Any]) -> list[HTTPRouteHandler]:
    @post("/api/people", summary="Add a person", **busy)
    def add(request: _Request, data: JSONBody[PersonBody]) -> shapes.PersonDetailShape:
        """A name means one person for good: one that was removed is not used again."""
        done = desk.add(
            data.person,
            data.role,
            data.groups,
            caller_of(request),
            os_user=data.os_user,
            because=data.because,
        )
        return cast(shapes.PersonDetailShape, done)

    @post("/api/people/{person:str}", summary="Change a person", **busy)
    def change(request: _Request, person: PersonPath, data: JSONBody[ChangeBody]) -> shapes.PersonDetailShape:
        """Role, groups and user of the system; in force at once, also for sessions that are open."""
        given = {
            name: KEEP if value is msgspec.UNSET else value
            for name, value in (("role", data.role), ("groups", data.groups), ("os_user", data.os_user))
        }
        done = desk.change(person, caller_of(request), **given, because=data.because)
        return cast(shapes.PersonDetailShape, done)

    @post("/api/people/{person:str}/remove", summary="Remove a person", **busy)
    def remove(
        request: _Request, person: PersonPath, data: JSONBody[BecauseBody]
    ) -> shapes.PersonDetailShape:
        """Their tokens, sessions and delegations are worth nothing from then on."""
        return cast(shapes.PersonDetailShape, desk.remove(person, caller_of(request), because=data.because))

    @post("/api/people/{person:str}/tokens", summary="Make a token", **busy)
    def make(request: _Request, person: PersonPath, data: JSONBody[TokenBody]) -> shapes.NewTokenShape:
        """A new token; ``secret`` is told in this answer and never again."""
        done = desk.make_token(person, caller_of(request), days=data.days, label=data.label)
        return cast(shapes.NewTokenShape, done)

    return [add, change, remove, make]


def _own(desk: PeopleDesk, busy: dict[str, Any]) -> list[HTTPRouteHandler]:
    @post("/api/tokens/{token:str}/revoke", summary="Revoke a token", **busy)
    def revoke(request: _Request, token: TokenPath, data: JSONBody[BecauseBody]) -> shapes.TokenShape:
        """One's own, or for admins anybody's: with all sessions that were opened with it, at once."""
        return cast(shapes.TokenShape, desk.revoke_token(token, caller_of(request), because=data.because))

    @post("/api/delegations", summary="Delegate a group", **busy)
    def delegate(request: _Request, data: JSONBody[DelegationBody]) -> shapes.DelegationShape:
        """Let somebody answer the approvals of one's own group until a time; it cannot be passed on."""
        done = desk.delegate(
            data.group, data.to, int(data.until), caller_of(request), giver=data.giver, because=data.because
        )
        return cast(shapes.DelegationShape, done)

    @post("/api/delegations/{delegation:str}/revoke", summary="End a delegation", **busy)
    def end(
        request: _Request, delegation: DelegationPath, data: JSONBody[BecauseBody]
    ) -> shapes.DelegationShape:
        """Who gave or received it, or an admin, ends it at once."""
        done = desk.end_delegation(delegation, caller_of(request), because=data.because)
        return cast(shapes.DelegationShape, done)

    return [revoke, delegate, end]


def caller_of(request: _Request) -> Caller:
    """Who calls, as the gate found out; never what a request says of itself."""
    return cast(Caller, request.scope["state"]["caller"])
