"""A draft of tools/NAME.toml: what the tool's own words make likely, each guess marked as one.

A draft is on the safe side: what it cannot tell is an authority argument, an irreversible effect, and a third party's
word. It never sets a limit, a class of data or a phrase: those are known to people alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.model.labels import Role
from tallystick.model.masking import mask_text
from tallystick.model.step import Effect
from tallystick.registry.drafting.described import Described
from tallystick.registry.drafting.words import (
    effect_of,
    identifies,
    is_directory,
    is_people,
    naming,
    role_of,
    things,
)
from tallystick.registry.fields import is_name, seen_text
from tallystick.registry.offered_files import arguments_of, file_name
from tallystick.registry.toml_text import toml_key, toml_value

_HEAD: Final = (
    "# Drafted from what the tool says of itself. Effect, roles and what follows are guesses on the safe side: read\n"
    "# them, correct them, add data = […] and what people need not say ([limits]); then: tally plan\n"
)
_DESCRIPTION: Final = 4_000  # characters
_DEEPEST: Final = 6


def drafts(tools: Sequence[Described]) -> dict[str, str]:
    """Files by path for some tools, which are read together: one may be where another's arguments come from."""
    found = _Sources(
        tuple(origin for tool in tools for origin in _directory(tool)),
        tuple((things(tool.name), origin) for tool in tools for origin in _identified(tool)),
    )
    return {f"tools/{file_name(tool.name)}": _file(tool, found) for tool in tools}


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where arguments may come from: ``people`` of directories; ``objects``, ids with the things that they are of."""

    people: tuple[str, ...]
    objects: tuple[tuple[frozenset[str], str], ...]

    def of(self, effect: Effect, argument: str) -> list[str]:
        """The sources of an authority argument. An object that was found will do only for what can be put back."""
        if identifies(argument):
            wanted = things(argument)
            known = [origin for told, origin in self.objects if wanted & told]
            return known if effect is Effect.WRITE else []
        return list(self.people) if is_people(argument) else []


def _file(tool: Described, sources: _Sources) -> str:
    effect, word = effect_of(tool.name, tool.description)
    arguments, unclear = arguments_of(tool.input)
    types = {**arguments, **dict.fromkeys(unclear, "record?")}
    types = {name: kind for name, kind in types.items() if is_name(name)}
    about = _mapping(tool.input.get("properties"))
    roles = {name: role_of(tool.name, effect, name, _words(about.get(name))) for name in types}
    why = f'"{word}"' if word else "no word says what it does: the worst is drafted"
    lines = [
        f"{_HEAD}name = {toml_value(tool.name)}",
        f"effect = {toml_value(effect.value)}  # {why}",
    ]
    words = seen_text(mask_text(" ".join(tool.description.split())[:_DESCRIPTION]))
    if words:
        lines.append(f"description = {toml_value(words)}")
    lines += _table("arguments", types)
    lines += _table("roles", {name: role.value for name, role in roles.items()})
    if effect not in (Effect.NONE, Effect.READ):
        ruling = [name for name, role in roles.items() if role is Role.AUTHORITY]
        found = {name: sources.of(effect, name) for name in ruling}
        lines += _table("from", {name: origins for name, origins in found.items() if origins})
    lines += _table("returns", _returns(tool))
    return "\n".join(lines) + "\n"


def _table(key: str, rows: Mapping[str, Any]) -> list[str]:
    if not rows:
        return []
    return ["", f"[{key}]", *(f"{toml_key(name)} = {toml_value(value)}" for name, value in rows.items())]


def _directory(tool: Described) -> Iterator[str]:
    """The fields of a directory that say who, as sources of arguments."""
    if is_directory(tool.name) and effect_of(tool.name, tool.description)[0] is Effect.READ:
        for fields in _records(tool.output):
            yield from (f"tool:{tool.name}.{name}" for name in fields if is_people(name) and is_name(name))


def _identified(tool: Described) -> Iterator[str]:
    """The fields by which a tool that reads says which object it returns."""
    if effect_of(tool.name, tool.description)[0] is Effect.READ:
        for fields in _records(tool.output):
            yield from (f"tool:{tool.name}.{name}" for name in fields if identifies(name) and is_name(name))


def _returns(tool: Described) -> dict[str, Any]:
    """What is likely of returned fields: an id is the system's, and people call its record by name."""
    found: dict[str, Any] = {}
    own = is_directory(tool.name)
    for fields in _records(tool.output):
        names = naming(list(fields))
        for name in fields:
            if not is_name(name) or name in found:
                continue
            if own and (is_people(name) or name in names):
                found[name] = "user"
            elif names and identifies(name):
                found[name] = {"integrity": "system", "names": names}
    return found


def _records(schema: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The properties of every object in a schema."""
    if depth > _DEEPEST or not isinstance(schema, Mapping):
        return
    properties = _mapping(schema.get("properties"))
    if properties:
        yield properties
        for one in properties.values():
            yield from _records(one, depth + 1)
    yield from _records(schema.get("items"), depth + 1)
    yield from _records(schema.get("additionalProperties"), depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(key)
        for one in choices if isinstance(choices, list) else ():
            yield from _records(one, depth + 1)


def _words(schema: Any) -> str:
    words = _mapping(schema).get("description")
    return words if isinstance(words, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
