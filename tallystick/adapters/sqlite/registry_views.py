"""The registry's views as tables; see ``registry_projections.RegistryViews``."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tallystick.adapters.checking import damage
from tallystick.model.registry import Alias, Channel, Declared, Shown, Trust, Version

VERSION_COLUMNS: Final = "type, name, digest, label, body, seq, at, by, because"
ALIAS_COLUMNS: Final = "type, name, alias, digest, at, by, because"
SHOWN_COLUMNS: Final = "tool, channel, definition, trust, why, differs, against, server, first, decided, by"
# All objects are read at once to answer a question: one column of JSON is read twice as fast as nine columns.
REGISTRY_TABLES: Final = """
CREATE TABLE declared (
    type TEXT NOT NULL, name TEXT NOT NULL, retired INTEGER NOT NULL, object BLOB NOT NULL, PRIMARY KEY (type, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE version (
    type TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, label TEXT, body BLOB NOT NULL, seq INTEGER NOT NULL,
    at INTEGER NOT NULL, by TEXT NOT NULL, because TEXT, PRIMARY KEY (type, name, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE label (
    type TEXT NOT NULL, name TEXT NOT NULL, label TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (type, name, label)
) STRICT, WITHOUT ROWID;
CREATE TABLE alias (
    type TEXT NOT NULL, name TEXT NOT NULL, alias TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL,
    by TEXT NOT NULL, because TEXT, PRIMARY KEY (type, name, alias)
) STRICT, WITHOUT ROWID;
CREATE TABLE definition (
    tool TEXT NOT NULL, channel TEXT NOT NULL, definition TEXT NOT NULL, trust TEXT NOT NULL, why TEXT NOT NULL,
    differs BLOB NOT NULL, against TEXT, server TEXT, first INTEGER NOT NULL, decided INTEGER, by TEXT,
    PRIMARY KEY (tool, channel, definition)
) STRICT, WITHOUT ROWID;
"""
_encode = msgspec.json.Encoder(
    order="sorted"
).encode  # the same row, whatever the order in which a body was given
_decode = msgspec.json.decode
_decode_object = msgspec.json.Decoder(Declared).decode


def declared_of(content: bytes) -> Declared:
    """A declared object from its JSON. Raises StoreFault for what is none."""
    try:
        return _decode_object(content)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise damage(
            "the view 'declared' has a row that is no object", hint="tally store rebuild", view="declared"
        ) from error


def version_of(row: Sequence[Any]) -> Version:
    """A version from its row."""
    type_, name, digest, label, body, *entry = row
    return Version(type_, name, digest, label, _decode(body), *entry)


def shown_of(row: Sequence[Any]) -> Shown:
    """A shown definition from its row."""
    tool, channel, definition, trust, why, differs, *rest = row
    return Shown(tool, Channel(channel), definition, Trust(trust), why, tuple(_decode(differs)), *rest)


class SqliteRegistryViews:
    """The registry's rows behind one connection, inside its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _put(self, table: str, values: tuple[Any, ...], clash: str = "REPLACE") -> None:
        marks = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT OR {clash} INTO {table} VALUES ({marks})", values)

    def put_declared(self, declared: Declared) -> None:
        """Add or replace one object."""
        self._put("declared", (declared.type, declared.name, declared.retired, _encode(declared)))

    def get_declared(self, type: str, name: str) -> Declared | None:
        """One object, retired or not."""
        sql = "SELECT object FROM declared WHERE type = ? AND name = ?"
        row = self._connection.execute(sql, (type, name)).fetchone()
        return declared_of(row[0]) if row else None

    def put_version(self, version: Version) -> None:
        """Add one version; one that is here already stays as it is."""
        values = (
            version.type, version.name, version.digest, version.label, _encode(dict(version.body)), version.seq,
            version.at, version.by, version.because,
        )  # fmt: skip
        self._put("version", values, "IGNORE")

    def has_version(self, type: str, name: str, digest: str) -> bool:
        """Whether an object has a version."""
        sql = "SELECT 1 FROM version WHERE type = ? AND name = ? AND digest = ?"
        return self._connection.execute(sql, (type, name, digest)).fetchone() is not None

    def put_label(self, type: str, name: str, label: str, digest: str) -> None:
        """Remember the version that a label names for good."""
        self._put("label", (type, name, label, digest))

    def get_label(self, type: str, name: str, label: str) -> str | None:
        """The digest of the version that a label names."""
        sql = "SELECT digest FROM label WHERE type = ? AND name = ? AND label = ?"
        row = self._connection.execute(sql, (type, name, label)).fetchone()
        return row[0] if row else None

    def put_alias(self, alias: Alias) -> None:
        """Add or replace one alias."""
        values = (alias.type, alias.name, alias.alias, alias.digest, alias.at, alias.by, alias.because)
        self._put("alias", values)

    def get_alias(self, type: str, name: str, alias: str) -> Alias | None:
        """One alias."""
        sql = f"SELECT {ALIAS_COLUMNS} FROM alias WHERE type = ? AND name = ? AND alias = ?"
        row = self._connection.execute(sql, (type, name, alias)).fetchone()
        return Alias(*row) if row else None

    def drop_alias(self, type: str, name: str, alias: str) -> None:
        """Take one alias away."""
        sql = "DELETE FROM alias WHERE type = ? AND name = ? AND alias = ?"
        self._connection.execute(sql, (type, name, alias))

    def put_shown(self, shown: Shown) -> None:
        """Add or replace one definition of a tool's channel."""
        self._put(
            "definition",
            (
                shown.tool, shown.channel.value, shown.definition, shown.trust.value, shown.why,
                _encode(list(shown.differs)), shown.against, shown.server, shown.first, shown.decided, shown.by,
            ),
        )  # fmt: skip

    def shown_by(self, tool: str, channel: Channel) -> Sequence[Shown]:
        """All definitions that a tool showed in a channel, by time."""
        sql = f"SELECT {SHOWN_COLUMNS} FROM definition WHERE tool = ? AND channel = ? ORDER BY first, definition"
        return [shown_of(row) for row in self._connection.execute(sql, (tool, channel.value))]
