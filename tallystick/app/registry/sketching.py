"""Sketching: what agents were seen using, gathered for a first set of declarations (registry/sketch.py)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tallystick.app.registry.uses import prompt_text, told_definition
from tallystick.model.errors import UnknownThing
from tallystick.model.registry import Channel, Definition, Shown, Trust, Use
from tallystick.model.step import Effect, Step
from tallystick.observe.normalise import read_span
from tallystick.observe.uses import with_claims
from tallystick.ports import ControlStore, Traces
from tallystick.registry.sketch import SeenAgent, SeenTool

_ORDER: Final = (Effect.NONE, Effect.READ, Effect.WRITE, Effect.IRREVERSIBLE)
_MOST_EXAMPLES: Final = 20  # steps of one tool that are looked at
_TYPES: Final = {
    "string": "string",
    "integer": "long",
    "number": "decimal",
    "boolean": "bool",
    "array": "list",
}


def observed(traces: Traces, control: ControlStore) -> tuple[list[SeenAgent], list[SeenTool]]:
    """Every agent and every tool that was seen at work, declared or not, by name."""
    uses = with_claims(traces.uses())
    by_agent: dict[str, list[Use]] = defaultdict(list)
    by_tool: dict[str, list[Use]] = defaultdict(list)
    told: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        by_agent[use.agent].append(use)
        if use.type == "tool":
            by_tool[use.name].append(use)
        elif use.type == "definition":
            told[use.name].append(use)
    for sighting in traces.sightings("agent"):
        by_agent.setdefault(sighting.name, [])
    agents = [_agent(traces, name, found) for name, found in sorted(by_agent.items())]
    for sighting in traces.sightings("tool"):
        by_tool.setdefault(
            sighting.name, []
        )  # refused so far: who writes no file would never get past the guard
    tools = [_tool(traces, control, name, found, told[name]) for name, found in sorted(by_tool.items())]
    return agents, tools


def _agent(traces: Traces, name: str, uses: Sequence[Use]) -> SeenAgent:
    prompts = _newest_first(use for use in uses if use.type == "prompt")
    unknown = [use for use in prompts if not use.detail]
    versions = _newest_first(use for use in uses if use.type == "version")
    newest = _newest_first(uses)
    return SeenAgent(
        name,
        version=versions[0].name if versions else None,
        workflow=_workflow(traces, newest[0].run) if newest else None,
        models=_names(uses, "model"),
        tools=_names(uses, "tool"),
        delegates=_names(uses, "delegate"),
        prompts=tuple(dict.fromkeys(use.name for use in prompts if use.detail)),
        prompt=prompt_text(traces, unknown[0]) if unknown else None,
        more=max(0, len(unknown) - 1),
    )


def _tool(
    traces: Traces, control: ControlStore, name: str, uses: Sequence[Use], told: Sequence[Use]
) -> SeenTool:
    steps = [step for use in _newest_first(uses)[:_MOST_EXAMPLES] for step in _steps(traces, use)]
    effects = [step.effect for step in steps if step.effect is not None]
    definition, channel = _definition(traces, control, name, told)
    return SeenTool(
        name,
        effect=max(effects, key=_ORDER.index) if effects else None,
        description=definition.description if definition is not None and definition.description else None,
        arguments=None if definition is None else _arguments(definition, channel),
        input=definition.input if definition is not None and channel is Channel.MCP else None,
        server=None if definition is None else definition.server,
        classes=tuple(sorted({one for step in steps for one in step.classes})),
        refused=not uses,
    )


def _definition(
    traces: Traces, control: ControlStore, tool: str, told: Sequence[Use]
) -> tuple[Definition | None, Channel]:
    """What the tool says of itself: as it was accepted, else as it was shown, else as a model was told."""
    shown = sorted(
        control.shown(tool),
        key=lambda one: (one.trust is Trust.ACCEPTED, one.decided or one.first),
        reverse=True,
    )
    for one in shown:
        definition = _kept(control, one)
        if definition is not None:
            return definition, one.channel
    for use in _newest_first(told):
        definition = told_definition(traces, use)
        if definition is not None:
            return definition, Channel.TOLD
    return None, Channel.TOLD


def _kept(control: ControlStore, shown: Shown) -> Definition | None:
    try:
        plain = json.loads(control.text(shown.definition))
        return Definition(
            plain["name"], plain["description"], plain["input"], plain["output"], plain["annotations"],
            plain["server"],
        )  # fmt: skip
    except (UnknownThing, KeyError, TypeError, ValueError):  # erased, or written by somebody who knew better
        return None


def _arguments(definition: Definition, channel: Channel) -> dict[str, str]:
    """Parameter -> type as tools/*.toml has it; what a schema leaves open is a record, which is the worst case."""
    given = definition.input
    if channel is Channel.CODE:
        return {name: word for name, word in given.items() if isinstance(word, str)}
    properties, required = given.get("properties"), given.get("required")
    if not isinstance(properties, Mapping):
        return {}
    needed = (
        set(required)
        if isinstance(required, list) and all(isinstance(one, str) for one in required)
        else set()
    )
    return {str(name): _word(schema) + ("" if name in needed else "?") for name, schema in properties.items()}


def _word(schema: Any) -> str:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    kinds = [one for one in kind if one != "null"] if isinstance(kind, list) else [kind]
    return _TYPES.get(str(kinds[0]), "record") if len(kinds) == 1 else "record"


def _steps(traces: Traces, use: Use) -> list[Step]:
    try:
        span = traces.spans(use.run, [use.step]).get(use.step)
    except UnknownThing:  # archived or erased since
        return []
    return [] if span is None else [step for step, _ in read_span(span)[:1]]


def _workflow(traces: Traces, run: str) -> str | None:
    try:
        return traces.run(run, now=0).workflow
    except UnknownThing:
        return None


def _names(uses: Iterable[Use], type: str) -> tuple[str, ...]:
    return tuple(sorted({use.name for use in uses if use.type == type}))


def _newest_first(uses: Iterable[Use]) -> list[Use]:
    return sorted(uses, key=lambda use: (-use.last, use.run, use.step))
