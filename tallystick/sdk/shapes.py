"""Reads what model providers take and return, without importing any of them.

Known by shape, as objects or as mappings: OpenAI Chat Completions, OpenAI Responses and Anthropic Messages. Messages
are brought into the parts of OpenTelemetry's GenAI conventions: ``{"role", "parts": [{"type", …}]}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tallystick.model.usage import NO_USAGE, Usage


@dataclass(slots=True)
class Answered:
    """What one model call gave back. Everything that the response does not say is None or empty."""

    id: str | None = None
    model: str | None = None
    finish: list[str] = field(default_factory=list)
    usage: Usage | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)


def get(value: Any, name: str, default: Any = None) -> Any:
    """A member of a mapping or of an object."""
    if isinstance(value, Mapping):
        found = value.get(name, default)
    else:
        found = getattr(value, name, default)
    return default if found is None else found


def text_of(value: Any) -> str | None:
    """The value when it is text."""
    return value if isinstance(value, str) else None


def whole(value: Any) -> int | None:
    """The value when it is a count."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def read_response(response: Any) -> Answered:
    """What a finished response says; an unknown shape gives an empty answer, never a guess."""
    answer = Answered(id=text_of(get(response, "id")), model=text_of(get(response, "model")))
    choices, output, content = get(response, "choices"), get(response, "output"), get(response, "content")
    if isinstance(choices, Sequence) and not isinstance(choices, str):
        for choice in choices:
            _read_choice(choice, answer)
    elif isinstance(output, Sequence) and not isinstance(output, str):
        _read_output(output, answer)
        status = text_of(get(response, "status"))
        if status is not None:
            answer.finish.append("stop" if status == "completed" else status)
    elif isinstance(content, Sequence) and not isinstance(content, str):
        answer.messages.append({"role": get(response, "role", "assistant"), "parts": content_parts(content)})
        reason = text_of(get(response, "stop_reason"))
        if reason is not None:
            answer.finish.append(reason)
    answer.usage = read_usage(get(response, "usage"))
    return answer


def read_usage(usage: Any) -> Usage | None:
    """Token counts with input including cached and output including reasoning; None when nothing was reported.

    Anthropic counts fresh input apart from cached input (``cache_read_input_tokens`` beside ``input_tokens``); there
    the three are added.
    """
    if usage is None:
        return None
    fresh = whole(get(usage, "prompt_tokens", get(usage, "input_tokens")))
    output = whole(get(usage, "completion_tokens", get(usage, "output_tokens")))
    inner = get(usage, "prompt_tokens_details", get(usage, "input_tokens_details"))
    outer = get(usage, "completion_tokens_details", get(usage, "output_tokens_details"))
    read = whole(get(inner, "cached_tokens")) if inner is not None else None
    write = whole(get(inner, "cache_write_tokens")) if inner is not None else None
    apart_read = whole(get(usage, "cache_read_input_tokens"))
    apart_write = whole(get(usage, "cache_creation_input_tokens"))
    if (apart_read is not None or apart_write is not None) and fresh is not None:
        fresh += (apart_read or 0) + (apart_write or 0)
        read, write = apart_read, apart_write
    found = Usage(
        fresh, output, read, write, whole(get(outer, "reasoning_tokens")) if outer is not None else None
    )
    return None if found == NO_USAGE else found


def _read_choice(choice: Any, answer: Answered) -> None:
    reason = text_of(get(choice, "finish_reason"))
    if reason is not None:
        answer.finish.append(reason)
    message = get(choice, "message")
    if message is not None:
        answer.messages.append(chat_message(message))


def _read_output(items: Iterable[Any], answer: Answered) -> None:
    parts: list[dict[str, Any]] = []
    for item in items:
        parts.extend(_responses_parts(item))
    if parts:
        answer.messages.append({"role": "assistant", "parts": parts})


def input_messages(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages a request sends, from ``messages`` (Chat, Anthropic) or ``input`` (Responses)."""
    sent = request.get("messages", request.get("input"))
    if isinstance(sent, str):
        return [{"role": "user", "parts": [{"type": "text", "content": sent}]}]
    if not isinstance(sent, Iterable):
        return []
    found = []
    for message in sent:
        if get(message, "role") is not None:
            found.append(chat_message(message))
        else:
            role = "tool" if get(message, "type") == "function_call_output" else "assistant"
            found.append({"role": role, "parts": _responses_parts(message)})
    return found


def system_text(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """System instructions given beside the messages (Anthropic ``system``, Responses ``instructions``)."""
    said = request.get("system", request.get("instructions"))
    if isinstance(said, str):
        return [{"type": "text", "content": said}]
    return content_parts(said) if isinstance(said, Sequence) else []


def chat_message(message: Any) -> dict[str, Any]:
    """One message of a chat, request or response, with its parts."""
    role = get(message, "role", "assistant")
    parts: list[dict[str, Any]] = []
    thought = text_of(get(message, "reasoning_content", get(message, "reasoning")))
    if thought:
        parts.append({"type": "reasoning", "content": thought})
    content = get(message, "content")
    if role == "tool":
        parts.append(
            {"type": "tool_call_response", "id": get(message, "tool_call_id"), "response": _flat(content)}
        )
    elif isinstance(content, str):
        if content:
            parts.append({"type": "text", "content": content})
    elif isinstance(content, Iterable):
        parts.extend(content_parts(content))
    refusal = text_of(get(message, "refusal"))
    if refusal:
        parts.append({"type": "text", "content": refusal})
    for call in get(message, "tool_calls", ()):
        function = get(call, "function")
        given = get(function, "arguments") if function is not None else None
        parts.append(
            {
                "type": "tool_call",
                "id": get(call, "id"),
                "name": get(function, "name"),
                "arguments": parsed(given),
            }
        )
    return {"role": role, "parts": parts}


def content_parts(blocks: Iterable[Any]) -> list[dict[str, Any]]:
    """Content blocks (Anthropic, or Chat content arrays) as parts; unknown kinds are kept by their type only."""
    parts: list[dict[str, Any]] = []
    for block in blocks:
        kind = "text" if isinstance(block, str) else get(block, "type", "unknown")
        if kind in ("text", "input_text", "output_text"):
            content = block if isinstance(block, str) else get(block, "text", "")
            parts.append({"type": "text", "content": content})
        elif kind == "tool_use":
            parts.append(
                {
                    "type": "tool_call",
                    "id": get(block, "id"),
                    "name": get(block, "name"),
                    "arguments": get(block, "input"),
                }
            )
        elif kind == "tool_result":
            response = _flat(get(block, "content"))
            parts.append(
                {"type": "tool_call_response", "id": get(block, "tool_use_id"), "response": response}
            )
        elif kind == "thinking":
            parts.append({"type": "reasoning", "content": get(block, "thinking", "")})
        elif kind == "refusal":
            parts.append({"type": "text", "content": get(block, "refusal", "")})
        else:
            parts.append({"type": str(kind)})
    return parts


def _responses_parts(item: Any) -> list[dict[str, Any]]:
    kind = get(item, "type")
    if kind == "message":
        content = get(item, "content", ())
        return content_parts([content] if isinstance(content, str) else content)
    if kind == "function_call":
        given = parsed(get(item, "arguments"))
        return [
            {"type": "tool_call", "id": get(item, "call_id"), "name": get(item, "name"), "arguments": given}
        ]
    if kind == "function_call_output":
        return [
            {"type": "tool_call_response", "id": get(item, "call_id"), "response": _flat(get(item, "output"))}
        ]
    if kind == "reasoning":
        return [{"type": "reasoning", "content": get(part, "text", "")} for part in get(item, "summary", ())]
    return [{"type": str(kind)}]


def parsed(arguments: Any) -> Any:
    """Tool arguments as JSON values; text that is no JSON stays text."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return arguments


def _flat(content: Any) -> Any:
    """The content of a tool's answer: text when it is nothing but text."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, Iterable) and not isinstance(content, Mapping):
        parts = content_parts(content)
        if all(part["type"] == "text" for part in parts):
            return "".join(str(part["content"]) for part in parts)
        return parts
    return content
