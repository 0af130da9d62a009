"""What a tool was asked with, where its own span does not say it whole: the model's answer does, under the same call
id. LangChain's tracer, for one, records a tool of one argument with the bare value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tallystick.model.step import Kind, Step
from tallystick.observe.contents import Contents

NEAREST: Final = 8  # model calls before a tool's, in which the one that asked for it is looked for


def lacks_arguments(step: Step, contents: Contents) -> bool:
    """Whether a tool step names its call and does not hold the arguments by name."""
    return step.kind is Kind.TOOL and step.call_id is not None and not isinstance(contents.arguments, Mapping)


def askers(step: Step, steps: Sequence[Step]) -> list[Step]:
    """The model steps that may have asked for a tool's call, the nearest first, at most eight."""
    before = [one for one in steps if one.kind is Kind.MODEL and one.started <= step.started]
    before.sort(key=lambda one: (one.started, one.span), reverse=True)
    return before[:NEAREST]


def asked_arguments(step: Step, answers: Iterable[Contents]) -> Mapping[str, Any] | None:
    """The arguments by name with which one of these answers asked for a tool's call."""
    for answer in answers:
        for message in answer.output_messages:
            for part in message["parts"]:
                if part.get("type") == "tool_call" and part.get("id") == step.call_id:
                    arguments = part.get("arguments")
                    return arguments if isinstance(arguments, Mapping) else None
    return None
