"""Spans that no id joins, made by hand: requests of a tool server, agents that are made and used, model calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tallystick.model.span import Source, Span

S = 1_000_000_000


def span(
    trace: str,
    name: str,
    start: float,
    end: float,
    process: Any = "p1",
    parent: str | None = None,
    **attributes: Any,
) -> Span:
    resource = {} if process is None else {"service.instance.id": process}
    scope = "mcp-python-sdk" if "mcp.method.name" in attributes else "somebody"
    number = f"{int(trace, 36):08x}"
    own = number * 2 if parent is None else f"{int(start * 10) + 1:08x}" + number
    times = int(start * S), int(end * S)
    return Span(number * 4, own, parent, name, *times, Source(resource, scope), kind=2, attributes=attributes)


def request(
    trace: str,
    number: int | None,
    start: float,
    end: float | None = None,
    method: str = "tools/call",
    process: Any = "p1",
    **more: Any,
) -> Span:
    tool = (
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "w"} if method == "tools/call" else {}
    )
    count = {} if number is None else {"jsonrpc.request.id": str(number)}
    end = start + 1 if end is None else end
    return span(trace, method, start, end, process, **{"mcp.method.name": method}, **tool, **count, **more)


def root(trace: str, start: float, end: float, process: Any = "p1", **more: Any) -> Span:
    return span(trace, "agent", start, end, process, **{"gen_ai.operation.name": "invoke_agent"}, **more)


def made(trace: str, agent: str, at: float, process: Any = "p1", **more: Any) -> Span:
    named = {"gen_ai.operation.name": "create_agent", "gen_ai.agent.name": agent, **more}
    return span(trace, f"create_agent {agent}", at, at, process, **named)


def used(trace: str, agent: str, at: float, process: Any = "p1", **more: Any) -> Span:
    return root(trace, at, at + 5, process, **{"gen_ai.agent.name": agent}, **more)


def told(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def called(call: str, **arguments: Any) -> dict[str, Any]:
    part = {"type": "tool_call", "id": call, "name": "look", "arguments": arguments}
    return {"role": "assistant", "parts": [part]}


def result(call: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call, "response": text}]}


def model(
    trace: str, at: float, history: Sequence[Any], answer: Any = None, process: Any = "p1", **more: Any
) -> Span:
    said = {} if answer is None else {"gen_ai.output.messages": json.dumps([answer])}
    asked = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(list(history))}
    return span(trace, "chat m", at, at + 1, process, **asked, **said, **more)


ASKED, FIRST, SECOND = told("user", "weather?"), told("assistant", "where?"), told("assistant", "fine")


def turns(*traces: str, start: float = 0, gap: float = 10, **more: Any) -> list[Span]:
    """A chat of up to three calls, each with the history of those before."""
    histories = [[ASKED], [ASKED, FIRST, told("user", "Paris")]]
    histories.append([*histories[1], SECOND, told("user", "thanks")])
    answers = [FIRST, SECOND, told("assistant", "bye")]
    return [
        model(trace, start + place * gap, histories[place], answers[place], **more)
        for place, trace in enumerate(traces)
    ]
