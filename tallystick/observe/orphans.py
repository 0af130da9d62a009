"""What can be read out of a span that stands alone: ids that join it to others, and steps that nobody
recorded.

A provider's instrumentor sees model calls and nothing else. The messages of a later call hold the tool
calls of the earlier ones with their results: from them come *derived* tool steps, marked as such. The id of
a derived step comes from the call's own id, so the same call found in ten later histories is one step."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from tallystick.model import attributes as own
from tallystick.model.span import Span
from tallystick.model.step import Kind
from tallystick.model.usage import Usage
from tallystick.observe.dialects.dialect import Found
from tallystick.observe.messages import Message

_SHORTEST_ID: Final = 8
_MOST: Final = 2_000  # tool calls read out of one history


def orphan_links(kind: Kind, found: Found) -> tuple[str, ...]:
    """Stitch keys of a span without parent and without stamped run, from its columns alone."""
    if kind is Kind.MODEL:
        response = found.get("response_id")
        if response is not None and len(response) >= _SHORTEST_ID:
            return ("response:" + response,)
    elif kind is Kind.TOOL:
        call = found.get("call_id")
        if call is not None and len(call) >= _SHORTEST_ID:
            return ("call:" + call,)
    return ()


def derived_span_id(call_id: str) -> str:
    """The span id of the derived step of a tool call: 16 hex digits of the digest of the call's id."""
    return sha256(b"tool call\0" + call_id.encode("utf-8", "replace")).hexdigest()[:16]


def derived_tools(
    span: Span, history: Sequence[Message], answer: Sequence[Message]
) -> tuple[tuple[str, ...], list[Span]]:
    """Stitch keys from the messages of a model span, and a span for every answered tool call in its
    history."""
    calls: dict[str, dict[str, Any]] = {}
    results: dict[str, Any] = {}
    for message in history:
        for part in message["parts"]:
            call = part.get("id")
            if type(call) is not str or not call or len(calls) >= _MOST:
                continue
            if part.get("type") == "tool_call":
                calls.setdefault(call, part)
            elif part.get("type") == "tool_call_response":
                results.setdefault(call, part.get("response"))
    ids = [*calls, *_call_ids(answer)]
    links = tuple("call:" + call for call in dict.fromkeys(ids) if len(call) >= _SHORTEST_ID)
    answered = [call for call in calls if call in results]
    made = [
        _tool_span(span, call, calls[call], results[call], len(answered) - place)
        for place, call in enumerate(answered)
        if type(calls[call].get("name")) is str
    ]
    return links, made


def _call_ids(messages: Sequence[Message]) -> list[str]:
    return [
        part["id"]
        for message in messages
        for part in message["parts"]
        if part.get("type") == "tool_call" and type(part.get("id")) is str
    ]


def _tool_span(span: Span, call: str, part: dict[str, Any], result: Any, before: int) -> Span:
    alone = span.parent is None and len(call) >= _SHORTEST_ID
    at = max(
        span.started - before, 0
    )  # when it ran is not known; in order, and before the call that quotes it
    return Span(
        # Alone, the trace comes from the call's id too: the same call quoted by two traces must be one step.
        trace=sha256(b"trace of call\0" + call.encode("utf-8", "replace")).hexdigest()[:32]
        if alone
        else span.trace,
        span=derived_span_id(call),
        parent=None if alone else span.parent,
        name=f"execute_tool {part['name']}"[:200],
        started=at,
        ended=at,
        source=span.source,
        attributes={
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": part["name"],
            "gen_ai.tool.call.id": call,
            "gen_ai.tool.call.arguments": part.get("arguments"),
            "gen_ai.tool.call.result": result,
            own.DERIVED: True,
        },
    )


def session_total(span: Span, found: Found, usage: Usage) -> Span:
    """A model span that stands for all the model calls inside an agent span whose instrumentor records none
    of them.

    With the session's tokens where the agent span has them, else with none: then the run's tokens and cost
    are unknown, where without this step they would read as zero. The agent's own step carries no usage (it
    would be counted twice wherever the calls are recorded after all); the derived step counts only in a run
    that has no recorded model step, see repeats.py."""
    counts = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_write.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        "gen_ai.provider.name": found.get("provider"),
        "gen_ai.response.model": found.get("model"),
        "gen_ai.agent.name": found.get("agent"),
        own.RUN_ID: found.get("run"),
    }
    known = {key: value for key, value in counts.items() if value is not None}
    return Span(
        trace=span.trace,
        span=sha256(f"session total\0{span.trace}\0{span.span}".encode("utf-8", "replace")).hexdigest()[:16],
        parent=span.span,
        name="model calls that were not recorded",
        started=span.started,
        ended=span.ended,
        source=span.source,
        attributes={"gen_ai.operation.name": "chat", own.DERIVED: True, **known},
    )
