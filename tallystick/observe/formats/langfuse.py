"""Langfuse exports: ``{trace, observations}``, one trace a file.

Cost figures are computed by Langfuse from its own table, so they are kept as annotations and are not our
cost. Usage types are meant to be disjoint there, but not every sender holds to it: the total decides, and
where it decides nothing the tokens are unknown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tallystick.model import attributes as own
from tallystick.model.errors import BadInput
from tallystick.model.span import Source, Span
from tallystick.observe.dialects.langfuse import usage_of
from tallystick.observe.formats.recorded import (
    IMPORT,
    Format,
    RecordedRun,
    expect,
    json_text,
    run_id,
    span_id,
)
from tallystick.observe.messages import parsed, plain_text, read_messages

NAME: Final = "langfuse"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEX: Final = re.compile(r"[0-9a-f]+")
_OPERATIONS: Final = {
    "GENERATION": "chat",
    "EMBEDDING": "embeddings",
    "TOOL": "execute_tool",
    "AGENT": "invoke_agent",
    "RETRIEVER": "retrieval",
}
_KINDS: Final = {"EVALUATOR": "evaluation", "GUARDRAIL": "decision"}
# what the sender's own attributes (kept by Langfuse in the metadata) may add
_KEPT: Final = {
    "gen_ai.agent.name": "gen_ai.agent.name",
    "agent_name": "gen_ai.agent.name",
    "agent.name": "gen_ai.agent.name",
    "gen_ai.provider.name": "gen_ai.provider.name",
    "llm.provider": "gen_ai.provider.name",
    "gen_ai.system": "gen_ai.provider.name",
    "llm.system": "gen_ai.provider.name",
    "gen_ai.tool.name": "gen_ai.tool.name",
    "tool.name": "gen_ai.tool.name",
    "ai.toolCall.name": "gen_ai.tool.name",
    "gen_ai.tool.call.id": "gen_ai.tool.call.id",
    "ai.toolCall.id": "gen_ai.tool.call.id",
    "gen_ai.response.id": "gen_ai.response.id",
    "gen_ai.conversation.id": "gen_ai.conversation.id",
}
# What a tool gave back, in the sender's own attributes: Langfuse shows some senders' empty field instead.
_SENT_RESULTS: Final = ("gen_ai.tool.call.result", "tool_response", "gcp.vertex.agent.tool_response")
_OUTER_CALLS: Final = frozenset({"ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject"})
_AGENT_RUN: Final = re.compile(r"agent_run \[(.+)\]")  # Google ADK before 1.13
_EMPTY: Final[tuple[Any, ...]] = (None, "", {}, [])
_USAGE: Final = {
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "cache_read": "gen_ai.usage.cache_read.input_tokens",
    "cache_write": "gen_ai.usage.cache_write.input_tokens",
    "reasoning": "gen_ai.usage.reasoning.output_tokens",
}


def detect(content: bytes) -> bool:
    """Whether a JSON file looks like a Langfuse export."""
    head = content.lstrip()
    return head.startswith(b"{") and b'"observations"' in head and b'"trace"' in head


def read(document: Any) -> Iterator[RecordedRun]:
    """The recorded run of a parsed file. Raises BadInput where the shape is wrong."""
    expect(document, dict, "the file", "an object with trace and observations (a Langfuse export)")
    trace = expect(document.get("trace"), dict, "trace", "an object")
    items = expect(document.get("observations"), list, "observations", "a list")
    for place, item in enumerate(items):
        where = f"observations[{place}]"
        expect(item, dict, where, "an object")
        for key in ("id", "type", "startTime"):
            expect(item.get(key), str, f"{where}.{key}", "text")
    given = expect(trace.get("id"), str, "trace.id", "text")
    run = given if len(given) == 32 and _HEX.fullmatch(given) and set(given) != {"0"} else run_id(NAME, given)
    timed = [
        (_time(item["startTime"], f"observations[{place}].startTime"), item)
        for place, item in enumerate(items)
    ]
    timed.sort(key=lambda pair: (pair[0], pair[1].get("parentObservationId") is not None, pair[1]["id"]))
    ids = {item["id"]: _id(run, item["id"]) for item in items}
    source = Source(_resource(trace), f"tallystick.import.{NAME}")
    spans = [
        _span(run, trace, item, started, seq, ids, len(items), source)
        for seq, (started, item) in enumerate(timed, start=1)
    ]
    yield RecordedRun(run, spans)


def _id(run: str, given: str) -> str:
    return (
        given if len(given) == 16 and _HEX.fullmatch(given) and set(given) != {"0"} else span_id(run, given)
    )


def _time(value: Any, where: str) -> int:
    try:
        moment = datetime.fromisoformat(expect(value, str, where, "an ISO 8601 time"))
    except ValueError as error:
        raise BadInput(f"{where}: {value[:40]!r} is not an ISO 8601 time", where=where) from error
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def _span(
    run: str,
    trace: Mapping[str, Any],
    item: Mapping[str, Any],
    started: int,
    seq: int,
    ids: Mapping[str, str],
    count: int,
    source: Source,
) -> Span:
    parent = item.get("parentObservationId")
    ended = item.get("endTime")
    attributes = _attributes(item)
    if parent is None:
        attributes = {**_root(trace, item, count), **attributes}
    return Span(
        trace=run,
        span=ids[item["id"]],
        parent=ids.get(parent, _id(run, parent)) if isinstance(parent, str) else None,
        name=item["name"] if isinstance(item.get("name"), str) else item["type"].lower(),
        started=started,
        ended=None
        if ended is None
        else max(_time(ended, f"observation {item['id'][:40]}: endTime"), started),
        source=source,
        status=2 if item.get("level") == "ERROR" else 0,
        status_message=item["statusMessage"] if isinstance(item.get("statusMessage"), str) else "",
        attributes={own.RUN_ID: run, own.SEQ: seq, **{k: v for k, v in attributes.items() if v is not None}},
    )


def _resource(trace: Mapping[str, Any]) -> dict[str, Any]:
    where = trace.get("environment")  # "default" is Langfuse's word for none given
    return (
        {}
        if not isinstance(where, str) or where in ("", "default")
        else {"deployment.environment.name": where}
    )


def _root(trace: Mapping[str, Any], item: Mapping[str, Any], count: int) -> dict[str, Any]:
    asked = parsed(_unquoted(trace.get("input") if trace.get("input") is not None else item.get("input")))
    if isinstance(asked, Mapping) and isinstance(asked.get("prompt"), str):
        asked = asked["prompt"]
    goal = (
        asked
        if isinstance(asked, str)
        else plain_text([m for m in read_messages(asked) if m["role"] != "system"])
    )
    if goal is None and asked is not None:
        goal = json_text(asked)
    return {
        own.RUN_ROOT: True,
        own.RUN_SOURCE: NAME,
        own.RUN_STEPS: count,
        own.RUN_GOAL: goal,
        own.RUN_STATUS: "failed" if item.get("level") == "ERROR" else None,  # no error does not mean success
        own.WORKFLOW: trace.get("name") if isinstance(trace.get("name"), str) else None,
        "user.id": trace.get("userId") if isinstance(trace.get("userId"), str) else None,
        "gen_ai.conversation.id": trace.get("sessionId") if isinstance(trace.get("sessionId"), str) else None,
        **{
            IMPORT + key: json_text(trace[key])
            for key in ("userId", "sessionId", "release", "version", "environment", "tags", "scores")
            if trace.get(key)
        },
    }


def _attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = parsed(item.get("metadata"))
    sent = parsed(metadata.get("attributes")) if isinstance(metadata, Mapping) else None
    sent = sent if isinstance(sent, Mapping) else {}
    kind, message = _kind(item, sent)
    found: dict[str, Any] = {}
    for name, canonical in _KEPT.items():
        if isinstance(sent.get(name), str):
            found.setdefault(canonical, sent[name])
    if kind in _OPERATIONS:
        found["gen_ai.operation.name"] = _OPERATIONS[kind]
    elif kind in _KINDS:
        found[own.KIND] = _KINDS[kind]
    elif isinstance(sent.get("gen_ai.operation.name"), str) and kind == "SPAN":
        found["gen_ai.operation.name"] = sent["gen_ai.operation.name"]
    else:
        found[own.KIND] = "other"
    if kind == "TOOL":
        named = message.get("name") if isinstance(message.get("name"), str) else item.get("name")
        if isinstance(named, str):
            found.setdefault("gen_ai.tool.name", named)
        if isinstance(message.get("tool_call_id"), str):
            found.setdefault("gen_ai.tool.call.id", message["tool_call_id"])
    if kind in ("GENERATION", "EMBEDDING"):
        found |= _usage(item.get("usageDetails"))
        found["gen_ai.response.model"] = item.get("model") if isinstance(item.get("model"), str) else None
    if kind == "AGENT":
        named = _AGENT_RUN.fullmatch(item["name"]) if isinstance(item.get("name"), str) else None
        agent = sent.get("graph.node.id") or (named and named.group(1))
        if isinstance(agent, str):
            found.setdefault("gen_ai.agent.name", agent)
    if isinstance(metadata, Mapping) and isinstance(metadata.get("ls_provider"), str):
        found.setdefault("gen_ai.provider.name", metadata["ls_provider"])  # LangChain's word for it
    found |= _contents(kind, item, sent)
    for key, name in (
        ("usageDetails", "usage"),
        ("costDetails", "cost_usd"),
        ("modelParameters", "parameters"),
    ):
        if item.get(key):
            found[IMPORT + name] = json_text(item[key])
    return found


def _kind(item: Mapping[str, Any], sent: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The type of an observation, and LangChain's tool message in it (or nothing).

    Older senders know two types alone, so tools and agents come as SPAN, and the whole of a call with its
    tools as a GENERATION around the real ones."""
    kind: str = item["type"].upper()
    called = sent.get("ai.operationId", sent.get("operation.name", item.get("name")))
    if kind == "GENERATION" and isinstance(called, str) and called in _OUTER_CALLS:
        return "AGENT", {}
    if kind == "SPAN":
        message = _tool_message(parsed(_unquoted(item.get("output"))))
        if message:
            return "TOOL", message
        if (
            isinstance(sent.get("agent_name"), str)
            and "model_name" in sent
            and "gen_ai.operation.name" not in sent
        ):
            return "AGENT", {}  # Pydantic AI before it wrote operations
    return kind, {}


def _tool_message(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping) and isinstance(value.get("kwargs"), Mapping):
        path = value.get("id")
        value = value["kwargs"] if isinstance(path, list) and path[-1:] == ["ToolMessage"] else None
    elif isinstance(value, Mapping) and value.get("type") != "tool":
        value = None
    if isinstance(value, Mapping) and isinstance(value.get("tool_call_id"), str) and "content" in value:
        return value
    return {}


def _contents(kind: str, item: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "GENERATION": ("gen_ai.input.messages", "gen_ai.output.messages"),
        "TOOL": ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result"),
    }.get(kind, (own.INPUT, own.OUTPUT))
    found = {
        name: json_text(_unquoted(item[side]))
        for name, side in zip(names, ("input", "output"), strict=True)
        if item.get(side) is not None
    }
    asked, answered = names
    if kind == "GENERATION":
        messages, offered = _without_definitions(parsed(found.get(asked)))
        if offered:
            found[asked] = json_text(messages)
            found["gen_ai.tool.definitions"] = json_text(offered)
    elif kind == "TOOL":
        given = parsed(found.get(asked))
        if isinstance(given, Mapping) and given.keys() == {"input"} and isinstance(given["input"], Mapping):
            found[asked] = json_text(given["input"])  # LangSmith's envelope
        if parsed(found.get(answered)) in _EMPTY:
            result = next((sent[name] for name in _SENT_RESULTS if sent.get(name) not in _EMPTY), None)
            if result is not None:
                found[answered] = json_text(result)
    return found


def _without_definitions(messages: Any) -> tuple[list[Any], list[Any]]:
    """Messages, and the tool definitions that Langfuse's LangChain handler lists among them as a tool's words."""
    said: list[Any] = []
    offered: list[Any] = []
    for message in messages if isinstance(messages, list) else ():
        content = (
            message.get("content") if isinstance(message, Mapping) and message.get("role") == "tool" else None
        )
        is_definition = isinstance(content, Mapping) and isinstance(content.get("function"), Mapping)
        (offered if is_definition else said).append(content if is_definition else message)
    return said, offered


def _unquoted(value: Any) -> Any:
    """Langfuse writes text as a JSON text once more in some exports."""
    if isinstance(value, str) and value[:1] == '"':
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _usage(details: Any) -> dict[str, int]:
    """Inclusive token counts, or nothing where the types do not add up to the total."""
    return {_USAGE[column]: count for column, count in usage_of(details).items()}


FORMAT: Final = Format(NAME, detect, read)
