"""People: who may sign in, what they may do, whom they stand in for.

A person is known by one name for good: what the journal says of "ann" always means the same ann. A token is 256 random
bits that are shown once; only their SHA-256 is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from tallystick.model.errors import BadInput
from tallystick.model.identity import Grant

TOKEN_PREFIX: Final = "tally_"  # what people, and what looks for secrets, recognise a token by
MOST_GROUPS: Final = 100
DAY_NS: Final = 86_400 * 1_000_000_000
LONGEST_TOKEN_NS: Final = 366 * DAY_NS
LONGEST_DELEGATION_NS: Final = 366 * DAY_NS
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")  # ASCII alone: no two names look alike
_GROUP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,63}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Role(StrEnum):
    """What somebody may do. ``program`` is no person's role: it is what the server's own token lets in."""

    PROGRAM = "program"  # sends what agents did, hears the registry, asks for decisions
    VIEWER = "viewer"  # reads
    OPERATOR = "operator"  # reads, and runs things: stops, archives, sets budgets
    APPROVER = "approver"  # reads, and answers approvals of its groups
    ADMIN = "admin"  # all of that, and manages people and policies


PERSON_ROLES: Final = tuple(role.value for role in Role if role is not Role.PROGRAM)
ANSWERING: Final = (Role.APPROVER, Role.ADMIN)
_COVERED: Final = {
    Role.PROGRAM: {Role.PROGRAM},
    Role.VIEWER: {Role.VIEWER},
    Role.OPERATOR: {Role.OPERATOR, Role.VIEWER, Role.PROGRAM},
    Role.APPROVER: {Role.APPROVER, Role.VIEWER},
    Role.ADMIN: set(Role),
}


def covers(role: Role | None, least: Role) -> bool:
    """Whether somebody with ``role`` may do what asks for ``least``. Operators and approvers cover not each other."""
    return role is not None and least in _COVERED[role]


class Via(StrEnum):
    """How it is known who acts."""

    SESSION = "session"  # a browser that signed in
    TOKEN = "token"  # a token shown with the request
    STORE = "store"  # the command line on the store's own files: the operating system's user
    OPEN = "open"  # a server without a token, called from its own machine


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the door found out. ``person`` is None for whoever is no person that was added.

    ``name`` stands in the journal; that of an operating system's user who is no person begins with ``os:`` once there
    are people. ``token`` is the id of the token that was shown, or that a session was opened with.
    ``grant`` is what the token of an agent allows.
    """

    name: str
    role: Role | None
    via: Via
    person: str | None = None
    token: str | None = None
    grant: Grant | None = None


def unnamed(name: str) -> Caller:
    """Whoever is at a machine of their own, before there are people: nothing is asked of them."""
    return Caller(name, Role.ADMIN, Via.OPEN)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. ``at`` and ``removed`` are nanoseconds since the epoch."""

    name: str
    role: Role
    groups: tuple[str, ...]
    os_user: str | None
    at: int
    by: str
    removed: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token. ``digest`` is its SHA-256 in hex; ``used`` is told at most once an hour.

    ``ends`` counts how often the sessions that were opened with it were ended: a session carries the count it was
    opened at, so no clock is asked.
    """

    id: str
    person: str
    digest: str
    made: int
    expires: int
    label: str | None = None
    revoked: int | None = None
    used: int | None = None
    ends: int = 0


@dataclass(frozen=True, slots=True)
class Delegation:
    """A group whose approvals ``to`` may answer for ``giver`` until a time; it cannot be passed on."""

    id: str
    group: str
    giver: str
    to: str
    made: int
    until: int
    because: str | None = None
    revoked: int | None = None


def token_digest(token: str) -> str:
    """What is kept of a token: SHA-256 in hex."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def person_name(name: Any) -> str:
    """A person's name, checked. Raises BadInput."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadInput(
            f"{str(name)[:80]!r} is no name of a person",
            hint="1 to 64 of a-z 0-9 . _ @ - , beginning with a letter or a digit",
        )
    return name


def group_names(groups: Any) -> tuple[str, ...]:
    """Names of groups, checked, in order and each once. Raises BadInput."""
    found = tuple(dict.fromkeys(groups)) if isinstance(groups, list | tuple) else ()
    wrong = [one for one in found if not isinstance(one, str) or not _GROUP.fullmatch(one)]
    if wrong or not isinstance(groups, list | tuple):
        raise BadInput(
            f"{str(wrong[0] if wrong else groups)[:80]!r} is no name of a group",
            hint="1 to 64 of a-z A-Z 0-9 . _ @ / - , beginning with a letter or a digit",
        )
    if len(found) > MOST_GROUPS:
        raise BadInput(f"a person is in at most {MOST_GROUPS} groups")
    return tuple(sorted(found))


def person_role(role: Any) -> Role:
    """The role of a person. Raises BadInput for what is none, also for ``program``."""
    if role not in PERSON_ROLES:
        raise BadInput(f"{str(role)[:80]!r} is no role", hint="one of " + ", ".join(PERSON_ROLES))
    return Role(role)


def os_user_name(name: Any) -> str | None:
    """The name of an operating system's user, or None. Raises BadInput."""
    if name is None:
        return None
    if not isinstance(name, str) or not 0 < len(name) <= 256 or not name.isprintable():
        raise BadInput(f"{str(name)[:80]!r} is no name of a user of this system")
    return name


def is_digest(text: Any) -> bool:
    """Whether a text is a SHA-256 in hex."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None
