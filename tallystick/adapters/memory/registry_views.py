"""The registry's views as dictionaries; see ``registry_projections.RegistryViews``."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Self

from tallystick.model.registry import Alias, Channel, Declared, Shown, Version


@dataclass(slots=True)
class MemoryRegistryViews:
    """Rows by their keys; the rows themselves never change."""

    declared: dict[tuple[str, str], Declared] = field(default_factory=dict)
    versions: dict[tuple[str, str, str], Version] = field(default_factory=dict)
    labels: dict[tuple[str, str, str], str] = field(default_factory=dict)
    aliases: dict[tuple[str, str, str], Alias] = field(default_factory=dict)
    definitions: dict[tuple[str, Channel, str], Shown] = field(default_factory=dict)

    def put_declared(self, declared: Declared) -> None:
        """Add or replace one object."""
        self.declared[declared.type, declared.name] = declared

    def get_declared(self, type: str, name: str) -> Declared | None:
        """One object, retired or not."""
        return self.declared.get((type, name))

    def put_version(self, version: Version) -> None:
        """Add one version; one that is here already stays as it is."""
        self.versions.setdefault((version.type, version.name, version.digest), version)

    def has_version(self, type: str, name: str, digest: str) -> bool:
        """Whether an object has a version."""
        return (type, name, digest) in self.versions

    def put_label(self, type: str, name: str, label: str, digest: str) -> None:
        """Remember the version that a label names for good."""
        self.labels[type, name, label] = digest

    def get_label(self, type: str, name: str, label: str) -> str | None:
        """The digest of the version that a label names."""
        return self.labels.get((type, name, label))

    def put_alias(self, alias: Alias) -> None:
        """Add or replace one alias."""
        self.aliases[alias.type, alias.name, alias.alias] = alias

    def get_alias(self, type: str, name: str, alias: str) -> Alias | None:
        """One alias."""
        return self.aliases.get((type, name, alias))

    def drop_alias(self, type: str, name: str, alias: str) -> None:
        """Take one alias away."""
        del self.aliases[type, name, alias]

    def put_shown(self, shown: Shown) -> None:
        """Add or replace one definition of a tool's channel."""
        self.definitions[shown.tool, shown.channel, shown.definition] = shown

    def shown_by(self, tool: str, channel: Channel) -> Sequence[Shown]:
        """All definitions that a tool showed in a channel, by time."""
        found = [one for one in self.definitions.values() if one.tool == tool and one.channel is channel]
        return sorted(found, key=lambda one: (one.first, one.definition))

    def copied(self) -> Self:
        """A copy that changes apart."""
        return type(self)(
            *(
                getattr(self, one.name) if one.metadata.get("shared") else copy(getattr(self, one.name))
                for one in fields(self)
            )
        )

    def sizes(self) -> dict[str, int]:
        """Rows per view."""
        return {
            one.name: len(getattr(self, one.name)) for one in fields(self) if not one.metadata.get("shared")
        }
