"""Messages in one shape, whatever they were sent in.

A message is ``{"role", "parts": [part, …]}`` (and ``name``, ``finish_reason`` where given); a part is one
of ``{"type": "text", "content"}``, ``{"type": "reasoning", "content"}``, ``{"type": "tool_call", "id",
"name", "arguments"}``, ``{"type": "tool_call_response", "id", "response"}``, or what was sent, untouched,
where nothing of this fits. Understood: the canonical JSON, OpenAI chat and Responses, Anthropic, Gemini,
LangChain, AutoGen, and attributes with an index in their name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from tallystick.model.span import Span
from tallystick.observe.dialects.dialect import Reader
from tallystick.observe.message_parts import DEEPEST, part_of, parts_of, text_of, with_calls
from tallystick.observe.values import parsed as parsed  # part of what this module is asked for

Message: TypeAlias = dict[str, Any]

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
# One event with all messages of a call, for those who keep them off the span.
DETAILS: Final = ("gen_ai.client.inference.operation.details", "gen_ai.client.operation.details")
_CANONICAL: Final = {
    "input_messages": "gen_ai.input.messages",
    "output_messages": "gen_ai.output.messages",
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
    if value is None or depth > DEEPEST:
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
            yield {"role": _ROLES.get(value[0], value[0]), "parts": parts_of(value[1], depth)}
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
            "parts": [part_of(value, depth)],
        }
        return
    if "role" in value or "content" in value or "parts" in value or "tool_calls" in value:
        yield _message(value, role, depth)
        return
    if "toolCallId" in value:
        yield {"role": role, "parts": [part_of(value, depth)]}
        return
    for key in _WRAPPERS:
        if key in value:
            yield from _read(parsed(value[key]), role, depth + 1)
            return
    if "text" in value:
        yield {"role": role, "parts": [part_of(value, depth)]}


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
        parts = [{"type": "tool_call_response", "id": call, "response": text_of(value.get("content"), depth)}]
    else:
        parts = parts_of(value.get("parts") if "parts" in value else value.get("content"), depth)
        if "contents" in value:  # OpenInference keeps several contents beside the one
            parts += parts_of(value["contents"], depth)
        more = value.get("additional_kwargs")  # LangChain's place for what its message has no field for
        calls = value.get("tool_calls") or (more.get("tool_calls") if isinstance(more, Mapping) else None)
        parts = with_calls(parts, calls, depth)
    message: Message = {"role": spoken, "parts": parts}
    for key in ("name", "finish_reason"):
        if isinstance(value.get(key), str):
            message[key] = value[key]
    return message


_LANGCHAIN_TYPES: Final = ("human", "ai", "system", "tool", "function", "developer")


def unflattened(attributes: Mapping[str, Any], prefix: str) -> list[Any]:
    """Attributes such as ``llm.input_messages.0.message.role`` as a list of nested values, in order of
    their index."""
    root: dict[str, Any] = {}
    for key, value in attributes.items():
        if not key.startswith(prefix):
            continue
        path = key[len(prefix) :].split(".")
        if len(path) > DEEPEST or not path[0].isdecimal():
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
            found += _choice(event.attributes)
        elif event.name in DETAILS:
            role = "user" if content == "input_messages" else "assistant"
            found += read_messages(event.attributes.get(_CANONICAL[content]), role)
        elif (event.name, content) == ("gen_ai.content.prompt", "input_messages"):
            found += read_messages(event.attributes.get("gen_ai.prompt"), "user")
        elif (event.name, content) == ("gen_ai.content.completion", "output_messages"):
            found += read_messages(event.attributes.get("gen_ai.completion"), "assistant")
    return found


def _choice(attributes: Mapping[str, Any]) -> list[Message]:
    """One answer: a message, or the parts of one (Strands)."""
    said = parsed(attributes.get("message"))
    if isinstance(said, list) and all(isinstance(item, Mapping) and "role" not in item for item in said):
        reason = attributes.get("finish_reason")
        message: Message = {"role": "assistant", "parts": parts_of(said, 1)}
        return [{**message, "finish_reason": reason} if isinstance(reason, str) else message]
    return read_messages(said or dict(attributes), "assistant")
