"""What models were told of tools: the definitions in requests, in one shape whatever the provider's.

Understood: OpenAI chat and Responses, Anthropic, Gemini (also lists of declarations), LangChain, and attributes with an
index in their name. What has no name is left out: nobody can call it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tallystick.model.canonical import canonical_json
from tallystick.model.errors import BadInput
from tallystick.model.registry import Definition
from tallystick.observe.messages import parsed
from tallystick.observe.values import encodable

_SCHEMAS: Final = (
    "parameters", "input_schema", "inputSchema", "parameters_json_schema", "parametersJsonSchema",
)  # fmt: skip
_LISTS: Final = ("function_declarations", "functionDeclarations", "tools", "functions")
_DEEPEST: Final = 4
_LONGEST_NAME: Final = 256


def definitions_of(given: Iterable[Any] | None) -> list[Definition]:
    """Definitions out of ``Contents.tool_definitions``, in order, none twice. Never raises for what was sent."""
    found: dict[str, Definition] = {}
    for one in _read(given or (), 0):
        found.setdefault(one.digest, one)
    return list(found.values())


def _read(given: Iterable[Any], depth: int) -> Iterator[Definition]:
    for item in given:
        one = parsed(item)
        if not isinstance(one, Mapping) or depth > _DEEPEST:
            continue
        inner = one.get("function")
        if isinstance(inner, Mapping):
            one = {**one, **inner}
        several = next((one[name] for name in _LISTS if isinstance(one.get(name), list | tuple)), None)
        if several is not None:
            yield from _read(several, depth + 1)
        elif isinstance(one.get("name"), str) and one["name"]:
            yield _definition(one)


def _definition(one: Mapping[str, Any]) -> Definition:
    description = one.get("description")
    schema = next((parsed(one[name]) for name in _SCHEMAS if one.get(name) is not None), None)
    return Definition(
        encodable(one["name"][:_LONGEST_NAME]),
        encodable(description) if isinstance(description, str) else "",
        _plain(schema) if isinstance(schema, Mapping) else {},
    )


def _plain(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema that has canonical JSON: itself, or what can be said of one that has none."""
    try:
        canonical_json(schema)
    except (BadInput, RecursionError, ValueError, TypeError):
        return {"$unreadable": encodable(repr(sorted(map(str, schema)))[:_LONGEST_NAME])}
    return schema
