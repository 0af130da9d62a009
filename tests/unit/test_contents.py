"""Contents in one shape, whatever they were sent in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick.model import attributes as own
from tallystick.model.span import Event, Source, Span
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.messages import read_messages, unflattened
from tallystick.observe.normalise import read_span

TEXT = {"role": "user", "parts": [{"type": "text", "content": "hello"}]}
CALL = {"type": "tool_call", "id": "c1", "name": "look_up", "arguments": {"order": 7}}
ANSWER = {"type": "tool_call_response", "id": "c1", "response": "paid"}


def contents(attributes: dict[str, Any], *, scope: str = "", name: str = "n", **other: Any) -> Contents:
    span = Span("a" * 32, "b" * 16, "c" * 16, name, 1, 2, Source(scope=scope), attributes=attributes, **other)
    step, original = read_span(span)[0]
    return read_contents(step, original)


@pytest.mark.parametrize(
    "sent",
    [
        [TEXT, {"role": "assistant", "parts": [CALL]}, {"role": "tool", "parts": [ANSWER]}],
        [  # OpenAI chat
            {"role": "user", "content": "hello"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "look_up", "arguments": '{"order": 7}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "paid"},
        ],
        [  # OpenAI Responses
            {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
            {
                "type": "function_call",
                "id": "fc_9",
                "call_id": "c1",
                "name": "look_up",
                "arguments": '{"order": 7}',
            },
            {"type": "function_call_output", "call_id": "c1", "output": "paid"},
        ],
        [  # LangChain
            [{"lc": 1, "type": "constructor", "kwargs": {"type": "human", "content": "hello"}}],
            {
                "type": "ai",
                "data": {
                    "type": "ai",
                    "content": "",
                    "tool_calls": [{"name": "look_up", "args": {"order": 7}, "id": "c1"}],
                },
            },
            {"type": "tool", "content": "paid", "tool_call_id": "c1"},
        ],
    ],
)
def test_every_shape_reads_alike(sent: list[Any]) -> None:
    expected = [TEXT, {"role": "assistant", "parts": [CALL]}, {"role": "tool", "parts": [ANSWER]}]
    assert read_messages(json.dumps(sent)) == expected
    assert read_messages({"messages": sent}) == expected


def test_anthropic_and_gemini_blocks() -> None:
    assert read_messages(
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "tool_use", "id": "c1", "name": "look_up", "input": {"order": 7}},
            ],
        }
    ) == [{"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, CALL]}]
    assert read_messages(
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "paid"}]}
            ],
        }
    )[0]["parts"] == [ANSWER]
    gemini = {
        "role": "model",
        "parts": [{"function_call": {"name": "look_up", "args": {"order": 7}}}, {"text": "hi"}],
    }
    (message,) = read_messages(gemini)
    assert message["role"] == "assistant"
    assert message["parts"] == [CALL | {"id": None}, {"type": "text", "content": "hi"}]


def test_what_fits_nothing_is_kept_as_it_came() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}
    assert read_messages({"role": "user", "content": [image]})[0]["parts"] == [image]
    assert read_messages("{not json")[0]["parts"] == [{"type": "text", "content": "{not json"}]
    assert read_messages(None) == []
    assert read_messages(["assistant", "fine"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "fine"}]}
    ]


def test_indexed_attributes_are_put_together_in_order() -> None:
    flat = {
        "p.10.role": "user",
        "p.2.role": "assistant",
        "p.2.tool_calls.0.name": "x",
        "other": 1,
        "p.bad": 2,
        "p.²": 3,
    }
    assert unflattened(flat, "p.") == [{"role": "assistant", "tool_calls": [{"name": "x"}]}, {"role": "user"}]


def test_indexed_messages_of_older_instrumentors() -> None:
    got = contents(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "be kind",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": "hello",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "done",
            "gen_ai.completion.0.tool_calls.0.id": "c1",
            "gen_ai.completion.0.tool_calls.0.name": "look_up",
            "gen_ai.completion.0.tool_calls.0.arguments": '{"order": 7}',
        }
    )
    assert got.system == "be kind"
    assert got.input_messages == [TEXT]
    assert got.output_messages[0]["parts"] == [{"type": "text", "content": "done"}, CALL]
    assert got.output == "done"


def test_span_events_of_the_first_conventions() -> None:
    events = (
        Event("gen_ai.user.message", 1, {"content": "hello"}),
        Event("gen_ai.tool.message", 1, {"content": "paid", "id": "c1"}),
        Event(
            "gen_ai.choice",
            2,
            {"message": '{"role": "assistant", "content": "done"}', "finish_reason": "stop"},
        ),
    )
    got = contents({"gen_ai.operation.name": "chat"}, events=events)
    assert got.input_messages == [TEXT, {"role": "tool", "parts": [ANSWER]}]
    assert got.output_messages == [{"role": "assistant", "parts": [{"type": "text", "content": "done"}]}]


def test_tool_contents_come_out_of_their_envelopes() -> None:
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up"}
    plain = contents(tool | {"gen_ai.tool.call.arguments": '{"order": 7}', "gen_ai.tool.call.result": "paid"})
    assert (plain.arguments, plain.result) == ({"order": 7}, "paid")
    structured = contents(
        tool | {"gen_ai.tool.call.arguments": {"order": 7}, "gen_ai.tool.call.result": {"state": "paid"}}
    )
    assert (structured.arguments, structured.result) == ({"order": 7}, {"state": "paid"})
    mcp = contents(
        tool
        | {"gen_ai.tool.call.result": '{"content": [{"type": "text", "text": "paid"}], "isError": false}'}
    )
    assert mcp.result == "paid"
    message = {"content": "paid", "tool_call_id": "c1"}
    chain = contents(
        tool
        | {
            "gen_ai.tool.call.arguments": '{"input_str": "x", "inputs": {"order": 7}, "kwargs": {}}',
            "gen_ai.tool.call.result": json.dumps({"output": {"lc": 1, "kwargs": message}}),
        }
    )
    assert (chain.arguments, chain.result) == ({"order": 7}, "paid")
    nothing = contents(tool)
    assert (nothing.arguments, nothing.result) == (None, None)


def test_openinference_contents() -> None:
    got = contents(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "refund rules",
            "retrieval.documents.0.document.content": "rule one",
            "retrieval.documents.0.document.score": 0.5,
            "retrieval.documents.1.document.content": "rule two",
        },
        scope="openinference.x",
    )
    assert got.input == "refund rules"
    assert got.documents == [{"content": "rule one", "score": 0.5}, {"content": "rule two"}]
    model = contents(
        {
            "openinference.span.kind": "LLM",
            "llm.invocation_parameters": '{"temperature": 0, "tools": []}',
            "llm.tools.0.tool.json_schema": '{"name": "look_up"}',
        },
        scope="openinference.x",
    )
    assert model.parameters == {"temperature": 0}
    assert model.tool_definitions == [{"name": "look_up"}]


def test_plan_goal_handoff_error_and_reasoning() -> None:
    assert contents({own.KIND: "plan", own.PLAN: '["look", "refund"]'}).plan == ["look", "refund"]
    assert contents({own.KIND: "goal", own.RUN_GOAL: "resolve 4711"}).goal == "resolve 4711"
    handoff = contents(
        {
            own.KIND: "handoff",
            own.HANDOFF_FROM: "a",
            own.HANDOFF_TO: "b",
            own.HANDOFF_REASON: "r",
            own.HANDOFF_PAYLOAD: '{"x": 1}',
        }
    )
    assert handoff.handoff == {"from": "a", "to": "b", "reason": "r", "payload": {"x": 1}}
    event = Event(
        "exception", 1, {"exception.type": "E", "exception.message": "m", "exception.stacktrace": "s"}
    )
    assert contents({}, status=2, events=(event,)).error == {"type": "E", "message": "m", "stacktrace": "s"}
    assert contents({}, status=2, status_message="m").error == {
        "type": "m",
        "message": "m",
        "stacktrace": None,
    }
    assert contents({}).error is None
    thought = [{"role": "assistant", "parts": [{"type": "reasoning", "content": "because"}]}]
    assert (
        contents({"gen_ai.operation.name": "chat", "gen_ai.output.messages": thought}).reasoning == "because"
    )
