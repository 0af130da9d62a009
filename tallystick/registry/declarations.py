"""Declarations as people write them: agents/NAME.toml and tools/NAME.toml, read with precise errors.

Pure: what a file says comes in as a mapping, with the line of each key beside it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tallystick.model.canonical import digest
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.money import nano_from_usd
from tallystick.model.registry import Declared
from tallystick.model.step import Effect

AGENT_KEYS: Final = ("name", "version", "owner", "purpose", "models", "tools", "workflow", "budget_usd")
TOOL_KEYS: Final = (
    "name", "effect", "description", "data", "authority", "price_usd", "recovery", "version", "owner", "arguments",
)  # fmt: skip
ARGUMENT_TYPES: Final = ("string", "long", "decimal", "bool", "list", "record")
RECOVERIES: Final = ("retry", "idempotent", "reconcile", "operator")
_NAME: Final = re.compile(r"^[^\x00-\x20\x7f\"\\]{1,128}$")


@dataclass(frozen=True, slots=True)
class DeclarationFile:
    """What one file says: its name for people, its keys, and the line of each ("arguments.amount" -> 7)."""

    name: str
    table: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)

    def error(self, key: str, message: str, hint: str) -> ConfigError:
        """A mistake at a key, with file and line."""
        line = self.lines.get(key, 1)
        return ConfigError(f"{self.name}:{line}: {message}", hint=hint, file=self.name, line=line, key=key)


@dataclass(frozen=True, slots=True)
class AgentDeclaration:
    """What is declared of an agent. ``budget_nano`` limits what all its runs may spend together."""

    name: str
    version: str | None = None
    owner: str | None = None
    purpose: str | None = None
    models: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    workflow: str | None = None
    budget_nano: int | None = None

    def declared(self) -> Declared:
        """The agent as a registry object."""
        body = {
            "owner": self.owner, "purpose": self.purpose, "models": list(self.models), "tools": list(self.tools),
            "workflow": self.workflow, "budget_nano_usd": self.budget_nano,
        }  # fmt: skip
        return _declared("agent", self.name, self.version, body)


@dataclass(frozen=True, slots=True)
class ToolFile:
    """What is declared of a tool: what the guard needs, and what people want to know besides."""

    tool: ToolDeclaration
    version: str | None = None
    owner: str | None = None

    def declared(self) -> Declared:
        """The tool as a registry object; its digest is the tool's own."""
        return _declared("tool", self.tool.name, self.version, _tool_body(self.tool, self.owner))


def agent_from(file: DeclarationFile) -> AgentDeclaration:
    """Read an agent's file. Raises ConfigError with file and line."""
    _known_keys(file, AGENT_KEYS, "an agent")
    budget = file.table.get("budget_usd")
    return AgentDeclaration(
        name=_name(file),
        version=_text(file, "version"),
        owner=_text(file, "owner"),
        purpose=_text(file, "purpose"),
        models=_texts(file, "models"),
        tools=_texts(file, "tools"),
        workflow=_text(file, "workflow"),
        budget_nano=None if budget is None else _money(file, "budget_usd", budget),
    )


def tool_from(file: DeclarationFile) -> ToolFile:
    """Read a tool's file. Raises ConfigError with file and line."""
    _known_keys(file, TOOL_KEYS, "a tool")
    name = _name(file)
    arguments = _arguments(file)
    authority = _texts(file, "authority")
    for argument in authority:
        if arguments and argument not in arguments:
            near = difflib.get_close_matches(argument, list(arguments), 1)
            hint = f"did you mean {near[0]!r}?" if near else "its arguments: " + ", ".join(arguments)
            raise file.error(
                "authority", f"authority names {argument!r}, which is no argument of {name}", hint
            )
    if "effect" not in file.table:
        raise file.error(
            "name", f"tool {name} does not say what effect it has", "effect = " + _choices(list(Effect))
        )
    price = file.table.get("price_usd")
    tool = ToolDeclaration(
        name=name,
        effect=Effect(_choice(file, "effect", [effect.value for effect in Effect])),
        description=_text(file, "description") or "",
        data=_texts(file, "data"),
        authority=authority,
        arguments=arguments,
        price_nano=None if price is None else _money(file, "price_usd", price),
        recovery=_choice(file, "recovery", RECOVERIES) if "recovery" in file.table else "operator",
    )
    owner, version = _text(file, "owner"), _text(file, "version")
    return ToolFile(_with_digest(tool, owner, version), version, owner)


def tool_of(declared: Declared) -> ToolDeclaration:
    """A tool of the registry as the guard needs it. Raises BadInput for a body that is none."""
    body = declared.body
    try:
        return ToolDeclaration(
            name=declared.name,
            effect=Effect(body["effect"]),
            description=body.get("description") or "",
            data=tuple(body.get("data", ())),
            authority=tuple(body.get("authority", ())),
            arguments=dict(body.get("arguments", {})),
            price_nano=body.get("price_nano_usd"),
            recovery=body.get("recovery", "operator"),
            digest=declared.digest,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"the declaration of tool {declared.name} cannot be read: {error!r}") from error


def implied(agents: Iterable[AgentDeclaration]) -> list[Declared]:
    """The models and workflows that agents name, as registry objects."""
    found: dict[tuple[str, str], list[str]] = {}
    for agent in agents:
        for model in agent.models:
            found.setdefault(("model", model), []).append(agent.name)
        if agent.workflow:
            found.setdefault(("workflow", agent.workflow), []).append(agent.name)
    return [
        _declared(type_, name, None, {"agents": sorted(users)})
        for (type_, name), users in sorted(found.items())
    ]


def unique(files: Sequence[DeclarationFile], names: Sequence[str]) -> None:
    """Raises ConfigError where two files declare one name."""
    seen: dict[str, DeclarationFile] = {}
    for file, name in zip(files, names, strict=True):
        if name in seen:
            raise file.error(
                "name", f"{name} is declared in {seen[name].name} already", "give one of them another name"
            )
        seen[name] = file


def _declared(type_: str, name: str, version: str | None, body: Mapping[str, Any]) -> Declared:
    identity = digest({"type": type_, "name": name, "version": version, "body": dict(body)})
    return Declared(type_, name, identity, version, dict(body))


def _tool_body(tool: ToolDeclaration, owner: str | None) -> dict[str, Any]:
    return {
        "effect": tool.effect.value if tool.effect else None, "description": tool.description, "data": list(tool.data),
        "authority": list(tool.authority), "arguments": dict(tool.arguments), "price_nano_usd": tool.price_nano,
        "recovery": tool.recovery, "owner": owner,
    }  # fmt: skip


def _with_digest(tool: ToolDeclaration, owner: str | None, version: str | None) -> ToolDeclaration:
    return replace(tool, digest=_declared("tool", tool.name, version, _tool_body(tool, owner)).digest)


def _known_keys(file: DeclarationFile, known: Sequence[str], what: str) -> None:
    for key in file.table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else "keys: " + ", ".join(known)
            raise file.error(key, f"{what} has no key {key!r}", hint)


def _name(file: DeclarationFile) -> str:
    name = _text(file, "name")
    if name is None:
        raise file.error("name", "the name is missing", 'write name = "…"')
    if not _NAME.match(name):
        raise file.error(
            "name", f"{name!r} is not a name", "no spaces, quotes, backslashes or control characters"
        )
    return name


def _text(file: DeclarationFile, key: str) -> str | None:
    value = file.table.get(key)
    if value is not None and not isinstance(value, str):
        raise file.error(key, f"{key} is text, not {value!r}", f'write {key} = "{value}"')
    return value


def _texts(file: DeclarationFile, key: str) -> tuple[str, ...]:
    value = file.table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise file.error(key, f"{key} is a list of texts, not {value!r}", f'write {key} = ["…"]')
    return tuple(value)


def _money(file: DeclarationFile, key: str, value: Any) -> int:
    if not isinstance(value, str):
        raise file.error(
            key, f"{key} is an amount written as text, not {value!r}", f'write {key} = "{value}"'
        )
    try:
        nano = nano_from_usd(value)
    except BadInput as error:
        raise file.error(
            key, f"{value!r} is not an amount of money", error.hint or 'for example "0.50"'
        ) from error
    if nano < 0:
        raise file.error(key, f"{key} cannot be below zero", 'for example "0.50"')
    return nano


def _choice(file: DeclarationFile, key: str, choices: Sequence[str]) -> str:
    value = file.table[key]
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, 1, 0.5)
        raise file.error(key, f"{value!r} is not an {key}" if key[0] in "aeiou" else f"{value!r} is not a {key}",
                         f"did you mean {near[0]!r}?" if near else f"{key} = {_choices(choices)}")  # fmt: skip
    return str(value)


def _choices(values: Sequence[str]) -> str:
    return ", ".join(values[:-1]) + " or " + values[-1]


def _arguments(file: DeclarationFile) -> dict[str, str]:
    table = file.table.get("arguments", {})
    if not isinstance(table, Mapping):
        raise file.error(
            "arguments", "arguments is a table", "write [arguments] and below it one argument a line"
        )
    found: dict[str, str] = {}
    for name, written in table.items():
        key = f"arguments.{name}"
        if not isinstance(written, str) or written.removesuffix("?") not in ARGUMENT_TYPES:
            near = difflib.get_close_matches(str(written), ARGUMENT_TYPES, 1, 0.5)
            hint = (
                f"did you mean {near[0]!r}?"
                if near
                else f'{_choices(ARGUMENT_TYPES)}, with "?" when it may be absent'
            )
            raise file.error(key, f"argument {name} has an unknown type {written!r}", hint)
        found[str(name)] = written
    return found
