"""What can be said of one run in pairs of texts: what it was, what it used, what went wrong in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tallystick.model.run import Run
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.observe.listing import happened

Feature = tuple[str, str]
_LONGEST: Final = 120  # characters of a value; longer ones (payloads) separate nothing but themselves
_MOST_ATTRIBUTES: Final = 64  # of one span
_OWN: Final = (  # attributes that are columns, contents, or another value in every run
    "gen_ai.", "llm.", "input.", "output.", "traceloop.entity.", "tallystick.run.id", "tallystick.seq",
    "tallystick.previous", "tallystick.process", "tallystick.agent.", "tallystick.input", "tallystick.output",
    "tallystick.run.status", "tallystick.run.steps", "process.", "telemetry.", "service.instance.id", "host.",
    "openinference.span.kind", "session.id",
)  # fmt: skip


def of_run(run: Run) -> set[Feature]:
    """From a run's summary: agent, version, workflow, environment, source, what stopped it."""
    columns = {
        "agent": run.agent, "version": run.version, "workflow": run.workflow, "environment": run.environment,
        "source": run.source, "stopped_by": run.stopped_by,
    }  # fmt: skip
    return {(name, value) for name, value in columns.items() if value is not None}


def numbers_of(run: Run, steps: Sequence[Step]) -> dict[str, float]:
    """Steps, model and tool calls, tokens, cost (nano-dollars), duration (ns), retries, and the most calls of one tool
    by one agent in a row; what is unknown is left out."""
    found: dict[str, float] = {
        "steps": run.steps, "model_calls": run.model_calls, "tool_calls": run.tool_calls, "denials": run.denials,
        "retries": _retries(steps), "calls in a row": in_a_row(steps),
    }  # fmt: skip
    if not run.token_gaps:
        found["tokens"] = (run.usage.input_tokens or 0) + (run.usage.output_tokens or 0)
    if run.total_cost_nano is not None:
        found["cost"] = run.total_cost_nano
    if run.ended and run.started:
        found["duration"] = run.ended - run.started
    return found


def _retries(steps: Sequence[Step]) -> int:
    """How many steps failed and were made again: one of the same kind and name under the same step came later."""
    last: dict[tuple[str | None, Kind, str], int] = {}
    for at, step in enumerate(steps):
        if step.same_as is None:
            last[step.parent, step.kind, step.tool or step.name] = at
    return sum(
        step.status is StepStatus.ERROR
        and step.same_as is None
        and last[step.parent, step.kind, step.tool or step.name] > at
        for at, step in enumerate(steps)
    )


def in_a_row(steps: Sequence[Step]) -> int:
    """The most calls of one tool by one agent without another between them: what a loop looks like from outside."""
    most = here = 0
    before: tuple[str | None, str] | None = None
    for step in steps:
        if step.tool is None or step.kind is Kind.HANDOFF or step.same_as is not None:
            continue
        call = step.agent, step.tool
        here = here + 1 if call == before else 1
        before, most = call, max(most, here)
    return most


def of_steps(steps: Iterable[Step]) -> set[Feature]:
    """From a run's steps: models, tools, tools that failed, kinds of errors, decisions, marks of prompts and of offered
    tools, classes of data, agents inside, and the first tool."""
    found: set[Feature] = set()
    first: str | None = None
    for step in steps:
        if step.same_as is not None:
            continue
        if step.kind is Kind.MODEL and step.model:
            found.add(("model", step.model))
        if step.prompt:
            found.add(("prompt", step.prompt))
        if step.offered:
            found.add(("tools offered", step.offered))
        if step.tool is not None and step.kind is not Kind.HANDOFF:
            if first is None:
                first = step.tool
                found.add(("first tool", first))
            found.add(("tool", step.tool) if happened(step) else ("not done", step.tool))
            if step.status is StepStatus.ERROR:
                found.add(("tool error", step.tool))
        if step.status is StepStatus.ERROR and step.error:
            found.add(("error", step.error[:_LONGEST]))
        if step.decision not in (None, "allow"):
            found.add(("decision", str(step.decision)))
        found.update(("data", one) for one in step.classes)
        if step.agent is not None and step.parent is not None:
            found.add(("took part", step.agent))
        if step.kind in (Kind.HANDOFF, Kind.RETRIEVAL, Kind.APPROVAL, Kind.HUMAN, Kind.MEMORY):
            found.add(("kind", step.kind.value))
    return found


def of_attributes(attributes: Mapping[str, Any]) -> set[Feature]:
    """From the attributes of a root span or its resource: short values under names that are no column."""
    found: set[Feature] = set()
    for key, value in attributes.items():
        if len(found) >= _MOST_ATTRIBUTES:
            break
        if key.startswith(_OWN) or isinstance(value, dict | list | tuple | bytes) or value is None:
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if len(text) <= _LONGEST and len(key) <= _LONGEST:
            found.add((f"attr.{key}", text))
    return found
