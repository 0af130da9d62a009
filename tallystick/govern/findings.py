"""What is wrong with a rule, in words that say what to write instead."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from tallystick.govern.asking import asking_problems
from tallystick.govern.reading import can_match
from tallystick.govern.schema import ARGUMENT_TYPES, CONTEXT, EFFECT_PREFIX
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.step import Effect

ANNOTATIONS: Final = ("id", "hold", "quorum", "ask", "budget", "because", "redact", "report")
_BARE: Final = ("report",)  # annotations that need no text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: where, what, and what to write instead."""

    file: str
    line: int
    message: str
    hint: str

    def as_json(self) -> dict[str, Any]:
        """``{"file", "line", "message", "hint"}``."""
        return asdict(self)


def annotation_problems(
    file: str, line: int, source: Mapping[str, Any], tools: Sequence[ToolDeclaration] = ()
) -> list[Problem]:
    """What is wrong with a rule's annotations (``source`` is Cedar's JSON of the rule, ``tools`` those declared)."""
    notes: Mapping[str, str | None] = source.get("annotations") or {}
    found: list[Problem] = []
    for name, value in notes.items():
        if name not in ANNOTATIONS:
            near = difflib.get_close_matches(name, ANNOTATIONS, 1, 0.5)
            hint = (
                f"did you mean @{near[0]}?"
                if near
                else "annotations: " + ", ".join("@" + one for one in ANNOTATIONS)
            )
            found.append(Problem(file, line, f"there is no annotation @{name}", hint))
        elif not value and name not in _BARE:
            found.append(Problem(file, line, f"@{name} says nothing", f'write @{name}("…")'))
    group = notes.get("hold")
    if group and source["effect"] != "forbid":
        found.append(
            Problem(file, line, "@hold stands on a permit", "a held call is a forbid that an approval lifts")
        )
    elif group and not _lifted_by(source, group):
        hint = f'end the rule with: unless {{ context.approvals.contains("{group}") }}'
        found.append(Problem(file, line, f"no approval of {group} can ever lift this rule", hint))
    found += [Problem(file, line, *told) for told in asking_problems(notes)]
    found += [Problem(file, line, *told) for told in _redact_problems(source, notes.get("redact"), tools)]
    return found


def redacted_arguments(note: str | None) -> tuple[str, ...]:
    """The arguments that a rule's ``@redact`` names."""
    return tuple(name for name in (part.strip() for part in (note or "").split(",")) if name)


def _redact_problems(
    source: Mapping[str, Any], note: str | None, tools: Sequence[ToolDeclaration]
) -> Iterator[tuple[str, str]]:
    """An argument that no tool of the rule has would silently stay in the journal."""
    if not note:
        return
    if source["effect"] != "permit":
        yield "@redact stands on a forbid", "it says of a permitted call which arguments are not kept"
        return
    reached = [tool for tool in tools if can_match(source["action"], tool)]
    typed = [tool for tool in reached if tool.arguments]
    for name in redacted_arguments(note):
        if typed and len(typed) == len(reached) and not any(name in tool.arguments for tool in typed):
            known = sorted({one for tool in typed for one in tool.arguments})
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else "arguments: " + ", ".join(known)
            yield f"@redact names {name!r}, which no tool of this rule has", hint


def _lifted_by(source: Mapping[str, Any], group: str) -> bool:
    text = json.dumps(source.get("conditions"))
    return '"approvals"' in text and json.dumps({"Value": group})[1:-1] in text


def explain(file: str, line: int, errors: Iterable[str], tools: Sequence[ToolDeclaration]) -> list[Problem]:
    """Cedar's validation errors of one rule as problems; follow-on errors are left out when a cause is known."""
    found: list[Problem] = []
    for error in errors:
        text = re.sub(r"^for policy `[^`]*`, ", "", error).replace('\\"', '"')
        message, hint = _explained(text, tools)
        if message and all(one.message != message for one in found):
            found.append(Problem(file, line, message, hint))
    return found or [Problem(file, line, "this rule does not fit the schema", "tally policy check")]


def _explained(text: str, tools: Sequence[ToolDeclaration]) -> tuple[str, str]:
    names = {tool.name: tool for tool in tools}
    action = re.search(r'unrecognized action `Action::"(.*)"`', text)
    if action is not None:
        return _unknown_action(action.group(1), list(names))
    if "unable to find an applicable action" in text:
        return (
            ("", "")
            if names
            else ("this rule can never match: no tool is declared", "declare one in tools/NAME.toml")
        )
    missing = re.search(r'attribute `([^`]*)` in context for Action::"(.*)" not found', text)
    if missing is not None:
        return _unknown_attribute(missing.group(1), missing.group(2), names.get(missing.group(2)))
    unsafe = re.search(r"optional attribute `args\.([^`]*)`", text)
    if unsafe is not None:
        name = unsafe.group(1)
        return (
            f"argument {name} may be absent, and this rule does not ask whether it is there",
            f"write context.args has {name} && … before it is used",
        )
    entity = re.search(r"unrecognized entity type `(.*)`", text)
    if entity is not None:
        return (
            f"there is no entity type {entity.group(1)}",
            'entities: Agent::"name", Tool::"name", Action::"tool"',
        )
    types = re.search(r"unexpected type: expected (.*) but saw (.*)", text)
    if types is not None:
        return f"this compares a {types.group(2)} with a {types.group(1)}", _TYPE_HINTS.get(
            types.group(2), "types: " + ", ".join(ARGUMENT_TYPES)
        )
    return text, "see docs/reference for what a rule can say"


_TYPE_HINTS: Final = {
    "decimal": 'compare decimals with .greaterThan(decimal("100.00")), .lessThan(…), or ==',
    "String": 'text is compared with == or like "…*"',
    "Long": "whole numbers are written without quotes and without a point",
}


def _unknown_action(name: str, tools: list[str]) -> tuple[str, str]:
    if name.startswith(EFFECT_PREFIX):
        groups = [EFFECT_PREFIX + effect.value for effect in Effect]
        return f"there is no effect {name.removeprefix(EFFECT_PREFIX)!r}", "groups: " + ", ".join(groups)
    if name in {effect.value for effect in Effect}:
        return (
            f"no tool is called {name!r}",
            f'all tools of an effect: action in Action::"{EFFECT_PREFIX}{name}"',
        )
    near = difflib.get_close_matches(name, tools, 1, 0.5)
    hint = (
        f'did you mean Action::"{near[0]}"?'
        if near
        else f"declare it in tools/{_safe(name)}.toml, or remove the rule"
    )
    return f"no tool is called {name!r}", hint


def _unknown_attribute(path: str, action: str, tool: ToolDeclaration | None) -> tuple[str, str]:
    if path.startswith("args.") and tool is not None:
        name = path.removeprefix("args.")
        near = difflib.get_close_matches(name, list(tool.arguments), 1, 0.5)
        if near:
            hint = f"did you mean context.args.{near[0]}?"
        elif tool.arguments:
            hint = "its arguments: " + ", ".join(tool.arguments)
        else:
            hint = f"declare it under [arguments] in tools/{_safe(action)}.toml, or name the tool in the rule's action"
        return f"tool {action} has no argument {name!r}", hint
    near = difflib.get_close_matches(path, CONTEXT, 1, 0.5)
    return (
        f"context has no {path!r}",
        f"did you mean context.{near[0]}?" if near else "context has: " + ", ".join(CONTEXT),
    )


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:64]
