"""The Cedar schema of what tools can do, generated from their declarations, and requests that fit it.

One action per tool, each in the group of its effect. A rule sees::

    principal   Agent::"refunds"
    action      Action::"refund", which is in Action::"effect:irreversible"
    resource    Tool::"refund"
    context     args       the call's arguments, typed by the tool's declaration
                agent      String
                workflow   String, "" outside a workflow
                data       Set<String>: the classes of data that the tool touches
                approvals  Set<String>: the groups that have approved exactly this call
                labels     what is known of where the arguments come from; see model.labels.Facts:
                           tainted, trusted, asked, again, new_links, leaking Boolean; watermark, authority String;
                           untrusted, links, seen, leaks, signs Set<String>
                chain      Set<String>: the agents on whose behalf the call is made, and the one that makes it
                depth      Long: how often the work was passed on
                on_behalf  String: the person at the beginning, "" where none is named

The schema has versions, because recorded decisions are made again under the one that they were made under: the first
had no labels and no chain, and before the third a call that rules hold for several groups was refused.

Types: string String, long Long, decimal decimal (four digits), bool Bool, list Set<String>, record String (its
canonical JSON). An argument is required unless its type ends in "?". An argument that nobody declared cannot be
judged, so a call that carries one does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tallystick.govern.sight import EVERYTHING, Sight
from tallystick.model.canonical import canonical_json
from tallystick.model.control import ToolCall
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import UNKNOWN, Facts
from tallystick.model.step import Effect

ARGUMENT_TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "string": {"type": "String"},
    "long": {"type": "Long"},
    "decimal": {"type": "Extension", "name": "decimal"},
    "bool": {"type": "Boolean"},
    "list": {"type": "Set", "element": {"type": "String"}},
    "record": {"type": "String"},
}
EFFECT_PREFIX: Final = "effect:"
CONTEXT: Final = ("args", "agent", "workflow", "data", "approvals", "labels", "chain", "depth", "on_behalf")
FIRST_SCHEMA: Final = 1
JOINT_SCHEMA: Final = 3
SCHEMA_VERSION: Final = 3

_STRINGS: Final = {"type": "Set", "element": {"type": "String"}}
_SWITCH: Final = {"type": "Boolean"}
_TEXT: Final = {"type": "String"}
_LABELS: Final[Mapping[str, Mapping[str, Any]]] = {
    "watermark": _TEXT, "tainted": _SWITCH, "authority": _TEXT, "trusted": _SWITCH, "untrusted": _STRINGS,
    "asked": _SWITCH, "new_links": _SWITCH, "links": _STRINGS, "seen": _STRINGS, "leaks": _STRINGS,
    "leaking": _SWITCH, "signs": _STRINGS, "again": _SWITCH,
}  # fmt: skip
_LONG_MAX: Final = 2**63 - 1
_EXACT: Final = 2**53 - 1
_LARGE: Final = re.compile(r"-?[1-9][0-9]{15,18}", re.ASCII)
_DECIMAL_MAX: Final = Decimal("922337203685477.5807")
_FOUR_DIGITS: Final = Decimal("0.0001")


def schema(declarations: Iterable[ToolDeclaration], version: int = SCHEMA_VERSION) -> dict[str, Any]:
    """The schema (Cedar's JSON form) of the declared tools, in order of name, in one of its versions.

    Raises BadInput for a tool that has no effect, a reserved name, or an argument of an unknown type.
    """
    actions: dict[str, Any] = {EFFECT_PREFIX + effect.value: {} for effect in Effect}
    for tool in sorted(declarations, key=lambda one: one.name):
        if tool.effect is None:
            raise BadInput(
                f"tool {tool.name} has no effect", hint="effect = none, read, write or irreversible"
            )
        if tool.name.startswith(EFFECT_PREFIX):
            raise BadInput(
                f"a tool cannot be called {tool.name!r}", hint=f"{EFFECT_PREFIX} names groups of tools"
            )
        actions[tool.name] = {
            "memberOf": [{"id": EFFECT_PREFIX + tool.effect.value}],
            "appliesTo": {
                "principalTypes": ["Agent"],
                "resourceTypes": ["Tool"],
                "context": _context(tool, version),
            },
        }
    return {"": {"entityTypes": {"Agent": {}, "Tool": {}}, "actions": actions}}


def _context(tool: ToolDeclaration, version: int) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, written in sorted(tool.arguments.items()):
        kind, optional = _kind(tool, name, written)
        arguments[name] = {**ARGUMENT_TYPES[kind], "required": not optional}
    attributes = {
        "args": {"type": "Record", "attributes": arguments},
        "agent": {"type": "String"},
        "workflow": {"type": "String"},
        "data": _STRINGS,
        "approvals": _STRINGS,
    }
    if version > FIRST_SCHEMA:
        attributes["labels"] = {"type": "Record", "attributes": dict(_LABELS)}
        attributes |= {"chain": _STRINGS, "depth": {"type": "Long"}, "on_behalf": _TEXT}
    return {"type": "Record", "attributes": attributes}


def _kind(tool: ToolDeclaration, name: str, written: str) -> tuple[str, bool]:
    kind = written.removesuffix("?")
    if kind not in ARGUMENT_TYPES:
        raise BadInput(
            f"argument {name} of tool {tool.name} has an unknown type {written!r}",
            hint="types: " + ", ".join(ARGUMENT_TYPES) + '; with "?" when the argument may be absent',
        )
    return kind, written.endswith("?")


def request(
    call: ToolCall, tool: ToolDeclaration, approvals: Iterable[str], facts: Facts | None = UNKNOWN,
    sight: Sight = EVERYTHING,
) -> dict[str, Any]:  # fmt: skip
    """The Cedar request of a call; without ``facts`` it is one of the first schema. ``sight``: with no more than that.

    Raises BadInput naming the argument that does not fit the declaration, looked at or not.
    """
    for name in (call.agent, call.workflow or "", *approvals):
        if not name.isascii():
            _name(name)
    context = {
        "args": _arguments(call.arguments, tool),
        "agent": call.agent,
        "workflow": call.workflow or "",
        "data": sorted(tool.data),
        "approvals": sorted(approvals),
    }
    if facts is not None:
        if sight.has("labels"):
            context["labels"] = facts.for_rules()
        if sight.has("chain", "depth", "on_behalf"):
            context |= facts.acting_for_rules(call.agent)
    return {
        "principal": {"type": "Agent", "id": call.agent},
        "action": {"type": "Action", "id": tool.name},
        "resource": {"type": "Tool", "id": tool.name},
        "context": sight.shown(context),
    }


def _arguments(given: Mapping[str, Any], tool: ToolDeclaration) -> dict[str, Any]:
    bound: dict[str, Any] = {}
    for name, written in sorted(tool.arguments.items()):  # the record of a declaration keeps no other order
        kind, optional = _kind(tool, name, written)
        value = given.get(name)
        if value is None:
            if not optional:
                raise BadInput(f"argument {name} of tool {tool.name} is missing")
            continue
        try:
            bound[name] = _CONVERT[kind](value)
        except (TypeError, ValueError, InvalidOperation, OverflowError, RecursionError) as error:
            raise BadInput(f"argument {name} of tool {tool.name} is not a {kind}: {error}") from error
    if tool.arguments:
        extra = sorted(str(name) for name in given if name not in tool.arguments)
        if extra:
            raise BadInput(f"tool {tool.name} declares no argument {', '.join(extra)}")
    return bound


def _name(value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput(f"{value!r} is not a name") from error


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"it is a {type(value).__name__}")
    value.encode("utf-8")  # a lone surrogate has no place in a decision
    return value


def _long(value: Any) -> int:
    if isinstance(value, str) and _LARGE.fullmatch(value) and abs(int(value)) > _EXACT:
        value = int(value)  # canonical JSON writes such numbers as text
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"it is a {type(value).__name__}")
    if not -_LONG_MAX - 1 <= value <= _LONG_MAX:
        raise ValueError("it does not fit in 64 bits")
    return value


def _decimal(value: Any) -> dict[str, Any]:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise TypeError(f"it is a {type(value).__name__}")
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite() or abs(exact) > _DECIMAL_MAX:
        raise ValueError("it is out of range")
    rounded = exact.quantize(_FOUR_DIGITS)
    if rounded != exact:
        raise ValueError("it has more than four digits behind the point")
    return {"__extn": {"fn": "decimal", "arg": format(rounded, "f")}}


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"it is a {type(value).__name__}")
    return value


def _list(value: Any) -> list[str]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"it is a {type(value).__name__}")
    return [_string(item) if isinstance(item, str) else canonical_json(item).decode() for item in value]


def _record(value: Any) -> str:
    return canonical_json(value).decode()  # anything: a parameter that nobody typed is declared a record


_CONVERT: Final = {
    "string": _string,
    "long": _long,
    "decimal": _decimal,
    "bool": _bool,
    "list": _list,
    "record": _record,
}
