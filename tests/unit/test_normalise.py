"""The rules of normalisation, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick.model import attributes as own
from tallystick.model.span import Event, Source, Span
from tallystick.model.step import Effect, EffectOutcome, Kind, Step, StepStatus
from tallystick.model.usage import NO_USAGE, Usage
from tallystick.observe.dialects.canonical import OPERATIONS
from tallystick.observe.normalise import read_span
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
