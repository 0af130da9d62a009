"""Policy sets: Cedar rules parsed once, validated against the generated schema, cut into one slice per tool.

A policy set is only ever made whole: one rule that cannot be read, or that names what no tool has, and there is
no set. Rules are known by where they stand ("policies/refunds.cedar:12"). A slice holds the rules whose action can
match its tool, which leaves every answer as it is and makes it cheap.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import cedarpy

from tallystick.govern.answers import Answers, Narrow
from tallystick.govern.asking import quorum_of
from tallystick.govern.findings import Problem, annotation_problems, explain, redacted_arguments
from tallystick.govern.reading import RuleText, can_match, rule_texts
from tallystick.govern.schema import JOINT_SCHEMA, SCHEMA_VERSION, schema
from tallystick.govern.sight import sight_of
from tallystick.model.canonical import digest, digest_bytes
from tallystick.model.control import PolicyState
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.guarding import ToolDeclaration, declarations_text

PACK: Final = "pack/"  # the names of the files that come with Tallystick begin so


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy file as read: its name for people, and its text.

    ``report``: its rules are only reported: what they would have said is recorded, and nothing is refused by them.
    """

    name: str
    text: str
    report: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: where it stands, and what its annotations say.

    ``redact`` are arguments whose values are not kept of a call that it permits; ``report``: it refuses nothing.
    ``quorum`` people of the group that it holds for must approve, ``ask`` is what they are asked to say, and ``budget``
    how often it is meant to ask ("5 per 100" runs).
    """

    place: str
    forbids: bool
    hold: str | None = None
    because: str | None = None
    name: str | None = None
    redact: tuple[str, ...] = ()
    report: bool = False
    quorum: int = 1
    ask: str | None = None
    budget: str | None = None

    @property
    def label(self) -> str:
        """How people are told of it: its @id and its place."""
        return f"{self.name} ({self.place})" if self.name else self.place

    @property
    def shipped(self) -> bool:
        """Whether it came with Tallystick."""
        return self.place.startswith(PACK)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """What decides: rules, the schema they were checked against, a slice per tool, and an identity.

    ``digest`` covers rules, declarations, schema, settings and evaluator: two sets with one digest decide alike.
    ``problem`` says why a set could not be loaded. ``sources`` are the rules in Cedar's JSON, by place. ``observed``
    are the slices of tools that a reported rule can match, with the reported rules among the others. ``decides``:
    whether there is any rule to decide by; those that came with Tallystick only take away. ``answers`` are kept for
    calls to come (see answers.py).
    """

    state: PolicyState
    digest: str
    rules: Mapping[str, Rule] = field(default_factory=dict)
    tools: Mapping[str, ToolDeclaration] = field(default_factory=dict)
    slices: Mapping[str, cedarpy.PolicySet] = field(default_factory=dict)
    observed: Mapping[str, cedarpy.PolicySet] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    schema: cedarpy.Schema | None = None
    entities: cedarpy.Entities | None = None  # the actions and the groups that they are in
    problem: str | None = None
    schema_version: int = SCHEMA_VERSION
    decides: bool = field(init=False, compare=False)
    # Not taken along by ``replace``: another set has other answers.
    answers: Answers[Any] = field(init=False, compare=False, repr=False, default_factory=Answers)

    def __post_init__(self) -> None:
        made = self.state in (PolicyState.ENFORCED, PolicyState.PERMISSIVE)
        decides = made and not all(rule.shipped or rule.report for rule in self.rules.values())
        object.__setattr__(self, "decides", decides)

    def narrow(self, tool: str, *, reported: bool) -> Narrow:
        """How the rules of a tool of this set are asked with no more than they look at; made once.

        ``reported``: with the reported rules among them.
        """
        known = self.answers.narrow.get((tool, reported))
        if known is None:
            declared = self.tools[tool]
            sight = sight_of(
                source for place, source in self.sources.items()
                if (reported or not self.rules[place].report) and can_match(source["action"], declared)
            )  # fmt: skip
            shape = json.dumps(sight.schema(schema([declared], self.schema_version)))
            made = cedarpy.Schema.from_json_str(shape)
            known = Narrow(sight, made, cedarpy.Entities.from_json_str("[]", made))
            self.answers.narrow[(tool, reported)] = known
        return known


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
    identity: dict[str, Any] = {
        "files": {one.name: digest_bytes(one.text.encode("utf-8", "surrogatepass")) for one in files},
        "tools": _digest_of(known),
        "schema": parts.schema_json,
        "settings": {"state": state.value},
        "evaluator": evaluator,
    }
    if (
        schema_version >= JOINT_SCHEMA
    ):  # the same rules, and another answer where they hold for several groups
        identity["schema_version"] = schema_version
    reported = sorted(one.name for one in files if one.report)
    if reported:
        identity["report"] = reported
    slices, observed = cut(parts.rules, parts.sources, known)
    return PolicySet(
        state,
        digest(identity),
        parts.rules,
        {tool.name: tool for tool in known},
        slices,
        observed,
        parts.sources,
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
            problems.extend(_compile_rule(file, written, source, tools, parts))
    return problems


def _compile_rule(
    file: PolicyFile, written: RuleText, source: dict[str, Any], tools: list[ToolDeclaration], parts: _Parts
) -> list[Problem]:
    shipped = file.name.startswith(PACK)
    if shipped and not any(can_match(source["action"], tool) for tool in tools):
        return []  # it is about tools that are not here
    found = annotation_problems(file.name, written.line, source, tools)
    if shipped and source["effect"] != "forbid":
        found.append(Problem(file.name, written.line, "the pack permits nothing", "write it as a forbid"))
    result = cedarpy.validate_policies(written.text, parts.schema)
    if not result.validation_passed:
        found.extend(explain(file.name, written.line, [error.error for error in result.errors], tools))
    if found:
        return found
    place = f"{file.name}:{written.line}"
    while place in parts.rules:  # two rules on one line
        place += "+"
    parts.rules[place] = _rule(place, source, file.report)
    parts.sources[place] = source
    return []


def _rule(place: str, source: Mapping[str, Any], report: bool) -> Rule:
    notes = source.get("annotations") or {}
    return Rule(
        place, source["effect"] == "forbid", notes.get("hold"), notes.get("because"), notes.get("id"),
        redacted_arguments(notes.get("redact")), report or "report" in notes, quorum_of(notes.get("quorum")) or 1,
        notes.get("ask"), notes.get("budget"),
    )  # fmt: skip


def rules_in(file: PolicyFile) -> list[Rule]:
    """The rules of a policy file as they are written, fitting a schema or not; unreadable ones are left out."""
    found: list[Rule] = []
    for written in rule_texts(file.text):
        try:
            parsed = json.loads(cedarpy.policies_to_json_str(written.text))
        except ValueError:
            continue
        for source in parsed["staticPolicies"].values():
            found.append(_rule(f"{file.name}:{written.line}", source, file.report))
    return found


def explain_syntax(error: ValueError) -> str:
    """What to look at when Cedar cannot parse a rule."""
    if "end of input" in str(error):
        return "every rule is permit (…) or forbid (…) and ends with a semicolon"
    return "every rule is permit (principal, action, resource) or forbid (…), then when { … } or unless { … }"


_Slices = Mapping[str, cedarpy.PolicySet]


def cut(
    rules: Mapping[str, Rule], sources: Mapping[str, Mapping[str, Any]], tools: Iterable[ToolDeclaration]
) -> tuple[_Slices, _Slices]:  # fmt: skip
    """Cut rules into one slice per tool: those that decide, and with the reported ones among them where there are any.

    ``sources`` are the rules in Cedar's JSON, by place.
    """
    made: dict[tuple[str, ...], cedarpy.PolicySet] = {}

    def slice_of(places: tuple[str, ...]) -> cedarpy.PolicySet:
        if places not in made:
            chosen = {place: sources[place] for place in places}
            whole = {"templates": {}, "templateLinks": [], "staticPolicies": chosen}
            made[places] = cedarpy.PolicySet.from_json_str(json.dumps(whole))
        return made[places]

    slices, observed = {}, {}
    for tool in tools:
        if tool.effect is None:
            continue
        places = tuple(place for place, source in sources.items() if can_match(source["action"], tool))
        deciding = tuple(place for place in places if not rules[place].report)
        slices[tool.name] = slice_of(deciding)
        if deciding != places:
            observed[tool.name] = slice_of(places)
    return slices, observed
