"""What a tool was asked with and gave back, where its own span does not say it whole.

The model's answer does, under the same call id: LangChain's tracer, for one, records a tool of one argument with the
bare value. So do the messages that AutoGen's runtime passes on between agents, whose tools' spans have neither."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tallystick.model.step import Kind, Step
from tallystick.observe.contents import Contents
from tallystick.observe.values import parsed

NEAREST: Final = 8  # model calls before a tool's, in which the one that asked for it is looked for
RELAYS: Final = 16  # messages of the runtime around a tool's call
_RUNTIME: Final = "autogen process "
_MOST_INNER: Final = 256


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


def lacks_result(step: Step, contents: Contents) -> bool:
    """Whether a tool step names its call and does not hold what came of it."""
    return step.kind is Kind.TOOL and step.call_id is not None and contents.result is None


def relays(step: Step, steps: Sequence[Step]) -> list[Step]:
    """The steps in which a runtime passes messages on, nearest to a tool's call first, at most sixteen."""
    near = [one for one in steps if passes_on(one.dialect, one.name)]
    near.sort(key=lambda one: (abs(one.started - step.started), one.span))
    return near[:RELAYS]


def passes_on(dialect: str, name: str) -> bool:
    """Whether a step of this dialect and name passes a message on."""
    return dialect == "autogen" and name.startswith(_RUNTIME)


def relayed(step: Step, contents: Contents) -> tuple[Mapping[str, Any] | None, Any]:
    """Arguments by name and result of a tool's call, as a message of the runtime has them; None for what it has not."""
    arguments: Mapping[str, Any] | None = None
    result: Any = None
    for event in _events(contents.input):
        held = event.get("content")
        for one in held[:_MOST_INNER] if isinstance(held, list) else ():
            if not isinstance(one, Mapping):
                continue
            if event.get("type") == "ToolCallRequestEvent" and one.get("id") == step.call_id:
                asked = parsed(one.get("arguments"))
                arguments = asked if isinstance(asked, Mapping) else arguments
            elif event.get("type") == "ToolCallExecutionEvent" and one.get("call_id") == step.call_id:
                result = one.get("content")
    return arguments, result


def _events(message: Any) -> Iterator[Mapping[str, Any]]:
    """The events in a message: its own, and those of an agent's whole answer."""
    if not isinstance(message, Mapping):
        return
    answer = message.get("response")
    inner = answer.get("inner_messages") if isinstance(answer, Mapping) else None
    for one in (message.get("message"), *(inner[:_MOST_INNER] if isinstance(inner, list) else ())):
        if isinstance(one, Mapping):
            yield one
