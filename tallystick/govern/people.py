"""Who may do what: pure answers from what the journal says of people, their tokens and their delegations.

``at`` is nanoseconds since the epoch, always of the clock of whoever decides: never of a request.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from tallystick.model.people import ANSWERING, Delegation, Person, Token, token_digest

FindPerson = Callable[[str], Person | None]


def may_answer(
    find: FindPerson, delegations: Iterable[Delegation], name: str, group: str, at: int
) -> str | None:
    """Why a person may not answer approvals of a group; None: they may.

    ``delegations`` are those to this person (others are passed over).
    """
    person = find(name)
    if person is None:
        return f"{name} is no person who may sign in"
    if person.removed is not None:
        return f"{name} was removed"
    if person.role not in ANSWERING:
        return f"the role of {name} is {person.role.value}: approvers answer approvals"
    if group in person.groups or standing_in(find, delegations, name, group, at) is not None:
        return None
    return f"{name} is not in the group {group}, and nobody delegated it to them"


def standing_in(
    find: FindPerson, delegations: Iterable[Delegation], name: str, group: str, at: int
) -> Delegation | None:
    """The delegation by which a person stands in for a group now. It lapses with its giver's own right to answer."""
    for one in delegations:
        if one.to != name or one.group != group or one.revoked is not None or not one.made <= at < one.until:
            continue
        if may_give(find, one.giver, group) is None:
            return one
    return None


def may_give(find: FindPerson, name: str, group: str) -> str | None:
    """Why a person may not delegate a group; None: they may. Only who is in the group may, so nothing is passed on."""
    return may_answer(find, (), name, group, 0)


def signs_in(find: FindPerson, token: Token, at: int) -> str | None:
    """Why a token does not let its person in; None: it does."""
    if token.revoked is not None:
        return "the token was revoked"
    if at >= token.expires:
        return "the token is past its time"
    person = find(token.person)
    if person is None or person.removed is not None:
        return f"{token.person} was removed"
    return None


@dataclass(frozen=True, slots=True)
class People:
    """All people, tokens and delegations at one moment; ``revision`` is the entry that changed them last.

    There are people as soon as one was added: that all were removed again lets nobody in.
    """

    persons: Mapping[str, Person] = field(default_factory=lambda: MappingProxyType({}))
    tokens: Mapping[str, Token] = field(default_factory=lambda: MappingProxyType({}))
    delegations: Sequence[Delegation] = ()
    revision: int = 0
    _by_digest: dict[str, Token] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_digest", {one.digest: one for one in self.tokens.values()})

    @property
    def exist(self) -> bool:
        """Whether anybody was ever added."""
        return bool(self.persons)

    def may_answer(self, name: str, group: str, at: int) -> str | None:
        """Why a person may not answer approvals of a group now; None: they may."""
        return may_answer(self.persons.get, self.delegations, name, group, at)

    def groups_of(self, name: str, at: int) -> list[str]:
        """The groups whose approvals a person may answer now, their own and those delegated to them, in order."""
        person = self.persons.get(name)
        own = set(person.groups) if person is not None else set()
        own |= {one.group for one in self.delegations if one.to == name}
        return sorted(group for group in own if self.may_answer(name, group, at) is None)

    def by_token(self, shown: str, at: int) -> tuple[Person, Token] | None:
        """The person whom a token that was shown lets in now."""
        digest = token_digest(shown)
        token = self._by_digest.get(digest)  # found by a digest: the time it takes tells nothing of a token
        if token is None or not hmac.compare_digest(token.digest, digest):
            return None
        return self.by_token_id(token.id, at)

    def by_token_id(self, token_id: str, at: int) -> tuple[Person, Token] | None:
        """The person whom a token, known by its id, lets in now."""
        token = self.tokens.get(token_id)
        if token is None or signs_in(self.persons.get, token, at) is not None:
            return None
        return self.persons[token.person], token

    def by_os_user(self, user: str) -> Person | None:
        """The person whom a user of the operating system is."""
        for one in self.persons.values():
            if one.os_user == user and one.removed is None:
                return one
        return None
