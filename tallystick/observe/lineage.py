"""Who did a step that does not say so: the agent of the nearest step around it that does.

Instrumentors of model clients and tools rarely know the agent; the span around theirs does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tallystick.model.step import Step


def agents_of(steps: Sequence[Step]) -> dict[str, str | None]:
    """Span id -> the step's own agent or its nearest ancestor's, for all steps of one run; None where none has one.

    Linear in the number of steps; ancestors that form a ring have no agent.
    """
    by_id = {step.span: step for step in steps}
    known: dict[str, str | None] = {step.span: step.agent for step in steps if step.agent is not None}
    for step in steps:
        chain: list[str] = []
        at: Step | None = step
        while at is not None and at.span not in known:
            known[at.span] = None  # a second visit on the way up is a ring
            chain.append(at.span)
            at = by_id.get(at.parent) if at.parent else None
        agent = known[at.span] if at is not None else None
        for span in chain:
            known[span] = agent
    return known


def agent_around(step: Step, steps: Sequence[Step]) -> str | None:
    """What ``agents_of`` says of one step, without asking for all others of its run."""
    by_id = {one.span: one for one in steps}
    passed: set[str] = set()
    at: Step | None = step
    while at is not None and at.span not in passed:
        if at.agent is not None:
            return at.agent
        passed.add(at.span)
        at = by_id.get(at.parent) if at.parent else None
    return None


def with_agents(steps: Sequence[Step]) -> list[Step]:
    """The steps of one run with their agents as ``agents_of`` says; the steps given are not changed."""
    known = agents_of(steps)
    return [
        step if step.agent == known[step.span] else replace(step, agent=known[step.span]) for step in steps
    ]
