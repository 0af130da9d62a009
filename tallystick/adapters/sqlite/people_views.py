"""People's views as tables; see ``people_projections.PeopleViews``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from tallystick.adapters.checking import damage
from tallystick.adapters.sqlite.registry_views import SqliteRegistryViews
from tallystick.model.people import Delegation, Person, Token

PEOPLE_TABLES: Final = """
CREATE TABLE person (
    name TEXT PRIMARY KEY, os_user TEXT, removed INTEGER NOT NULL, object BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE token (
    id TEXT PRIMARY KEY, person TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, object BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE delegation (
    id TEXT PRIMARY KEY, receiver TEXT NOT NULL, object BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX delegation_receiver ON delegation (receiver);
"""
_encode = msgspec.json.Encoder(order="sorted").encode
_Row = TypeVar("_Row")
_person = msgspec.json.Decoder(Person)
_token = msgspec.json.Decoder(Token)
_delegation = msgspec.json.Decoder(Delegation)


def _read(decoder: msgspec.json.Decoder[_Row], view: str, content: bytes) -> _Row:
    try:
        return decoder.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise damage(
            f"the view {view!r} has a row that is none", hint="tally store rebuild", view=view
        ) from error


def person_of(content: bytes) -> Person:
    """A person from their JSON. Raises StoreFault for what is none."""
    return _read(_person, "person", content)


def token_of(content: bytes) -> Token:
    """A token from its JSON. Raises StoreFault for what is none."""
    return _read(_token, "token", content)


def delegation_of(content: bytes) -> Delegation:
    """A delegation from its JSON. Raises StoreFault for what is none."""
    return _read(_delegation, "delegation", content)


class SqlitePeopleViews(SqliteRegistryViews):
    """People's rows behind one connection, inside its transaction."""

    def put_person(self, person: Person) -> None:
        """Add or replace one person."""
        values = (person.name, person.os_user, person.removed is not None, _encode(person))
        self._put("person", values)

    def get_person(self, name: str) -> Person | None:
        """One person, removed or not."""
        row = self._row("SELECT object FROM person WHERE name = ?", name)
        return person_of(row[0]) if row else None

    def has_people(self) -> bool:
        """Whether anybody was ever added."""
        return self._connection.execute("SELECT 1 FROM person LIMIT 1").fetchone() is not None

    def person_of_user(self, os_user: str) -> Person | None:
        """The person, not removed, whom a user of the operating system is."""
        row = self._row("SELECT object FROM person WHERE os_user = ? AND NOT removed", os_user)
        return person_of(row[0]) if row else None

    def put_token(self, token: Token) -> None:
        """Add or replace one token."""
        self._put("token", (token.id, token.person, token.digest, _encode(token)))

    def get_token(self, token: str) -> Token | None:
        """One token by its id."""
        row = self._row("SELECT object FROM token WHERE id = ?", token)
        return token_of(row[0]) if row else None

    def has_digest(self, digest: str) -> bool:
        """Whether some token has this digest."""
        return self._row("SELECT 1 FROM token WHERE digest = ?", digest) is not None

    def put_delegation(self, delegation: Delegation) -> None:
        """Add or replace one delegation."""
        self._put("delegation", (delegation.id, delegation.to, _encode(delegation)))

    def get_delegation(self, delegation: str) -> Delegation | None:
        """One delegation by its id."""
        row = self._row("SELECT object FROM delegation WHERE id = ?", delegation)
        return delegation_of(row[0]) if row else None

    def delegations_to(self, name: str) -> Sequence[Delegation]:
        """Delegations to one person, by id."""
        sql = "SELECT object FROM delegation WHERE receiver = ? ORDER BY id"
        return [delegation_of(row[0]) for row in self._connection.execute(sql, (name,))]

    def _row(self, sql: str, key: str) -> Any:
        return self._connection.execute(sql, (key,)).fetchone()
