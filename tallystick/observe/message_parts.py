"""The parts of a message in one shape: text, reasoning, tool calls and their results (see messages.py), out of what
OpenAI, Anthropic, Gemini, Bedrock, LangChain, the Vercel AI SDK and the canonical JSON send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from tallystick.observe.values import parsed

Part: TypeAlias = dict[str, Any]

DEEPEST: Final = 12  # hostile nesting stops here; the rest is shown as it is


def with_calls(parts: list[Part], calls: Any, depth: int) -> list[Part]:
    """Parts and the tool calls that a message lists beside them, each once."""
    known = {
        part["id"] for part in parts if part.get("type") == "tool_call" and isinstance(part.get("id"), str)
    }
    if not isinstance(calls, list | tuple):
        return parts
    for call in calls:
        part = _tool_call(call, depth)
        if part is not None and (part["id"] is None or part["id"] not in known):
            parts.append(part)
    return parts


def parts_of(value: Any, depth: int) -> list[Part]:
    """A message's content, whatever it is, as parts."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [{"type": "text", "content": value}]
    if isinstance(value, list | tuple):
        return [part_of(item, depth + 1) for item in value if item not in (None, "")]
    return [part_of(value, depth + 1)]


def part_of(value: Any, depth: int) -> Part:
    """One part of a message; what fits no known shape is returned as it came."""
    if not isinstance(value, Mapping) or depth > DEEPEST:
        return {
            "type": "text",
            "content": value if isinstance(value, str) else json.dumps(value, default=str),
        }
    if isinstance(value.get("tool_call"), Mapping):
        return _tool_call(value, depth) or dict(value)
    if isinstance(value.get("message_content"), Mapping):
        return part_of(value["message_content"], depth + 1)
    if len(value) == 1:
        part = _bedrock(value, depth)
        if part is not None:
            return part
    kind = value.get("type")
    if (
        kind in ("tool_use", "tool_call", "function_call", "function", "tool-call")
        or (kind is None and "toolCallId" in value)
        or "function_call" in value
        or "functionCall" in value
        or (kind is None and "name" in value and ("arguments" in value or "args" in value))
    ):
        return _tool_call(value, depth) or dict(value)
    if kind in (
        "tool_result",
        "tool_call_response",
        "function_call_output",
        "tool_call_result",
        "tool-result",
    ):
        return _tool_response(value, depth)
    response = value.get("function_response", value.get("functionResponse"))
    if isinstance(response, Mapping):
        return {"type": "tool_call_response", "id": response.get("id"), "response": response.get("response")}
    if kind in ("thinking", "reasoning") or (value.get("thought") is True and kind is None):
        return {"type": "reasoning", "content": _reasoning(value)}
    for key in ("text", "content"):
        if isinstance(value.get(key), str) and kind in (None, "text", "input_text", "output_text", "refusal"):
            return {"type": "text", "content": value[key]}
    return dict(value)


def _bedrock(value: Mapping[Any, Any], depth: int) -> Part | None:
    """Bedrock's parts have one key, which says what they are."""
    ((kind, held),) = value.items()
    if not isinstance(held, Mapping):
        return None
    if kind == "toolUse":
        return {
            "type": "tool_call",
            "id": held.get("toolUseId"),
            "name": held.get("name"),
            "arguments": parsed(held.get("input", {})),
        }
    if kind == "toolResult":
        told = text_of(held.get("content"), depth + 1)
        return {"type": "tool_call_response", "id": held.get("toolUseId"), "response": told}
    if kind == "reasoningContent":
        inner = held.get("reasoningText")
        return {"type": "reasoning", "content": _reasoning(inner if isinstance(inner, Mapping) else held)}
    if kind in ("toolRequest", "toolResponse"):  # Genkit's
        part: Part = {
            "type": "tool_call" if kind == "toolRequest" else "tool_call_response",
            "id": held.get("ref"),
        }
        if kind == "toolRequest":
            return {**part, "name": held.get("name"), "arguments": parsed(held.get("input", {}))}
        return {**part, "response": held.get("output")}
    return None


def _tool_call(value: Any, depth: int) -> Part | None:
    if not isinstance(value, Mapping) or depth > DEEPEST:
        return None
    for inner in ("tool_call", "function_call", "functionCall"):
        if isinstance(value.get(inner), Mapping):
            return _tool_call({**value[inner], "type": "tool_call"}, depth + 1)
    function = value.get("function") if isinstance(value.get("function"), Mapping) else value
    assert isinstance(function, Mapping)
    arguments: Any = next((function[key] for key in ("arguments", "args", "input") if key in function), {})
    # Responses give an item id ("fc_…") and a call id; the call id is what the result will quote.
    call = value.get("call_id") or value.get("id") or value.get("tool_call_id") or value.get("toolCallId")
    return {
        "type": "tool_call",
        "id": call if isinstance(call, str) else None,
        "name": function.get("name", function.get("toolName")),
        "arguments": parsed(arguments),
    }


_CALL_IDS: Final = ("tool_use_id", "call_id", "id", "tool_call_id", "toolCallId")


def _tool_response(value: Mapping[Any, Any], depth: int) -> Part:
    call = next((value[key] for key in _CALL_IDS if value.get(key)), None)
    found = next((value[key] for key in ("response", "content", "output", "result") if key in value), None)
    return {"type": "tool_call_response", "id": call, "response": text_of(found, depth)}


def text_of(value: Any, depth: int) -> Any:
    """One text for a list of text parts; anything richer stays as it is."""
    if isinstance(value, list) and value:
        parts = parts_of(value, depth)
        if all(part.get("type") == "text" and isinstance(part.get("content"), str) for part in parts):
            return "\n".join(part["content"] for part in parts)
    return value


def _reasoning(value: Mapping[Any, Any]) -> Any:
    for key in ("content", "thinking", "text", "summary"):
        found = value.get(key)
        if isinstance(found, list):
            texts = [item.get("text") for item in found if isinstance(item, Mapping)]
            found = "\n".join(text for text in texts if isinstance(text, str))
        if found:
            return found
    return ""
