"""When adding up is not enough, and a run has to be counted anew from its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallystick.model.step import Kind, Step
from tallystick.observe.summary import Tally


def recount_needed(
    tally: Tally, steps: Sequence[tuple[Step, Step | None]], inside_models: bool = False
) -> bool:
    """Say whether new steps (each with the start record it replaces) may repeat others, and note what was seen.

    Cheap and on the safe side: two scopes of model or of tool calls, a model call with a step inside it, steps read
    out of a message history or a log record. ``inside_models`` says that a new step lies directly inside a model call
    that came earlier. Two equal response ids have to be looked up besides. To be asked before ``note_parents``.
    """
    if tally.recount:
        return True
    model, tool, handoff = Kind.MODEL, Kind.TOOL, Kind.HANDOFF
    calls = {step.trace + step.span for step, _ in steps if step.kind is model}
    layered = inside_models or not tally.missing.isdisjoint(calls)
    if calls and not layered:
        around = {step.trace + step.parent for step, _ in steps if step.parent is not None}
        layered = not around.isdisjoint(calls)
    for step, _ in steps:
        if step.derived or step.same_as is not None or (step.facts is not None and "log" in step.facts):
            layered = True
        kind = step.kind
        if kind is model:
            tally.call_scope = tally.call_scope or step.scope
            layered = layered or tally.call_scope != step.scope
        elif kind is tool or kind is handoff:
            tally.tool_scope = tally.tool_scope or step.scope
            layered = layered or tally.tool_scope != step.scope
    tally.recount = layered
    return layered or any(before is not None and not _replaceable(step, before) for step, before in steps)


def _replaceable(step: Step, before: Step) -> bool:
    return (
        step.started == before.started
        and step.kind is before.kind
        and step.parent == before.parent
        and _names(step) == _names(before)
        and step.scope == before.scope
        and step.seq == before.seq
        and step.origin == before.origin
        and _says_as_much(step.facts or {}, before.facts or {})
    )


def _says_as_much(facts: Mapping[str, object], before: Mapping[str, object]) -> bool:
    return all(facts.get(name) == before[name] for name in ("goal", "source", "root") if name in before)


def _names(step: Step) -> tuple[str | None, ...]:
    """The names under which a step is summed up, and those that a run takes from its first step."""
    return (
        step.agent,
        step.version,
        step.subject,
        step.conversation,
        step.environment,
        step.tool if step.kind is Kind.TOOL else None,
        step.model if step.kind is Kind.MODEL else None,
        step.workflow,
    )
