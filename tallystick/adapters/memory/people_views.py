"""People's views as dictionaries; see ``people_projections.PeopleViews``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tallystick.adapters.memory.registry_views import MemoryRegistryViews
from tallystick.model.people import Delegation, Person, Token


@dataclass(slots=True)
class MemoryPeopleViews(MemoryRegistryViews):
    """Rows by their keys; the rows themselves never change."""

    persons: dict[str, Person] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    delegations: dict[str, Delegation] = field(default_factory=dict)

    def put_person(self, person: Person) -> None:
        """Add or replace one person."""
        self.persons[person.name] = person

    def get_person(self, name: str) -> Person | None:
        """One person, removed or not."""
        return self.persons.get(name)

    def has_people(self) -> bool:
        """Whether anybody was ever added."""
        return bool(self.persons)

    def person_of_user(self, os_user: str) -> Person | None:
        """The person, not removed, whom a user of the operating system is."""
        found = (one for one in self.persons.values() if one.os_user == os_user and one.removed is None)
        return next(found, None)

    def put_token(self, token: Token) -> None:
        """Add or replace one token."""
        self.tokens[token.id] = token

    def get_token(self, token: str) -> Token | None:
        """One token by its id."""
        return self.tokens.get(token)

    def has_digest(self, digest: str) -> bool:
        """Whether some token has this digest."""
        return any(one.digest == digest for one in self.tokens.values())

    def put_delegation(self, delegation: Delegation) -> None:
        """Add or replace one delegation."""
        self.delegations[delegation.id] = delegation

    def get_delegation(self, delegation: str) -> Delegation | None:
        """One delegation by its id."""
        return self.delegations.get(delegation)

    def delegations_to(self, name: str) -> Sequence[Delegation]:
        """Delegations to one person, by id."""
        return sorted((one for one in self.delegations.values() if one.to == name), key=lambda one: one.id)
