"""The answers about people, as types: what OpenAPI says of them."""

from __future__ import annotations

from typing import Literal, TypedDict

RoleName = Literal["viewer", "operator", "approver", "admin"]


class PersonShape(TypedDict):
    """A person; ``answers`` are the groups whose approvals they may answer now, also by delegation."""

    person: str
    role: RoleName
    groups: list[str]
    answers: list[str]
    os_user: str | None
    tokens_in_force: int
    last_seen: str | None
    added: str
    by: str
    removed: str | None


class TokenShape(TypedDict):
    """A token without what it is; ``why`` says why it lets nobody in, ``used`` when it last did, to the hour."""

    token: str
    person: str
    label: str | None
    made: str
    expires: str
    revoked: str | None
    used: str | None
    why: str | None


class NewTokenShape(TokenShape):
    """A new token; ``secret`` is told here and never again."""

    secret: str


class DelegationShape(TypedDict):
    """A group that somebody may answer for somebody else until a time."""

    delegation: str
    group: str
    giver: str
    to: str
    made: str
    until: str
    revoked: str | None
    because: str | None
    in_force: bool


class PeopleShape(TypedDict):
    """Everybody, and all delegations."""

    people: list[PersonShape]
    delegations: list[DelegationShape]


class DidShape(TypedDict):
    """One entry of the journal by a person."""

    seq: int
    at: str
    kind: str
    subject: str
    run: str | None
    told: dict[str, str]


class PersonDetailShape(PersonShape):
    """A person with their tokens, delegations and what they did, newest first."""

    tokens: list[TokenShape]
    delegations: list[DelegationShape]
    log: list[DidShape]


class MeShape(TypedDict):
    """Who calls; ``person`` is null for whoever is no person that was added."""

    name: str
    person: str | None
    role: Literal["program", "viewer", "operator", "approver", "admin"] | None
    via: Literal["session", "token", "store", "open"]
    answers: list[str]
