"""What a tool's file says of labels: what its arguments are for, where they may come from, and what it returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import Integrity, Returned, Role
from tallystick.registry import fields
from tallystick.registry.fields import DeclarationFile

LABEL_KEYS: Final = ("asks", "roles", "from", "limits", "returns", "readers")
_ORIGIN: Final = re.compile(r"(?:tool:[^\s.]+(?:\.\S+)?|data:\S+)")
_RETURNED: Final = ("integrity", "classes", "names")
_MOST: Final = 200
_LONGEST_PHRASE: Final = 200


@dataclass(frozen=True, slots=True)
class LabelFields:
    """The keys of a tool's file that are about labels, as they were read; None or empty where one is left out."""

    asks: tuple[str, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict)
    origins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limits: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    returns: Mapping[str, Returned] = field(default_factory=dict)
    readers: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """What they add to the body of the tool as a registry object."""
        said: dict[str, Any] = {
            "asks": list(self.asks), "roles": {name: role.value for name, role in self.roles.items()},
            "from": {name: list(found) for name, found in self.origins.items()},
            "limits": {name: one if isinstance(one, str) else list(one) for name, one in self.limits.items()},
            "returns": {name: one.as_json() for name, one in self.returns.items()}, "readers": list(self.readers),
        }  # fmt: skip
        return {key: value for key, value in said.items() if value}

    def on(self, tool: ToolDeclaration) -> ToolDeclaration:
        """A tool with these labels."""
        return replace(
            tool, asks=self.asks, roles=self.roles, origins=self.origins, limits=self.limits, returns=self.returns,
            readers=self.readers,
        )  # fmt: skip


def labels_from(file: DeclarationFile, arguments: Iterable[str]) -> LabelFields:
    """Read the keys of a file. Raises ConfigError with file and line; arguments that the tool lacks are refused."""
    known = list(arguments)
    return LabelFields(
        _phrases(file),
        _by_argument(file, "roles", known, _role),
        _by_argument(file, "from", known, _origins),
        _by_argument(file, "limits", known, _limit),
        _returns(file),
        fields.names(file, "readers") or (),
    )


def labels_of(body: Mapping[str, Any]) -> LabelFields:
    """The same out of the body of a registry object. Raises BadInput for one that was not written by ``body``."""
    try:
        return LabelFields(
            tuple(body.get("asks", ())),
            {name: Role(role) for name, role in body.get("roles", {}).items()},
            {name: tuple(found) for name, found in body.get("from", {}).items()},
            {
                name: one if isinstance(one, str) else tuple(one)
                for name, one in body.get("limits", {}).items()
            },
            {name: Returned.read(one) for name, one in body.get("returns", {}).items()},
            tuple(body.get("readers", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"the labels of a tool cannot be read: {error!r}") from error


def _phrases(file: DeclarationFile) -> tuple[str, ...]:
    value = file.table.get("asks")
    if value is None:
        return ()
    fits = isinstance(value, list) and all(
        isinstance(one, str) and 0 < len(one) <= _LONGEST_PHRASE for one in value
    )
    if not fits or len(value) > _MOST:
        raise file.error("asks", "asks is a list of phrases", 'asks = ["pay", "send money"]')
    return tuple(value)


def _table(file: DeclarationFile, key: str, example: str) -> Mapping[str, Any]:
    value = file.table.get(key, {})
    if not isinstance(value, Mapping) or len(value) > _MOST:
        raise file.error(key, f"{key} is a table", f"write [{key}] and below it, for example: {example}")
    return value


_EXAMPLES: Final = {
    "roles": 'recipient = "authority"', "from": 'recipient = ["tool:find_contact.email"]', "limits": 'amount = "100"'
}  # fmt: skip


def _by_argument(
    file: DeclarationFile, key: str, known: list[str], read: Callable[[DeclarationFile, str, Any], Any]
) -> dict[str, Any]:
    found = {}
    for name, value in _table(file, key, _EXAMPLES[key]).items():
        if known and name not in known:
            hint = fields.nearest(name, known) or "its arguments: " + ", ".join(known)
            raise file.error(f"{key}.{name}", f"[{key}] names {name!r:.80}, which is no argument", hint)
        found[name] = read(file, f"{key}.{name}", value)
    return found


def _role(file: DeclarationFile, key: str, value: Any) -> Role:
    if value not in tuple(Role):
        hint = fields.nearest(str(value), list(Role)) or fields.either(list(Role))
        raise file.error(key, f"{value!r:.80} is not a role", hint)
    return Role(value)


def _origins(file: DeclarationFile, key: str, value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(
        isinstance(one, str) and _ORIGIN.fullmatch(one) for one in listed
    ):
        raise file.error(
            key, f"{value!r:.80} is not where a value can come from", 'write "tool:NAME.field" or "data:NAME"'
        )
    return tuple(listed)


def _limit(file: DeclarationFile, key: str, value: Any) -> str | tuple[str, ...]:
    if isinstance(value, list) and value and all(isinstance(one, str) and one for one in value):
        return tuple(value)
    try:
        if not isinstance(value, str) or not 0 <= Decimal(value) < 10**18:
            raise InvalidOperation
    except InvalidOperation:
        raise file.error(
            key,
            f"{value!r:.80} is not a limit",
            f'an amount written as text ("{value}"), or a list of texts'[:120],
        ) from None
    return value


def _returns(file: DeclarationFile) -> dict[str, Returned]:
    found = {}
    for name, value in _table(file, "returns", 'email = "operator"').items():
        key = f"returns.{name}"
        said = {"integrity": value} if isinstance(value, str) else value
        if not isinstance(said, Mapping) or any(one not in _RETURNED for one in said):
            raise file.error(
                key, f"{value!r:.80} says nothing of a field",
                'write its integrity, or { integrity = "system", names = ["title"], classes = [] }',
            )  # fmt: skip
        integrity = said.get("integrity", Integrity.THIRD_PARTY.value)
        if integrity not in tuple(Integrity):
            hint = fields.nearest(str(integrity), list(Integrity)) or fields.either(list(Integrity))
            raise file.error(key, f"{integrity!r:.80} is no integrity", hint)
        found[name] = Returned(
            Integrity(integrity), _texts(file, key, said, "classes"), _texts(file, key, said, "names")
        )
    return found


def _texts(file: DeclarationFile, key: str, said: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = said.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise file.error(key, f"{name} is a list of texts", f'{name} = ["…"]')
    return tuple(value)
