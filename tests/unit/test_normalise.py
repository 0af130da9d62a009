"""The rules of normalisation, one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick.model import attributes as own
from tallystick.model.span import Event, Link, Source, Span
from tallystick.model.step import Effect, EffectOutcome, Kind, Step, StepStatus
from tallystick.model.usage import NO_USAGE, Usage
from tallystick.observe.dialects import DIALECTS, reader_for
from tallystick.observe.dialects.canonical import OPERATIONS
from tallystick.observe.normalise import read_span
from tallystick.observe.orphans import derived_span_id
from tallystick.observe.values import LONGEST, clean_count, clean_text


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


def test_current_canonical_names_fill_the_columns() -> None:
    got = step(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "OpenAI",
            "gen_ai.request.model": "asked",
            "gen_ai.response.model": "served",
            "gen_ai.response.id": "resp_123456",
            "gen_ai.agent.name": "planner",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_read.input_tokens": 40,
            "gen_ai.usage.cache_write.input_tokens": 5,
            "gen_ai.usage.reasoning.output_tokens": 7,
        }
    )
    assert (got.kind, got.status, got.dialect) == (Kind.MODEL, StepStatus.OK, "gen_ai")
    assert (got.provider, got.model, got.response_id, got.agent) == (
        "openai",
        "served",
        "resp_123456",
        "planner",
    )
    assert got.usage == Usage(100, 20, 40, 5, 7)
    assert got.exclusive_input is False
    assert got.facts is None


@pytest.mark.parametrize(
    ("older", "column", "value"),
    [
        ("gen_ai.usage.prompt_tokens", "input_tokens", 9),
        ("gen_ai.usage.completion_tokens", "output_tokens", 9),
        ("gen_ai.usage.cache_read_input_tokens", "cache_read_tokens", 9),
        ("gen_ai.usage.cache_creation.input_tokens", "cache_write_tokens", 9),
        ("gen_ai.usage.cache_creation_input_tokens", "cache_write_tokens", 9),
        ("gen_ai.usage.reasoning_tokens", "reasoning_tokens", 9),
        ("gen_ai.usage.details.reasoning_tokens", "reasoning_tokens", 9),
    ],
)
def test_older_names_are_read_for_ever(older: str, column: str, value: int) -> None:
    assert getattr(step({"gen_ai.operation.name": "chat", older: value}).usage, column) == value


def test_the_newer_name_wins_over_the_older_one_in_any_order() -> None:
    names = ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "gen_ai.operation.name"]
    values = {names[0]: 100, names[1]: 7, names[2]: "chat"}
    assert step(values).usage.input_tokens == 100
    assert step(dict(reversed(values.items()))).usage.input_tokens == 100


def test_an_unusable_value_leaves_the_column_to_the_next_name() -> None:
    got = step(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": "many",
            "gen_ai.usage.prompt_tokens": 8,
        }
    )
    assert got.usage.input_tokens == 8


def test_canonical_wins_field_by_field_over_a_second_vocabulary() -> None:
    both = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 100,
        "llm.token_count.prompt": 999,
        "openinference.span.kind": "LLM",
        "llm.token_count.completion": 20,
        "llm.model_name": "m",
    }
    got = step(both, scope="openinference.instrumentation.x")
    assert got.usage == Usage(100, 20)  # input once, output from the only one that has it
    assert (got.kind, got.model, got.dialect) == (Kind.MODEL, "m", "openinference")


def test_every_operation_has_its_kind() -> None:
    for operation, kind in OPERATIONS.items():
        assert step({"gen_ai.operation.name": operation}).kind is kind
    assert step({own.KIND: "approval", "gen_ai.operation.name": "chat"}).kind is Kind.APPROVAL
    assert step({"gen_ai.operation.name": "brand_new"}).kind is Kind.OTHER


def test_a_span_without_a_known_vocabulary_is_shown_as_other() -> None:
    got = step({"http.route": "/x", "messaging.operation": "publish"}, scope="my-app")
    assert (got.kind, got.dialect, got.usage) == (Kind.OTHER, "plain", NO_USAGE)


def test_workflow_names_stand_where_agent_names_do() -> None:
    got = step({"gen_ai.operation.name": "invoke_workflow", "gen_ai.agent.name": "refunds"})
    assert (got.agent, got.workflow) == (None, "refunds")


def test_a_frameworks_name_is_no_provider() -> None:
    got = step({"gen_ai.operation.name": "chat", "gen_ai.system": "langchain"})
    assert got.provider is None


def test_cached_tokens_above_the_input_prove_an_exclusive_count() -> None:
    got = step(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 90,
            "gen_ai.usage.cache_write.input_tokens": 5,
        }
    )
    assert (got.usage.input_tokens, got.exclusive_input) == (105, True)
    same = step(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 90,
            "gen_ai.usage.cache_read.input_tokens": 90,
        }
    )
    assert (same.usage.input_tokens, same.exclusive_input) == (90, False)


def test_a_dialect_that_counts_without_cache_is_always_added() -> None:
    got = step(
        {"span.type": "llm_request", "input_tokens": 60, "cache_read_tokens": 40, "output_tokens": 20},
        scope="com.anthropic.claude_code.tracing",
    )
    assert (got.usage.input_tokens, got.exclusive_input) == (100, True)


def test_reasoning_above_the_output_is_beside_it() -> None:
    got = step(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.reasoning.output_tokens": 64,
        }
    )
    assert got.usage.output_tokens == 69


def test_only_model_steps_carry_usage() -> None:
    for operation in ("invoke_agent", "invoke_workflow", "execute_tool", "retrieval"):
        assert step({"gen_ai.operation.name": operation, "gen_ai.usage.input_tokens": 500}).usage == NO_USAGE


def test_a_session_total_becomes_a_derived_model_step_of_its_own() -> None:
    span = make(
        {"openinference.span.kind": "AGENT", "llm.token_count.prompt": 300, "llm.model_name": "m"},
        scope="openinference.instrumentation.claude_agent_sdk",
    )
    (agent, _), (total, made) = read_span(span)
    assert (agent.kind, agent.usage) == (Kind.AGENT, NO_USAGE)
    assert (total.kind, total.derived, total.status) == (Kind.MODEL, True, StepStatus.UNKNOWN)
    assert total.usage == Usage(input_tokens=300)
    assert total.parent == agent.span
    assert made.attributes[own.DERIVED] is True


def test_an_agent_whose_calls_nobody_records_has_unknown_tokens_not_none_at_all() -> None:
    pairs = read_span(
        make({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "x"}, scope="autogen-core")
    )
    assert [(s.kind, s.usage) for s, _ in pairs] == [(Kind.AGENT, NO_USAGE), (Kind.MODEL, NO_USAGE)]


def test_status_says_how_a_step_stands() -> None:
    chat = {"gen_ai.operation.name": "execute_tool"}
    assert step(chat, ended=None).status is StepStatus.RUNNING
    assert step(chat, status=2, status_message="boom").status is StepStatus.ERROR
    assert step(chat | {own.DECISION: "deny"}).status is StepStatus.DENIED
    assert step(chat | {own.DECISION: "hold"}, ended=None).status is StepStatus.HELD
    assert step(chat | {own.DECISION: "hold"}).status is StepStatus.OK
    assert (
        step(chat | {own.DECISION: "hold", own.EFFECT_OUTCOME: "did not happen"}).status is StepStatus.DENIED
    )
    assert step(chat | {own.DERIVED: True}).status is StepStatus.UNKNOWN
    assert step(chat | {own.DECISION: "perhaps"}).decision is None


def test_errors_are_named_by_type_then_exception_then_message() -> None:
    chat = {"gen_ai.operation.name": "chat"}
    event = Event("exception", 5, {"exception.type": "ValueError"})
    assert step(chat | {"error.type": "timeout"}, status=2, events=(event,)).error == "timeout"
    assert step(chat, status=2, events=(event,)).error == "ValueError"
    assert step(chat, status=2, status_message="it broke").error == "it broke"
    assert step(chat | {"error.type": "x"}).error is None


def test_our_own_attributes_reach_their_columns() -> None:
    got = step(
        {
            own.RUN_ID: "run1",
            own.SEQ: 4,
            own.AGENT: "desk",
            own.WORKFLOW: "refunds",
            own.EFFECT: "irreversible",
            own.EFFECT_OUTCOME: "landed",
            own.DECISION: "allow",
            own.TOOL_PRICE: 5_000_000,
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "refund",
            "gen_ai.tool.call.id": "call_1",
            "gen_ai.conversation.id": "a-conversation",
        }
    )
    assert (got.run, got.seq, got.agent, got.workflow) == ("run1", 4, "desk", "refunds")
    assert (got.effect, got.outcome, got.decision) == (Effect.IRREVERSIBLE, EffectOutcome.LANDED, "allow")
    assert (got.tool, got.call_id, got.cost_nano) == ("refund", "call_1", 5_000_000)
    assert got.links == ()  # a stamped run needs no stitching


def test_a_tool_that_did_not_run_costs_nothing_known() -> None:
    denied = {"gen_ai.operation.name": "execute_tool", own.TOOL_PRICE: 5, own.DECISION: "deny"}
    assert step(denied).cost_nano is None
    assert step({"gen_ai.operation.name": "execute_tool", own.TOOL_PRICE: 5}, ended=None).cost_nano is None


def test_facts_of_the_run_are_kept_under_short_names() -> None:
    got = step(
        {
            own.RUN_ROOT: True,
            own.RUN_GOAL: "g" * 2_000,
            own.RUN_STEPS: 12,
            own.RUN_STATUS: "ok",
            own.RUN_STOPPED_BY: "budget",
            own.RUN_SOURCE: "sdk",
            own.PROCESS: "h/b/1/2",
            own.STARTED: True,
            own.ALIVE: 99,
            own.LOST: 3,
        }
    )
    assert got.facts == {
        "root": True,
        "goal": "g" * 2_000,
        "steps": 12,
        "status": "ok",
        "stopped_by": "budget",
        "source": "sdk",
        "process": "h/b/1/2",
        "start_record": True,
        "alive": 99,
        "lost": 3,
    }
    assert step({own.RUN_ROOT: False, own.RUN_STEPS: "?"}).facts is None


def test_long_text_is_cut_with_a_mark_and_lone_surrogates_go() -> None:
    got = step({"gen_ai.agent.name": "x" * 10_000}, name="\ud800name")
    assert got.agent is not None
    assert (len(got.agent), got.agent[-1]) == (LONGEST, "…")
    assert got.name.encode() == b"?name"
    assert clean_text("") is None
    assert clean_text(5) is None


@pytest.mark.parametrize(
    "value", [True, -1, 1.5, "x", "", None, float("nan"), float("inf"), 2**63, [1], {}, "9" * 20]
)
def test_what_is_no_count_is_unknown(value: Any) -> None:
    assert clean_count(value) is None


def test_counts_come_as_int_float_or_digits() -> None:
    assert (clean_count(0), clean_count(7.0), clean_count("42"), clean_count(2**63 - 1)) == (
        0,
        7,
        42,
        2**63 - 1,
    )


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
