"""The agent loop, in full: ask the model, run the tools it asks for, show it the results, ask again.

There is nothing of Tallystick in the loop but ``tallystick.model_call``. The tools are guarded where they are made
(see desk.py); a tool that may not run returns a sentence instead of a result, and the model reads that sentence.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from openai import OpenAI

import tallystick
from tallystick.demo.orders import OrderError

Tool: TypeAlias = Callable[..., Any]
MAX_ROUNDS = 40


def converse(client: OpenAI, *, model: str, system: str, user: str, tools: Sequence[Tool] = ()) -> str:
    """Talk until the model answers without asking for a tool; return that answer."""
    messages: list[Any] = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    by_name = {tool.__name__: tool for tool in tools}
    request: dict[str, Any] = {"tools": [describe(tool) for tool in tools]} if tools else {}
    for _ in range(MAX_ROUNDS):
        answer = tallystick.model_call(
            client.chat.completions.create,
            model=model,
            messages=messages,
            max_completion_tokens=400,
            **request,
        )
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            return str(message.content or "")
        for call in message.tool_calls:
            result = use(by_name, call.function.name, call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return "I could not finish this."


def dictate(client: OpenAI, *, model: str, system: str, user: str) -> str:
    """One streamed answer without tools."""
    stream = tallystick.model_call(
        client.chat.completions.create,
        model=model,
        messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
        max_completion_tokens=400,
        stream=True,
        stream_options={"include_usage": True},
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def use(tools: Mapping[str, Tool], name: str, arguments: str) -> str:
    """Run one tool call of a model and return what the model reads. A model's mistakes are answered, not raised."""
    tool = tools.get(name)
    if tool is None:
        return f"There is no tool {name!r}. You have: {', '.join(tools)}."
    try:
        given = _read_arguments(tool, arguments)
    except (ValueError, TypeError, ArithmeticError) as error:
        return f"The arguments of {name} cannot be read: {error}."
    try:
        result = tool(**given)
    except OrderError as error:
        return f"{name} failed: {error}."
    return result if isinstance(result, str) else json.dumps(result, default=str)


def _read_arguments(tool: Tool, arguments: str) -> dict[str, Any]:
    """The model's JSON as the tool's parameters; money becomes Decimal. Raises ValueError or TypeError."""
    signature = inspect.signature(tool, eval_str=True)
    given = json.loads(arguments, parse_float=Decimal)
    if not isinstance(given, dict):
        raise TypeError("they are not a JSON object")
    signature.bind(**given)
    for name, value in given.items():
        if signature.parameters[name].annotation is Decimal:
            given[name] = Decimal(str(value))
    return given


def describe(tool: Tool) -> dict[str, Any]:
    """A function as the model is told about it: name, first line of the docstring, parameters."""
    names = {str: "string", Decimal: "number", int: "integer"}
    parameters = {
        name: {"type": names.get(item.annotation, "string")}
        for name, item in inspect.signature(tool, eval_str=True).parameters.items()
    }
    return {
        "type": "function",
        "function": {
            "name": tool.__name__,
            "description": (inspect.getdoc(tool) or "").split("\n")[0],
            "parameters": {"type": "object", "properties": parameters, "required": list(parameters)},
        },
    }
