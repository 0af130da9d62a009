"""The shapes of A2A agent cards, as tables, and the check of a card against them.

Sources: specification/a2a.proto of A2A 1.0 (the JSON names of its fields; REQUIRED as marked there), and
specification/json/a2a.json of 0.3. A field that is not in the table is reported and ignored, as the protocol asks of
readers; one that is there with another type, or is required and missing, makes the card wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

CURRENT: Final = "1.0"
OLDER: Final = "0.3"
_LONGEST: Final = 20_000  # characters of one text
_MOST: Final = 1_000  # items of one list, keys of one object

# A shape is "text", "name" (text that is not empty), "flag", "any" (JSON), [shape] (a list), {"*": shape} (an object
# with keys of its own), or {field: shape}; "!" before a field means that it is required.
_EXTENSION: Final[Mapping[str, Any]] = {
    "!uri": "name", "description": "text", "required": "flag", "params": {"*": "any"},
}  # fmt: skip
_SIGNATURE: Final[Mapping[str, Any]] = {"!protected": "name", "!signature": "name", "header": {"*": "any"}}
_PROVIDER: Final[Mapping[str, Any]] = {"!url": "name", "!organization": "name"}
_SKILL: Final[Mapping[str, Any]] = {
    "!id": "name", "!name": "name", "!description": "text", "!tags": ["text"], "examples": ["text"],
    "inputModes": ["text"], "outputModes": ["text"],
}  # fmt: skip
_BOTH: Final[Mapping[str, Any]] = {
    "!name": "name", "!description": "text", "!version": "name", "provider": _PROVIDER, "documentationUrl": "text",
    "iconUrl": "text", "!defaultInputModes": ["text"], "!defaultOutputModes": ["text"],
    "securitySchemes": {"*": {"*": "any"}}, "signatures": [_SIGNATURE],
}  # fmt: skip
SHAPES: Final[Mapping[str, Mapping[str, Any]]] = {
    CURRENT: {
        **_BOTH,
        "!supportedInterfaces": [
            {"!url": "name", "!protocolBinding": "name", "!protocolVersion": "name", "tenant": "text"}
        ],
        "!capabilities": {
            "streaming": "flag", "pushNotifications": "flag", "extendedAgentCard": "flag", "extensions": [_EXTENSION],
        },
        "!skills": [{**_SKILL, "securityRequirements": [{"schemes": {"*": {"list": ["text"]}}}]}],
        "securityRequirements": [{"schemes": {"*": {"list": ["text"]}}}],
    },
    OLDER: {
        **_BOTH,
        "!url": "name", "!protocolVersion": "name", "preferredTransport": "name",
        "additionalInterfaces": [{"!url": "name", "!transport": "name"}],
        "!capabilities": {
            "streaming": "flag", "pushNotifications": "flag", "stateTransitionHistory": "flag",
            "extensions": [_EXTENSION],
        },
        "!skills": [{**_SKILL, "security": [{"*": ["text"]}]}],
        "security": [{"*": ["text"]}], "supportsAuthenticatedExtendedCard": "flag",
    },
}  # fmt: skip
_NEEDS_ONE: Final = ("supportedInterfaces", "skills", "defaultInputModes", "defaultOutputModes")


class Trouble(Exception):
    """The first place where a card is wrong. ``path`` is dotted, from the card's top."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


def check(protocol: str, card: Mapping[str, Any], *, deepest: int) -> tuple[str, ...]:
    """Hold a card against its shape; gives the paths that no shape knows. Raises Trouble."""
    ignored: list[str] = []
    _check(SHAPES[protocol], card, "the card", ignored, deepest)
    for name in _NEEDS_ONE:
        if name in card and not card[name]:
            raise Trouble(name, "it is empty, and needs at least one")
    return tuple(ignored[:50])


def _check(shape: Any, value: Any, path: str, ignored: list[str], levels: int) -> None:
    if levels < 0:
        raise Trouble(path, "it is nested too deep")
    if shape == "any":
        _any(value, path, ignored, levels)
    elif isinstance(shape, str):
        _leaf(shape, value, path)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise Trouble(path, f"it is {_kind(value)}, not a list")
        _not_many(value, path)
        for place, item in enumerate(value):
            _check(shape[0], item, f"{path}[{place}]", ignored, levels - 1)
    else:
        _object(shape, value, path, ignored, levels)


def _object(shape: Mapping[str, Any], value: Any, path: str, ignored: list[str], levels: int) -> None:
    if not isinstance(value, dict):
        raise Trouble(path, f"it is {_kind(value)}, not an object")
    _not_many(value, path)
    if "*" in shape:
        for key, item in value.items():
            _check(shape["*"], item, f"{path}.{key[:80]}", ignored, levels - 1)
        return
    fields = {name.removeprefix("!"): below for name, below in shape.items()}
    for name in shape:
        if name.startswith("!") and name[1:] not in value:
            raise Trouble(_below(path, name[1:]), "it is missing")
    for key, item in value.items():
        if key not in fields:
            ignored.append(_below(path, key[:80]))
        elif item is not None or f"!{key}" in shape:
            _check(fields[key], item, _below(path, key), ignored, levels - 1)


def _any(value: Any, path: str, ignored: list[str], levels: int) -> None:
    if isinstance(value, str) and len(value) > _LONGEST:
        raise Trouble(path, f"it has more than {_LONGEST:,} characters")
    if isinstance(value, dict):
        _check({"*": "any"}, value, path, ignored, levels)
    elif isinstance(value, list):
        _check(["any"], value, path, ignored, levels)


def _leaf(shape: str, value: Any, path: str) -> None:
    if shape == "flag":
        if not isinstance(value, bool):
            raise Trouble(path, f"it is {_kind(value)}, not true or false")
        return
    if not isinstance(value, str):
        raise Trouble(path, f"it is {_kind(value)}, not text")
    if len(value) > _LONGEST:
        raise Trouble(path, f"it has more than {_LONGEST:,} characters")
    if shape == "name" and not value.strip():
        raise Trouble(path, "it is empty")


def _not_many(value: Any, path: str) -> None:
    if len(value) > _MOST:
        raise Trouble(path, f"it has more than {_MOST:,} items")


def _below(path: str, key: str) -> str:
    return key if path == "the card" else f"{path}.{key}"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "text" if isinstance(value, str) else "a number"
