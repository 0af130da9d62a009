"""Which steps of a run repeat another one."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.model.step import Kind, Step


def repeats(steps: Sequence[Step]) -> dict[str, str]:
    """Over all steps of one run: span id -> span id of the step it repeats (equal response ids)."""
    first: dict[str, str] = {}
    same: dict[str, str] = {}
    for step in steps:
        if step.kind is Kind.MODEL and step.response_id is not None:
            held = first.setdefault(step.response_id, step.span)
            if held != step.span:
                same[step.span] = held
    return same
