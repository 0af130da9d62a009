"""Policy sets: Cedar rules parsed once, validated against the generated schema, cut into one slice per tool.

A policy set is only ever made whole: one rule that cannot be read, or that names what no tool has, and there is
no set. Rules are known by where they stand ("policies/refunds.cedar:12"). A slice holds the rules whose action can
match its tool, which leaves every answer as it is and makes it cheap.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cedarpy

from tallystick.govern.findings import Problem, annotation_problems, explain
from tallystick.govern.reading import rule_texts
from tallystick.govern.schema import EFFECT_PREFIX, SCHEMA_VERSION, schema
from tallystick.model.canonical import digest, digest_bytes
from tallystick.model.control import PolicyState
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.guarding import ToolDeclaration, declarations_text


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy file as read: its name for people, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: where it stands, and what its annotations say."""

    place: str
    forbids: bool
    hold: str | None = None
    because: str | None = None
    name: str | None = None

    @property
    def label(self) -> str:
        """How people are told of it: its @id and its place."""
        return f"{self.name} ({self.place})" if self.name else self.place


@dataclass(frozen=True, slots=True)
class PolicySet:
    """What decides: rules, the schema they were checked against, a slice per tool, and an identity.

    ``digest`` covers rules, declarations, schema, settings and evaluator: two sets with one digest decide alike.
    ``problem`` says why a set could not be loaded.
    """

    state: PolicyState
    digest: str
    rules: Mapping[str, Rule] = field(default_factory=dict)
    tools: Mapping[str, ToolDeclaration] = field(default_factory=dict)
    slices: Mapping[str, cedarpy.PolicySet] = field(default_factory=dict)
    schema: cedarpy.Schema | None = None
    entities: cedarpy.Entities | None = None  # the actions and the groups that they are in
    problem: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def decides(self) -> bool:
        """Whether there is any rule to decide by."""
        return self.state in (PolicyState.ENFORCED, PolicyState.PERMISSIVE) and bool(self.rules)


def unconfigured(tools: Iterable[ToolDeclaration] = ()) -> PolicySet:
    """The set of a project that has no policy."""
    return _without_rules(PolicyState.UNCONFIGURED, tools, None)


def load_failed(problem: str, tools: Iterable[ToolDeclaration] = ()) -> PolicySet:
    """The set that stands where one should have been loaded and could not be."""
    return _without_rules(PolicyState.LOAD_FAILED, tools, problem)


def _without_rules(state: PolicyState, tools: Iterable[ToolDeclaration], problem: str | None) -> PolicySet:
    known = {tool.name: tool for tool in tools}
    identity = {"state": state.value, "problem": problem, "tools": _digest_of(known.values())}
    return PolicySet(state, digest(identity), tools=known, problem=problem)


def _digest_of(tools: Iterable[ToolDeclaration]) -> str:
    return digest_bytes(declarations_text(tools).encode("utf-8"))


def check(files: Sequence[PolicyFile], tools: Iterable[ToolDeclaration]) -> list[Problem]:
    """Everything wrong with a policy set, in order of file and line; empty when it can be loaded."""
    return _compile(files, list(tools))[0]


def load(
    files: Sequence[PolicyFile], tools: Iterable[ToolDeclaration], *, evaluator: str, permissive: bool = False,
    schema_version: int = SCHEMA_VERSION,
) -> PolicySet:  # fmt: skip
    """Make a policy set; ``schema_version`` is that of the schema its rules are checked against.

    Raises ConfigError for its first problem (all of them in ``detail["problems"]``).
    """
    known = list(tools)
    problems, parts = _compile(files, known, schema_version)
    if problems:
        first = problems[0]
        raise ConfigError(
            first.message, hint=first.hint, file=first.file, line=first.line,
            problems=[problem.as_json() for problem in problems],
        )  # fmt: skip
    state = PolicyState.PERMISSIVE if permissive else PolicyState.ENFORCED
    identity = {
        "files": {one.name: digest_bytes(one.text.encode("utf-8", "surrogatepass")) for one in files},
        "tools": _digest_of(known),
        "schema": parts.schema_json,
        "settings": {"state": state.value},
        "evaluator": evaluator,
    }
    return PolicySet(
        state,
        digest(identity),
        parts.rules,
        {tool.name: tool for tool in known},
        _slices(parts, known),
        parts.schema,
        cedarpy.Entities.from_json_str("[]", parts.schema),
        schema_version=schema_version,
    )


@dataclass(slots=True)
class _Parts:
    """What compiling yields: rules by place, their JSON by place, and the schema."""

    schema_json: dict[str, Any]
    schema: cedarpy.Schema
    rules: dict[str, Rule] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)


def _compile(
    files: Sequence[PolicyFile], tools: list[ToolDeclaration], version: int = SCHEMA_VERSION
) -> tuple[list[Problem], _Parts]:
    declared = [tool for tool in tools if tool.effect is not None]
    try:
        shape = schema(declared, version)
    except BadInput as error:
        empty = schema(())
        problem = Problem("tools", 1, error.message, error.hint or "")
        return [problem], _Parts(empty, cedarpy.Schema.from_json_str(json.dumps(empty)))
    parts = _Parts(shape, cedarpy.Schema.from_json_str(json.dumps(shape)))
    problems: list[Problem] = []
    for file in files:
        problems.extend(_compile_file(file, declared, parts))
    return sorted(problems, key=lambda one: (one.file, one.line)), parts


def _compile_file(file: PolicyFile, tools: list[ToolDeclaration], parts: _Parts) -> list[Problem]:
    problems: list[Problem] = []
    for written in rule_texts(file.text):
        place = f"{file.name}:{written.line}"
        try:
            parsed = json.loads(cedarpy.policies_to_json_str(written.text))
        except ValueError as error:
            problems.append(
                Problem(file.name, written.line, f"this rule cannot be read: {error}", explain_syntax(error))
            )
            continue
        if parsed["templates"]:
            problems.append(
                Problem(
                    file.name,
                    written.line,
                    "templates (?principal, ?resource) are not supported",
                    "write the name out",
                )
            )
            continue
        for source in parsed["staticPolicies"].values():  # one, because one rule was given
            found = annotation_problems(file.name, written.line, source)
            result = cedarpy.validate_policies(written.text, parts.schema)
            if not result.validation_passed:
                found.extend(
                    explain(file.name, written.line, [error.error for error in result.errors], tools)
                )
            if found:
                problems.extend(found)
                continue
            while place in parts.rules:  # two rules on one line
                place += "+"
            notes = source.get("annotations") or {}
            parts.rules[place] = Rule(
                place, source["effect"] == "forbid", notes.get("hold"), notes.get("because"), notes.get("id")
            )
            parts.sources[place] = source
    return problems


def explain_syntax(error: ValueError) -> str:
    """What to look at when Cedar cannot parse a rule."""
    if "end of input" in str(error):
        return "every rule is permit (…) or forbid (…) and ends with a semicolon"
    return "every rule is permit (principal, action, resource) or forbid (…), then when { … } or unless { … }"


def _slices(parts: _Parts, tools: list[ToolDeclaration]) -> dict[str, cedarpy.PolicySet]:
    made: dict[tuple[str, ...], cedarpy.PolicySet] = {}
    slices: dict[str, cedarpy.PolicySet] = {}
    for tool in tools:
        if tool.effect is None:
            continue
        names = {tool.name, EFFECT_PREFIX + tool.effect.value}
        places = tuple(
            place for place, source in parts.sources.items() if _can_match(source["action"], tool.name, names)
        )
        if places not in made:
            chosen = {place: parts.sources[place] for place in places}
            whole = {"templates": {}, "templateLinks": [], "staticPolicies": chosen}
            made[places] = cedarpy.PolicySet.from_json_str(json.dumps(whole))
        slices[tool.name] = made[places]
    return slices


def _can_match(action: Mapping[str, Any], tool: str, names: set[str]) -> bool:
    """Whether a rule's action scope can match a tool: all, the tool itself, or a group that it is in."""
    if action["op"] == "All":
        return True
    if action["op"] == "==":
        return bool(action["entity"]["id"] == tool)
    entities = action.get("entities") or [action["entity"]]
    return any(entity["id"] in names for entity in entities)
