"""The contents of a step, in one shape, read from its original span when somebody looks at it.

Everything here came from agents, models and tools: it is returned as data and must be escaped wherever it
is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tallystick.model.attributes import DECISION, LOG_EVENT, RETRY_ATTEMPT, RETRY_CAUSE, STOPPED
from tallystick.model.span import Span
from tallystick.model.step import Kind, Step
from tallystick.observe.dialects import CANONICAL, READERS, reader_for
from tallystick.observe.dialects.canonical import FIRST_CHUNK
from tallystick.observe.dialects.dialect import Reader
from tallystick.observe.messages import DETAILS, Message, messages_of, parsed, plain_text, unflattened
from tallystick.observe.values import clean_count, literal, unquoted

_BLOCK_KEYS = {"type", "text", "annotations", "_meta"}
_DAY = 86_400_000  # no first piece takes longer, in milliseconds
_PARAMETERS = "gen_ai.request."
_NOT_PARAMETERS = ("functions", "tools", "model", "headers", "type", "system_instruction", "instructions")
# The event of a tool's span that holds what it was given, and what it gave back.
_TOLD = {"arguments": ("gen_ai.tool.message", "content"), "result": ("gen_ai.choice", "message")}
_CALLED = {"args", "kwargs", "sanitize_inputs_outputs"}  # how Python's decorators write down a call
_RESULT_KEYS = {"content", "isError", "is_error", "structuredContent", "_meta"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a step was given and what came of it; None and empty mean that the span does not say.

    ``arguments`` and ``result``: JSON values, or text (tools). ``input`` and ``output``: the same for any
    other step (an agent's task and answer; a model's output is its words). ``system``: text of the system
    instructions. Messages: see messages.py; system messages are in ``system`` alone. ``handoff``: from, to,
    reason, payload. ``error``: type, message, stacktrace. ``parameters``: what the model was asked with.
    ``reasoning``: the model's own, as text. ``retry``: {"attempt": from 1 or None, "cause": text or None}, where
    this was not the first try. ``guardrail``: {"name", "verdict": allow, deny or None, "said"}, of a guardrail's step;
    ``said`` is its own answer. ``first_chunk_ns``: nanoseconds from the request to the first piece of a model's
    streamed answer."""

    arguments: Any = None
    result: Any = None
    goal: str | None = None
    system: str | None = None
    input_messages: list[Message] = field(default_factory=list)
    output_messages: list[Message] = field(default_factory=list)
    tool_definitions: list[Any] | None = None
    documents: list[Any] | None = None
    plan: Any = None
    handoff: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    reasoning: str | None = None
    input: Any = None
    output: Any = None
    retry: dict[str, Any] | None = None
    guardrail: dict[str, Any] | None = None
    first_chunk_ns: int | None = None


def read_contents(step: Step, span: Span) -> Contents:
    """Read all contents of a span. Never raises for what an attribute may hold; what does not fit is shown
    as it came."""
    reader = READERS.get(step.dialect) or reader_for(span)
    inside = _inside(span, reader)
    if inside:
        span = replace(span, attributes={**inside, **span.attributes})
    attributes = span.attributes
    kind = step.kind
    tool = (
        kind is Kind.TOOL or step.tool is not None
    )  # a retrieval or a look into memory may be a tool's work
    asked, answered = _messages(span, reader, kind)
    output = None if tool else _output(attributes, reader, kind, answered)
    return Contents(
        arguments=_tool_value(_told(span, reader, "arguments"), "inputs") if tool else None,
        result=_tool_value(_plain(_told(span, reader, "result"), reader), "output") if tool else None,
        goal=_text(_first(attributes, reader, "goal")),
        system=_system(attributes, reader, asked),
        input_messages=[message for message in asked if message["role"] != "system"],
        output_messages=answered,
        tool_definitions=_definitions(attributes, reader),
        documents=_documents(attributes, reader, kind),
        plan=parsed(_first(attributes, reader, "plan")),
        handoff=_handoff(attributes, reader, step) if kind is Kind.HANDOFF else None,
        parameters=_parameters(attributes, reader) if kind is Kind.MODEL else None,
        error=_error(step, span),
        reasoning=_reasoning(answered),
        input=None if tool or (asked and kind is Kind.MODEL) else parsed(_first(attributes, reader, "input")),
        output=output,
        retry=_retry(step, attributes),
        guardrail=_guardrail(step, attributes, output),
        first_chunk_ns=_first_chunk(attributes) if kind is Kind.MODEL else None,
    )


def _inside(span: Span, reader: Reader) -> Mapping[str, Any]:
    """What lies deeper than the span's own attributes: in JSON that a dialect unfolds, in an event with details."""
    found: dict[str, Any] = {}
    for event in span.events:
        if event.name in DETAILS:
            found |= event.attributes
    if reader.dialect.unfold is not None:
        found |= reader.dialect.unfold(span.attributes)
    return found


def _told(span: Span, reader: Reader, content: str) -> Any:
    """Arguments or result of a tool: an attribute, else an event of the conventions before 2025."""
    value = _first(span.attributes, reader, content)
    if value is not None or not span.events:
        return value
    name, key = _TOLD[content]
    return next((e.attributes[key] for e in span.events if e.name == name and key in e.attributes), None)


def _output(attributes: Mapping[str, Any], reader: Reader, kind: Kind, answered: list[Message]) -> Any:
    """A model's output is its words (the raw body says the same again); any other step's is what it says it
    is."""
    if kind is Kind.MODEL and answered:
        return plain_text(answered)
    return parsed(_first(attributes, reader, "output"))


def _first(attributes: Mapping[str, Any], reader: Reader, content: str) -> Any:
    for name in reader.contents.get(content, ()):
        value = attributes.get(name)
        if value is not None:
            if type(value) is str and value[:1] == '"' and name in reader.dialect.json_texts:
                return unquoted(value)
            return value
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _messages(span: Span, reader: Reader, kind: Kind) -> tuple[list[Message], list[Message]]:
    """Both sides. Raw bodies of other kinds of steps (a chain's input) are no messages: only canonical ones
    count there."""
    log = LOG_EVENT in span.attributes  # a log record may be one message
    if log or kind in (Kind.MODEL, Kind.AGENT, Kind.OUTPUT, Kind.HUMAN):
        asked = messages_of(span, reader, "input_messages")
        answered = messages_of(span, reader, "output_messages")
        if log or kind is Kind.MODEL or _is_conversation(asked) or _is_conversation(answered):
            return asked, answered
    return [], []


def _is_conversation(messages: list[Message]) -> bool:
    return (
        any(part.get("type") != "text" for message in messages for part in message["parts"])
        or len(messages) > 1
    )


def _plain(value: Any, reader: Reader) -> Any:
    """A result without the quotes that some write around text."""
    if reader.dialect.quoted and isinstance(value, str) and value[:1] == value[-1:] == '"':
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _tool_value(value: Any, inside: str) -> Any:
    """Arguments or result of a tool, out of LangChain's envelopes where they are in one."""
    value = parsed(value)
    if inside == "output":
        value = _blocks(value)
    if inside == "inputs":
        value = literal(value)  # LangChain writes arguments as Python shows them
    if not isinstance(value, Mapping):
        return value
    if inside == "inputs" and "kwargs" in value and value.keys() <= _CALLED and not value.get("args"):
        return value["kwargs"]
    if inside == "inputs" and "input_str" in value:
        inner = value.get("inputs")
        return inner if inner is not None else literal(parsed(value["input_str"]))
    message = _tool_message(value)
    if message is None and isinstance(value.get("output"), Mapping):
        message = _tool_message(value["output"])
    if message is None:
        return value
    return parsed(message.get("content"))


def _blocks(value: Any) -> Any:
    """Content blocks of text, as the Model Context Protocol gives results, as that text."""
    blocks = value.get("content") if isinstance(value, Mapping) and value.keys() <= _RESULT_KEYS else value
    if isinstance(blocks, list) and blocks and all(
        isinstance(block, Mapping) and block.get("type", "text") == "text" and isinstance(block.get("text"), str)
        and block.keys() <= _BLOCK_KEYS
        for block in blocks
    ):  # fmt: skip
        return "\n".join(block["text"] for block in blocks)
    return value


def _tool_message(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for envelope in ("kwargs", "data"):  # {"lc", "kwargs"} and {"type": "tool", "data"}
        inner = value.get(envelope)
        if isinstance(inner, Mapping) and "tool_call_id" in inner and "content" in inner:
            return inner
    if "tool_call_id" in value and "content" in value:
        return value
    return None


def _system(attributes: Mapping[str, Any], reader: Reader, asked: list[Message]) -> str | None:
    value = parsed(_first(attributes, reader, "system"))
    if isinstance(value, str):
        return value
    texts: list[str] = []
    if isinstance(value, list):
        texts = [
            item["content"] for item in value if isinstance(item, Mapping) and _text(item.get("content"))
        ]
    if not texts:
        texts = [
            part["content"]
            for message in asked
            if message["role"] == "system"
            for part in message["parts"]
            if isinstance(part.get("content"), str)
        ]
    return "\n\n".join(texts) or None


def _definitions(attributes: Mapping[str, Any], reader: Reader) -> list[Any] | None:
    value = parsed(_first(attributes, reader, "tool_definitions"))
    if isinstance(value, list):
        return [parsed(item) for item in value]
    for prefix in reader.message_prefixes.get("tool_definitions", ()):
        items = unflattened(attributes, prefix)
        if items:
            return [_definition(item) for item in items]
    return None


def _definition(item: Any) -> Any:
    if isinstance(item, dict) and isinstance(item.get("tool"), dict):
        item = item["tool"].get("json_schema", item)
    if isinstance(item, dict) and "parameters" in item:
        return {**item, "parameters": parsed(item["parameters"])}
    return parsed(item)


def _documents(attributes: Mapping[str, Any], reader: Reader, kind: Kind) -> list[Any] | None:
    """Each with id and score where the source says them. A general output is a list of documents only where
    something was looked up."""
    looked_up = kind is Kind.RETRIEVAL or kind is Kind.MEMORY
    names = reader.contents.get("documents", ())
    for name in names if looked_up else CANONICAL.contents.get("documents", ()):
        value = parsed(attributes.get(name))
        if isinstance(value, Mapping) and isinstance(value.get("documents"), list):
            value = value["documents"]
        if isinstance(value, list):
            return value
    for prefix in reader.message_prefixes.get("documents", ()):
        items = unflattened(attributes, prefix)
        if items:
            return [
                item["document"] if isinstance(item, dict) and "document" in item else item for item in items
            ]
    return None


def _handoff(attributes: Mapping[str, Any], reader: Reader, step: Step) -> dict[str, Any]:
    source = _text(_first(attributes, reader, "handoff_from"))
    if source is not None and source[:1] in "{[":
        source = None  # a tool-like handoff: its input is arguments, not a name
    target = _text(_first(attributes, reader, "handoff_to"))
    payload = parsed(_first(attributes, reader, "handoff_payload"))
    if payload is None and source is None:
        payload = parsed(_first(attributes, reader, "arguments"))
        if isinstance(payload, Mapping) and _text(payload.get("coworker")):
            target = payload["coworker"]
    if step.tool is not None and step.tool.startswith("transfer_to_"):
        target = step.tool.removeprefix("transfer_to_")
    return {
        "from": source or step.agent,
        "to": target,
        "reason": _text(_first(attributes, reader, "handoff_reason")),
        "payload": payload,
    }


def _parameters(attributes: Mapping[str, Any], reader: Reader) -> dict[str, Any] | None:
    found = {
        name: value
        for key, value in attributes.items()
        if key.startswith(_PARAMETERS)
        and value is not None
        and (name := key[len(_PARAMETERS) :]).split(".")[0] not in _NOT_PARAMETERS
    }
    given = parsed(_first(attributes, reader, "parameters"))
    if isinstance(given, Mapping):
        found = {**{key: value for key, value in given.items() if key != "tools"}, **found}
    return found or None


def _error(step: Step, span: Span) -> dict[str, Any] | None:
    for event in span.events:
        if event.name == "exception":
            return {
                "type": _text(event.attributes.get("exception.type")) or step.error,
                "message": _text(event.attributes.get("exception.message")),
                "stacktrace": _text(event.attributes.get("exception.stacktrace")),
            }
    if STOPPED in span.attributes:
        return {"type": "stopped", "message": _text(span.attributes[STOPPED]), "stacktrace": None}
    if step.error is None and not (span.status == 2 and span.status_message):
        return None
    return {"type": step.error, "message": span.status_message or None, "stacktrace": None}


def _retry(step: Step, attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    attempt = clean_count(attributes.get(RETRY_ATTEMPT))
    if attempt is None:
        attempt = clean_count(attributes.get("attempt")) if step.dialect == "claude_cli" else None
    for name in ("http.request.resend_count", "lk.retry_count"):
        again = clean_count(attributes.get(name)) if attempt is None else None
        if again is not None:
            attempt = again + 1  # they count what came after the first try
    cause = _text(attributes.get(RETRY_CAUSE))
    if cause is None and (attempt is None or attempt < 2):
        return None
    return {"attempt": attempt, "cause": cause}


def _first_chunk(attributes: Mapping[str, Any]) -> int | None:
    for name, unit in FIRST_CHUNK.items():
        value = attributes.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _DAY:
            return round(value * unit)
    return None


def _guardrail(step: Step, attributes: Mapping[str, Any], said: Any) -> dict[str, Any] | None:
    """Of a step that looked at contents; a policy's decision has its own words and is none."""
    if step.kind is not Kind.DECISION or DECISION in attributes or step.dialect == "claude_cli":
        return None
    name = _text(attributes.get("gen_ai.guardrail.name")) or step.name
    return {"name": name, "verdict": step.decision, "said": said}


def _reasoning(messages: list[Message]) -> str | None:
    texts = [
        part["content"]
        for message in messages
        for part in message["parts"]
        if part.get("type") == "reasoning" and _text(part.get("content"))
    ]
    return "\n\n".join(texts) or None
