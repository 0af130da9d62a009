"""Outline: a run as columns for the tree in the browser.

Fifty thousand steps are sent as a dozen arrays in the order they are shown (root first, depth first, children by
start), so that the page never builds an object for a step that is not on the screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick.model.step import Step
from tallystick.observe.lineage import agents_of


def order(steps: Sequence[Step]) -> list[tuple[int, int, int]]:
    """(index of the step, index of its parent in the result or -1, depth), depth first.

    A step whose parent is not here stands at the top, and so does one whose ancestors form a ring.
    """
    index = {step.span: position for position, step in enumerate(steps)}
    children: dict[int, list[int]] = {}
    roots: list[int] = []
    for position, step in enumerate(steps):
        parent = index.get(step.parent) if step.parent else None
        if parent is None or parent == position:
            roots.append(position)
        else:
            children.setdefault(parent, []).append(position)
    placed: list[tuple[int, int, int]] = []
    seen: set[int] = set()
    for start in [*roots, *range(len(steps))]:  # the second pass finds only rings
        if start in seen:
            continue
        stack = [(start, -1, 0)]
        while stack:
            position, parent_row, depth = stack.pop()
            if position in seen:
                continue
            seen.add(position)
            row = len(placed)
            placed.append((position, parent_row, depth))
            stack.extend((child, row, depth + 1) for child in reversed(children.get(position, ())))
    return placed


def columns(steps: Sequence[Step], started: int) -> dict[str, list[Any]]:
    """The columns of a run's tree; ``started_ns`` counts from the run's start, unknown values are None.

    A step that names no agent has that of the nearest step around it that does.
    """
    rows = order(steps)
    agents = agents_of(steps)
    ordered = [steps[position] for position, _, _ in rows]
    return {
        "step": [step.span for step in ordered],
        "parent": [parent for _, parent, _ in rows],
        "depth": [depth for _, _, depth in rows],
        "kind": [step.kind.value for step in ordered],
        "name": [step.name for step in ordered],
        "agent": [agents[step.span] for step in ordered],
        "status": [step.status.value for step in ordered],
        "started_ns": [step.started - started if step.started else None for step in ordered],
        "duration_ns": [
            step.ended - step.started if step.ended and step.started else None for step in ordered
        ],
        "cost_nano_usd": [step.cost_nano for step in ordered],
        "tokens": [_tokens(step) for step in ordered],
        "decision": [step.decision for step in ordered],
        "same_as": [step.same_as for step in ordered],
    }


def _tokens(step: Step) -> int | None:
    used = step.usage
    if used.input_tokens is None or used.output_tokens is None:
        return None
    return used.input_tokens + used.output_tokens
