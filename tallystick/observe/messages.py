"""Messages in one shape, whatever they were sent in.

A message is ``{"role", "parts": [part, …]}`` (and ``name``, ``finish_reason`` where given); a part is one
of ``{"type": "text", "content"}``, ``{"type": "reasoning", "content"}``, ``{"type": "tool_call", "id",
"name", "arguments"}``, ``{"type": "tool_call_response", "id", "response"}``, or what was sent, untouched,
where nothing of this fits. Understood: the canonical JSON, OpenAI chat and Responses, Anthropic, Gemini,
LangChain, AutoGen, and attributes with an index in their name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tallystick.model.span import Span

if TYPE_CHECKING:  # the dialects read messages too
    from tallystick.observe.dialects.dialect import Reader
from tallystick.observe.values import parsed as parsed  # part of what this module is asked for

Message: TypeAlias = dict[str, Any]
Part: TypeAlias = dict[str, Any]

_DEEPEST: Final = 12  # hostile nesting stops here; the rest is shown as it is
_ROLES: Final = {
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "function": "tool",
    "developer": "system",
}
_WRAPPERS: Final = (
    "messages",
    "input",
    "inputs",
    "choices",
    "candidates",
    "generations",
    "output",
    "outputs",
    "contents",
    "message",
)
_EVENT_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


def messages_of(span: Span, reader: Reader, content: str) -> list[Message]:
    """The messages of one side ("input_messages" or "output_messages") of a span; empty where it has none.

    Structured and JSON values come before indexed attributes only in the canonical keys; a dialect's own
    raw bodies (``input.value``) come last, because instrumentors cut them more often."""
    role = "user" if content == "input_messages" else "assistant"
    attributes = span.attributes
    names = reader.contents.get(content, ())
    for name in names[:1]:
        found = read_messages(attributes.get(name), role)
        if found:
            return found
    for prefix in reader.message_prefixes.get(content, ()):
        found = _indexed(attributes, prefix, role)
        if found:
            return found
    for name in names[1:]:
        found = read_messages(attributes.get(name), role)
        if found:
            return found
    return _event_messages(span, content)


def read_messages(value: Any, role: str = "user") -> list[Message]:
    """Any of the known shapes as a list of messages; ``role`` is for content that does not say who spoke."""
    return list(_read(parsed(value), role, 0))


def _read(value: Any, role: str, depth: int) -> Iterable[Message]:
    if value is None or depth > _DEEPEST:
        return
    if isinstance(value, str):
        if value:
            yield {"role": role, "parts": [{"type": "text", "content": value}]}
    elif isinstance(value, list | tuple):
        if (
            len(value) == 2
            and all(isinstance(item, str) for item in value)
            and _ROLES.get(value[0], value[0])
            in (
                "user",
                "assistant",
                "system",
                "tool",
            )
        ):
            yield {"role": _ROLES.get(value[0], value[0]), "parts": _parts(value[1], depth)}
            return
        for item in value:
            yield from _read(item, role, depth + 1)
    elif isinstance(value, Mapping):
        yield from _read_mapping(value, role, depth)


def _read_mapping(value: Mapping[Any, Any], role: str, depth: int) -> Iterable[Message]:
    inner = _unwrapped(value)
    if inner is not value:
        yield from _read(inner, role, depth + 1)
        return
    item = value.get("type")
    if item in ("function_call", "function_call_output", "reasoning") and "role" not in value:
        yield {
            "role": "tool" if item == "function_call_output" else "assistant",
            "parts": [_part(value, depth)],
        }
        return
    if "role" in value or "content" in value or "parts" in value or "tool_calls" in value:
        yield _message(value, role, depth)
        return
    if "toolCallId" in value:
        yield {"role": role, "parts": [_part(value, depth)]}
        return
    for key in _WRAPPERS:
        if key in value:
            yield from _read(parsed(value[key]), role, depth + 1)
            return
    if "text" in value:
        yield {"role": role, "parts": [_part(value, depth)]}


def _unwrapped(value: Mapping[Any, Any]) -> Any:
    """What others wrap a message in: {"lc", "kwargs"}, {"type", "data"}, {"text", "message"} (LangChain),
    {"content": {"role", "parts"}} (Gemini)."""
    if "lc" in value and isinstance(value.get("kwargs"), Mapping):
        return value["kwargs"]
    if isinstance(value.get("data"), Mapping) and isinstance(value.get("type"), str):
        return {**value["data"], "type": value["type"]}
    if isinstance(value.get("message"), Mapping):
        message = _unwrapped(value["message"])
        if isinstance(message, Mapping) and isinstance(value.get("finish_reason"), str):
            return {"finish_reason": value["finish_reason"], **message}
        return message
    content = value.get("content")
    if isinstance(content, Mapping) and "parts" in content and "role" not in value:
        reason = value.get("finish_reason", value.get("finishReason"))  # Gemini's candidate
        return {"finish_reason": reason, **content} if isinstance(reason, str) else content
    return value


def _message(value: Mapping[Any, Any], role: str, depth: int) -> Message:
    spoken = (
        value.get("role") or (value.get("type") if value.get("type") in _LANGCHAIN_TYPES else None) or role
    )
    spoken = _ROLES.get(spoken, spoken) if isinstance(spoken, str) else role
    call = value.get("tool_call_id")
    if spoken == "tool" and isinstance(call, str):
        parts = [
            {"type": "tool_call_response", "id": call, "response": _plain_text(value.get("content"), depth)}
        ]
    else:
        parts = _parts(value.get("parts") if "parts" in value else value.get("content"), depth)
        if "contents" in value:  # OpenInference keeps several contents beside the one
            parts += _parts(value["contents"], depth)
        more = value.get("additional_kwargs")  # LangChain's place for what its message has no field for
        calls = value.get("tool_calls") or (more.get("tool_calls") if isinstance(more, Mapping) else None)
        parts = _with_calls(parts, calls, depth)
    message: Message = {"role": spoken, "parts": parts}
    for key in ("name", "finish_reason"):
        if isinstance(value.get(key), str):
            message[key] = value[key]
    return message


_LANGCHAIN_TYPES: Final = ("human", "ai", "system", "tool", "function", "developer")


def _with_calls(parts: list[Part], calls: Any, depth: int) -> list[Part]:
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


def _parts(value: Any, depth: int) -> list[Part]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [{"type": "text", "content": value}]
    if isinstance(value, list | tuple):
        return [_part(item, depth + 1) for item in value if item not in (None, "")]
    return [_part(value, depth + 1)]


def _part(value: Any, depth: int) -> Part:
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return {
            "type": "text",
            "content": value if isinstance(value, str) else json.dumps(value, default=str),
        }
    if isinstance(value.get("tool_call"), Mapping):
        return _tool_call(value, depth) or dict(value)
    if isinstance(value.get("message_content"), Mapping):
        return _part(value["message_content"], depth + 1)
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


def _tool_call(value: Any, depth: int) -> Part | None:
    if not isinstance(value, Mapping) or depth > _DEEPEST:
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
    return {"type": "tool_call_response", "id": call, "response": _plain_text(found, depth)}


def _plain_text(value: Any, depth: int) -> Any:
    """One text for a list of text parts; anything richer stays as it is."""
    if isinstance(value, list) and value:
        parts = _parts(value, depth)
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


def unflattened(attributes: Mapping[str, Any], prefix: str) -> list[Any]:
    """Attributes such as ``llm.input_messages.0.message.role`` as a list of nested values, in order of
    their index."""
    root: dict[str, Any] = {}
    for key, value in attributes.items():
        if not key.startswith(prefix):
            continue
        path = key[len(prefix) :].split(".")
        if len(path) > _DEEPEST or not path[0].isdecimal():
            continue
        node = root
        for name in path[:-1]:
            inner = node.get(name)
            if not isinstance(inner, dict):
                inner = node[name] = {}
            node = inner
        node.setdefault(path[-1], value)
    return _listed(root) if root else []


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    built = {key: _listed(value) for key, value in node.items()}
    if built and all(key.isdecimal() and len(key) < 9 for key in built):
        return [built[key] for key in sorted(built, key=int)]
    return built


def _indexed(attributes: Mapping[str, Any], prefix: str, role: str) -> list[Message]:
    found = []
    for item in unflattened(attributes, prefix):
        inner = item.get("message", item) if isinstance(item, dict) else item
        found += list(_read(inner, role, 1))
    return _quoted(found) if len(found) == 1 else found


def _quoted(found: list[Message]) -> list[Message]:
    """A whole conversation that was sent as the JSON text of one message."""
    parts = found[0]["parts"]
    if len(parts) == 1 and parts[0].get("type") == "text":
        inner = parsed(parts[0]["content"])
        if (
            isinstance(inner, list)
            and inner
            and all(isinstance(item, Mapping) and "role" in item for item in inner)
        ):
            return read_messages(inner, found[0]["role"])
    return found


def plain_text(messages: list[Message]) -> str | None:
    """The words of messages, without tool calls and the like; None where there are none."""
    texts = [
        part["content"]
        for message in messages
        for part in message["parts"]
        if part.get("type") == "text" and isinstance(part.get("content"), str)
    ]
    return "\n\n".join(texts) or None


def _event_messages(span: Span, content: str) -> list[Message]:
    """The conventions before 2025 put every message into a span event of its own."""
    found: list[Message] = []
    for event in span.events:
        if content == "input_messages" and event.name in _EVENT_ROLES:
            body = {"role": _EVENT_ROLES[event.name], **event.attributes}
            if event.name == "gen_ai.tool.message" and "id" in body:
                body["tool_call_id"] = body["id"]
            body["content"] = parsed(body.get("content"))
            body["tool_calls"] = parsed(body.get("tool_calls"))
            found += list(_read(body, "user", 1))
        elif content == "output_messages" and event.name == "gen_ai.choice":
            found += read_messages(event.attributes.get("message") or dict(event.attributes), "assistant")
        elif (event.name, content) == ("gen_ai.content.prompt", "input_messages"):
            found += read_messages(event.attributes.get("gen_ai.prompt"), "user")
        elif (event.name, content) == ("gen_ai.content.completion", "output_messages"):
            found += read_messages(event.attributes.get("gen_ai.completion"), "assistant")
    return found
