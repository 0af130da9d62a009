"""data/NAME.toml: what is declared of a data source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.registry import Card, Declared, Lifecycle, version_digest
from tallystick.registry import fields
from tallystick.registry.fields import CARD_KEYS, DeclarationFile

DATA_KEYS: Final = ("name", "version", *CARD_KEYS, "classes", "description", "location", "members")


@dataclass(frozen=True, slots=True)
class DataFile:
    """What is declared of a data source: what kinds of data it holds, and where it is.

    ``members`` are values that it is known to hold (accounts, addresses): a directory that arguments may be taken from.
    """

    name: str
    classes: tuple[str, ...]
    version: str | None = None
    card: Card = field(default_factory=Card)
    description: str | None = None
    location: str | None = None
    members: tuple[str, ...] = ()
    file: DeclarationFile | None = field(default=None, compare=False, repr=False)

    def declared(self) -> Declared:
        """The data source as a registry object."""
        said = {
            "classes": list(self.classes),
            "description": self.description,
            "location": self.location,
            "members": list(self.members) or None,
        }
        body: dict[str, Any] = {key: value for key, value in said.items() if value is not None}
        return Declared(
            "data", self.name, version_digest("data", self.name, self.version, body), self.version, body,
            retired=self.card.lifecycle is Lifecycle.RETIRED, card=self.card,
        )  # fmt: skip


def data_from(file: DeclarationFile) -> DataFile:
    """Read a data source's file. Raises ConfigError with file and line."""
    fields.known_keys(file, DATA_KEYS, "a data source")
    name, classes = fields.name_of(file), fields.names(file, "classes")
    if classes is None:
        raise file.error(
            "name", f"data source {name} does not say what classes of data it holds",
            'classes = ["customer_pii"]; or [] for none that needs care',
        )  # fmt: skip
    made = DataFile(
        name, classes, fields.label_of(file), fields.card(file), fields.text(file, "description"),
        fields.address(file, "location"), _members(file), file,
    )  # fmt: skip
    fields.fits(file, made.declared().body)
    return made


def _members(file: DeclarationFile) -> tuple[str, ...]:
    value = file.table.get("members", [])
    if not isinstance(value, list) or not all(isinstance(one, str) and 0 < len(one) <= 400 for one in value):
        raise file.error("members", "members is a list of texts", 'members = ["DE89370400440532013000"]')
    return tuple(dict.fromkeys(value))
