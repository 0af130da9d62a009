"""Descriptions of tools as programs hand them to models, read from the shapes that are in use.

Known shapes: a function of the OpenAI API (bare, or under ``function``), a tool of the Anthropic API
(``input_schema``), and a tool of an MCP server (``inputSchema``, ``outputSchema``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.errors import BadInput
from tallystick.registry.fields import is_name

_LISTS: Final = ("tools", "functions")
_INPUTS: Final = ("parameters", "input_schema", "inputSchema", "input")
_OUTPUTS: Final = ("outputSchema", "output_schema", "returns", "output")
_DEEPEST: Final = 8  # references inside references
_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Described:
    """What a tool says of itself: name, words, JSON schemas of what it takes and (empty: it does not say) returns."""

    name: str
    description: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)


def described(value: Any) -> list[Described]:
    """The tools that a JSON value describes: a list, an object with ``tools``, or one tool.

    References inside the schemas are followed. Raises BadInput for anything else.
    """
    if isinstance(value, Mapping) and not any(key in value for key in ("name", "function")):
        value = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), value)
    listed = value if isinstance(value, list) else [value]
    if len(listed) > _MOST:
        raise BadInput(f"these are {len(listed):,} tools", hint=f"describe at most {_MOST:,} in one file")
    return [_tool(one) for one in listed]


def _tool(value: Any) -> Described:
    inner = value.get("function") if isinstance(value, Mapping) else None
    tool = inner if isinstance(inner, Mapping) else value
    name = tool.get("name") if isinstance(tool, Mapping) else None
    if not isinstance(tool, Mapping) or not isinstance(name, str) or not is_name(name):
        raise BadInput(
            "this is no description of a tool",
            hint='a JSON list of {"name", "description", "parameters"} as models get it',
        )
    words = tool.get("description")
    return Described(
        name, words if isinstance(words, str) else "", _schema(tool, _INPUTS), _schema(tool, _OUTPUTS)
    )


def _schema(tool: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any]:
    found: Any = next((tool[key] for key in keys if isinstance(tool.get(key), Mapping)), {})
    plain = _followed(found, found, 0)
    return plain if isinstance(plain, Mapping) else {}


def _followed(part: Any, whole: Mapping[str, Any], depth: int) -> Any:
    """A part of a schema with what it refers to in its place."""
    if depth > _DEEPEST:
        return {}
    if isinstance(part, list):
        return [_followed(one, whole, depth + 1) for one in part]
    if not isinstance(part, Mapping):
        return part
    wrapped = part.get("allOf")
    target = part.get("$ref")
    if isinstance(target, str):
        found = _target(whole, target)
        return {**_mapping(_followed(found, whole, depth + 1)), **_without(part, "$ref", whole, depth)}
    if isinstance(wrapped, list) and len(wrapped) == 1:
        inner = _mapping(_followed(wrapped[0], whole, depth + 1))
        return {**inner, **_without(part, "allOf", whole, depth)}
    return _without(part, "$defs", whole, depth)


def _without(part: Mapping[str, Any], key: str, whole: Mapping[str, Any], depth: int) -> dict[str, Any]:
    return {str(name): _followed(one, whole, depth + 1) for name, one in part.items() if name != key}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _target(whole: Mapping[str, Any], target: str) -> Any:
    """What "#/$defs/Name" points to; an empty schema where that is not there."""
    at: Any = whole
    for step in target.removeprefix("#/").split("/"):
        at = at.get(step) if isinstance(at, Mapping) else None
    return at if isinstance(at, Mapping) else {}
