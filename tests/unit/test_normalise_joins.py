"""What joins spans that stand alone, what a message history shows, and how dialects are found."""

from __future__ import annotations

import json
from typing import Any

from tallystick.model import attributes as own
from tallystick.model.span import Link, Source, Span
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.observe.dialects import DIALECTS, reader_for
from tallystick.observe.normalise import read_span
from tallystick.observe.orphans import derived_span_id


def make(attributes: dict[str, Any], *, scope: str = "", parent: str | None = "b" * 16, **other: Any) -> Span:
    resource = other.pop("resource", {})
    values: dict[str, Any] = {
        "trace": "a" * 32,
        "span": "c" * 16,
        "parent": parent,
        "name": "a span",
        "started": 10,
        "ended": 20,
        "source": Source(resource=resource, scope=scope),
        "attributes": attributes,
    } | other
    return Span(**values)


def step(attributes: dict[str, Any], **other: Any) -> Step:
    return read_span(make(attributes, **other))[0][0]


def test_conversations_and_ids_join_spans_that_stand_alone() -> None:
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.conversation.id": "thread-0001",
    }
    assert step(chat, parent=None).links == ("conversation:thread-0001", "response:chatcmpl-1")
    assert step(chat).links == ("conversation:thread-0001",)
    short = {"gen_ai.operation.name": "chat", "gen_ai.response.id": "r1", "gen_ai.conversation.id": "t1"}
    assert step(short, parent=None).links == ()


def test_span_links_join_only_where_a_framework_scatters_its_run() -> None:
    links = (Link("d" * 32, "e" * 16),)
    runtime = step(
        {"messaging.operation": "publish"},
        scope="autogen SingleThreadedAgentRuntime",
        parent=None,
        links=links,
    )
    assert runtime.links == ("trace:" + "a" * 32, "trace:" + "d" * 32)
    assert step({"messaging.operation": "publish"}, scope="kafka", parent=None, links=links).links == ()


HISTORY = [
    {"role": "user", "parts": [{"type": "text", "content": "refund order 7"}]},
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "call_000001", "name": "look_up", "arguments": {"order": 7}}],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_000001", "response": "paid"}]},
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "call_000002", "name": "refund", "arguments": {"order": 7}}],
    },
]


def test_answered_calls_of_a_history_become_derived_tool_steps() -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(HISTORY)}
    (model, _), (tool, made) = read_span(make(attributes, parent=None))
    assert model.links == ("call:call_000001", "call:call_000002")
    assert (tool.kind, tool.tool, tool.call_id, tool.derived) == (Kind.TOOL, "look_up", "call_000001", True)
    assert (tool.status, tool.span) == (StepStatus.UNKNOWN, derived_span_id("call_000001"))
    assert tool.links == ("call:call_000001",)
    assert tool.started <= model.started
    assert made.attributes["gen_ai.tool.call.arguments"] == {"order": 7}
    later = make(attributes | {"x": 1}, parent=None, trace="f" * 32, span="9" * 16, started=500)
    again = read_span(later)[1][0]
    assert (again.trace, again.span) == (
        tool.trace,
        tool.span,
    )  # the same call in a later history is the same step


def test_a_history_is_read_only_where_a_span_stands_alone() -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(HISTORY)}
    assert len(read_span(make(attributes))) == 1
    assert len(read_span(make(attributes | {own.RUN_ID: "r"}, parent=None))) == 1
    assert len(read_span(make(attributes, parent=None, ended=None))) == 1


def test_short_call_ids_stay_in_their_own_trace() -> None:
    text = json.dumps(HISTORY).replace("call_000001", "1")
    tool = read_span(make({"gen_ai.operation.name": "chat", "gen_ai.input.messages": text}, parent=None))[1][
        0
    ]
    assert (tool.trace, tool.links) == ("a" * 32, ())


def test_dialects_are_found_by_scope_resource_and_marker() -> None:
    assert {d.name for d in DIALECTS} >= {"gen_ai", "openinference", "openllmetry", "agentops", "pydantic_ai"}
    assert (
        reader_for(make({}, scope="openinference.instrumentation.anything")).dialect.name == "openinference"
    )
    assert (
        reader_for(make({}, scope="openai", resource={"agentops.project.id": "p"})).dialect.name == "agentops"
    )
    assert reader_for(make({"traceloop.span.kind": "tool"}, scope="mine")).dialect.name == "openllmetry"
    two = {"openinference.span.kind": "LLM", "gen_ai.operation.name": "chat", "langsmith.span.kind": "llm"}
    assert reader_for(make(two)).dialect.name == "langsmith"  # one answer, whatever the order of the keys
    assert reader_for(make(dict(reversed(two.items())))).dialect.name == "langsmith"


def test_hostile_scope_names_and_keys_do_not_grow_memory_for_ever() -> None:
    from tallystick.observe import dialects, normalise

    for number in range(5_000):
        read_span(make({f"key{number}": 1}, scope=f"scope{number}"))
    assert len(dialects._by_scope) <= dialects._LIMIT
    assert len(reader_for(make({}, scope="none")).plans) <= normalise._PLANS
