"""The nine rules of normalisation, one by one: each prevents a fault that other readers have had."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick.api.otlp import read_json
from tallystick.model.span import Source, Span
from tallystick.model.step import Kind, Step
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.dialects import DIALECTS
from tallystick.observe.normalise import mapped_from, read_span

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def span(attributes: dict[str, Any], *, scope: str = "", name: str = "x", **more: Any) -> Span:
    return Span("1" * 32, "2" * 16, "3" * 16, name, 1, 2, Source({}, scope), attributes=attributes, **more)


def step(attributes: dict[str, Any], *, scope: str = "", **more: Any) -> Step:
    return read_span(span(attributes, scope=scope, **more))[0][0]


def contents(attributes: dict[str, Any], *, scope: str = "", **more: Any) -> Contents:
    made = span(attributes, scope=scope, **more)
    return read_contents(read_span(made)[0][0], made)


def test_rule_1_canonical_wins_field_by_field_and_what_was_read_is_told() -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "theirs",
        "llm.token_count.prompt": 7,
        "llm.token_count.completion": 3,
        "gen_ai.request.model": "canonical",
        "gen_ai.usage.input_tokens": 8,
        "gen_ai.usage.output_tokens": None,
    }
    got = step(attributes, scope="openinference.instrumentation.openai")
    assert (got.dialect, got.model, got.usage.input_tokens, got.usage.output_tokens) == (
        "openinference",
        "canonical",
        8,
        3,
    )
    assert mapped_from(span(attributes, scope="openinference.instrumentation.openai")) == {
        "span_kind": "openinference.span.kind",
        "model": "gen_ai.request.model",
        "input": "gen_ai.usage.input_tokens",
        "output": "llm.token_count.completion",
    }


def test_rule_1_a_dialect_is_known_by_scope_or_by_a_key_of_its_own() -> None:
    for dialect in DIALECTS:
        for marker in dialect.markers:
            assert step({marker: "x"}, scope="some.wrapper").dialect == dialect.name, marker
        for scope in dialect.scopes:
            assert step({}, scope=scope.replace("*", "anything")).dialect == dialect.name, scope
    assert (
        step({"their.own": 1}, scope="some.wrapper").dialect == "plain"
    )  # unknown: kept, and shown as it is


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 9},
        {"openinference.span.kind": "AGENT", "llm.token_count.prompt": 9},
        {"openinference.span.kind": "CHAIN", "llm.token_count.prompt": 9},
        {"agent_name": "a", "model_name": "m", "logfire.span_type": "span", "gen_ai.usage.input_tokens": 9},
        {**CHAT, "gen_ai.operation.name": "invoke_agent", "gen_ai.aggregated_usage.input_tokens": 9},
        {"langfuse.observation.type": "agent", "langfuse.observation.usage_details": '{"input": 9}'},
        {"mlflow.spanType": '"AGENT"', "mlflow.chat.tokenUsage": '{"input_tokens": 9}'},
    ],
)
def test_rule_2_only_model_calls_have_usage(attributes: dict[str, Any]) -> None:
    got = step(attributes)
    assert got.kind is not Kind.MODEL
    assert got.usage.input_tokens is None


def test_rule_3_input_holds_the_cached_tokens() -> None:
    inclusive = step({**CHAT, "gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 40})
    assert (inclusive.usage.input_tokens, inclusive.exclusive_input) == (100, False)
    given = {"gen_ai.usage.cache_read.input_tokens": 40, "gen_ai.usage.cache_creation.input_tokens": 30}
    exclusive = step({**CHAT, "gen_ai.usage.input_tokens": 60, **given})
    assert (exclusive.usage.input_tokens, exclusive.exclusive_input) == (130, True)


def test_rule_4_an_unknown_cost_is_none_and_never_0() -> None:
    assert step({**CHAT, "gen_ai.usage.input_tokens": 1}).cost_nano is None
    assert step({**CHAT, "operation.cost": 0.5, "gen_ai.usage.total_cost": 0.5}).cost_nano is None
    assert step({**CHAT, "tallystick.cost.nano_usd": 0}).cost_nano == 0  # known to be nothing


def test_rule_5_both_names_of_what_was_renamed() -> None:
    for name in ("cache_write.input_tokens", "cache_creation.input_tokens", "cache_creation_input_tokens"):
        got = step({**CHAT, "gen_ai.usage.input_tokens": 9, f"gen_ai.usage.{name}": 4})
        assert got.usage.cache_write_tokens == 4, name
    new = step({"gen_ai.operation.name": "invoke_workflow", "gen_ai.agent.name": "support"})
    old = step({"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "support"})
    assert (new.workflow, new.agent) == (old.workflow, old.agent) == ("support", None)


@pytest.mark.parametrize(
    ("name", "value", "nanoseconds"),
    [
        ("gen_ai.response.time_to_first_chunk", 0.25, 250_000_000),
        ("ai.response.msToFirstChunk", 250, 250_000_000),
        ("gen_ai.server.time_to_first_token", 250, 250_000_000),
        ("lk.response.ttft", 0.25, 250_000_000),
        ("ai.response.msToFirstChunk", "soon", None),
        ("ai.response.msToFirstChunk", -1, None),
        ("ai.response.msToFirstChunk", float("nan"), None),
        ("ai.response.msToFirstChunk", True, None),
    ],
)
def test_rule_6_seconds_are_not_milliseconds(name: str, value: Any, nanoseconds: int | None) -> None:
    assert contents({**CHAT, name: value}).first_chunk_ns == nanoseconds


def test_rule_7_messages_and_arguments_as_json_or_as_values() -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": "weather?"}]}]
    as_values = contents({**CHAT, "gen_ai.input.messages": messages})
    as_text = contents({**CHAT, "gen_ai.input.messages": json.dumps(messages)})
    assert as_values.input_messages == as_text.input_messages == messages
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}
    for given in ({"city": "Paris"}, '{"city": "Paris"}', "{'city': 'Paris'}"):
        assert contents({**tool, "gen_ai.tool.call.arguments": given}).arguments == {"city": "Paris"}


@pytest.mark.parametrize(
    "given",
    ["{'a': b'x'}", "{'a': {1, 2}}", "{'a': 1e999}", "{'a': " + "-" * 9_000 + "1}", "{'a': ...}", "{'a"],
)
def test_what_is_no_value_of_json_stays_a_text(given: str) -> None:
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}
    assert contents({**tool, "gen_ai.tool.call.arguments": given}).arguments == given


def test_rule_8_what_the_sender_dropped_is_counted() -> None:
    sent = {
        "traceId": "1" * 32,
        "spanId": "2" * 16,
        "name": "chat",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        "droppedAttributesCount": 35,
        "droppedEventsCount": 2,
        "droppedLinksCount": 1,
    }
    (made,) = read_json(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [sent]}]}]}).encode()).spans
    assert read_span(made)[0][0].dropped == 38


def test_rule_9_two_vocabularies_on_one_span_are_read_once() -> None:
    got = step(
        {
            **CHAT,
            "openinference.span.kind": "LLM",
            "gen_ai.usage.input_tokens": 100,
            "llm.token_count.prompt": 100,
            "gen_ai.usage.prompt_tokens": 100,
            "llm.usage.prompt_tokens": 100,
        },
        scope="pydantic-ai",
    )
    assert (got.kind, got.usage.input_tokens) == (Kind.MODEL, 100)


def test_a_retry_says_which_try_it_was_and_why() -> None:
    assert contents({**CHAT}).retry is None
    assert contents({**CHAT, "http.request.resend_count": 0}).retry is None
    assert contents({**CHAT, "http.request.resend_count": 2}).retry == {"attempt": 3, "cause": None}
    own = {"tallystick.retry.attempt": 2, "tallystick.retry.cause": "429"}
    assert contents({**CHAT, **own}).retry == {"attempt": 2, "cause": "429"}
    command = {"span.type": "llm_request", "attempt": 2}
    assert contents(command, scope="com.anthropic.claude_code.tracing").retry == {"attempt": 2, "cause": None}


@pytest.mark.parametrize(
    ("said", "verdict", "status"),
    [
        ("pass", "allow", "ok"),
        ("Blocked", "deny", "denied"),
        (True, "deny", "denied"),
        ("who knows", None, "ok"),
    ],
)
def test_a_guardrail_decides_by_its_own_word(said: Any, verdict: str | None, status: str) -> None:
    attributes = {
        "gen_ai.operation.name": "run_guardrail",
        "gen_ai.guardrail.name": "pii",
        "guardrail.verdict": said,
    }
    got = step(attributes)
    assert (got.kind, got.decision, got.status.value) == (Kind.DECISION, verdict, status)
    guardrail = contents(attributes).guardrail
    assert guardrail == {"name": "pii", "verdict": verdict, "said": None}
    decided = {"tallystick.kind": "decision", "tallystick.decision": "allow"}
    assert contents(decided).guardrail is None  # a policy's decision is no guardrail
    assert step({**CHAT, "guardrail.verdict": "deny"}).decision is None  # and only a guardrail's step decides


@pytest.mark.parametrize("parent", ["0" * 15, "z" * 16, 7, ""])
def test_a_pending_span_that_is_none_is_read_as_it_is(parent: Any) -> None:
    attributes = {"logfire.span_type": "pending_span", "logfire.pending_parent_id": parent}
    assert step(attributes).span == "2" * 16
    real = read_span(span({**attributes, "logfire.pending_parent_id": "4" * 16}))[0]
    assert (real[0].span, real[0].parent, real[0].ended) == ("3" * 16, "4" * 16, None)
    again = read_span(real[1])[0]  # what is kept is read again as the same
    assert again[0] == real[0]


def test_an_agent_that_our_own_sender_names_stays_the_agent_of_a_workflow() -> None:
    got = step({"gen_ai.operation.name": "invoke_workflow", "tallystick.agent.name": "desk"})
    assert (got.agent, got.workflow) == ("desk", None)
    named = {"tallystick.agent.name": "desk", "tallystick.workflow.name": "support"}
    got = step({"gen_ai.operation.name": "invoke_workflow", **named})
    assert (got.agent, got.workflow) == ("desk", "support")
