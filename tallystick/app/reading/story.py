"""Story: the lines of some steps of a run, read when their rows come into sight."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from tallystick.model.attributes import DECISION_ID
from tallystick.model.errors import BadInput
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.contents import read_contents
from tallystick.observe.normalise import read_span
from tallystick.observe.story import tell
from tallystick.ports import ControlStore, TraceStore

MOST: Final = 100  # steps in one question
_STEP: Final = re.compile(r"[0-9a-f]{16}")


def lines(traces: TraceStore, control: ControlStore, run: str, steps: Sequence[str]) -> dict[str, Any]:
    """``{"lines": {step: {"text", "result", "tags": [{"text", "tone"}]}}}`` for those of the steps that are here.

    Reads these steps alone, whatever the run's size: a step is read anew from its span. Raises UnknownThing for no such
    run, BadInput for more than 100 steps or what is no step's id.
    """
    if len(steps) > MOST or not all(_STEP.fullmatch(step) for step in steps):
        raise BadInput(
            f"steps are at most {MOST} ids of 16 hex digits", hint="for example steps=00f067aa0ba902b7"
        )
    told: dict[str, Any] = {}
    for span_id, span in traces.spans(run, steps).items():
        step = _step_of(span)
        if step is None:
            continue
        held = None if step.decision is None else _in_journal(control, run, span)
        line = tell(step, read_contents(step, span), span, held_by_journal=held)
        told[span_id] = {
            "text": line.text,
            "result": line.result,
            "tags": [{"text": tag.text, "tone": tag.tone} for tag in line.tags],
        }
    return {"lines": told}


def _step_of(span: Span) -> Step | None:
    """The step that this very span is (a span may hold steps of its own, each with its own derived span)."""
    return next((step for step, own in read_span(span) if own.span == span.span), None)


def _in_journal(control: ControlStore, run: str, span: Span) -> bool:
    """Whether the journal holds the decision that the step names, about the same run."""
    decision = span.attributes.get(DECISION_ID)
    if not isinstance(decision, str) or not decision:
        return False
    found = control.entries(subject=decision, kind="decision.made", limit=1)
    return any(entry.run == run for entry in found)
