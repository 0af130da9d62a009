"""Whatever a sender writes: reading a span never fails, unknown is never zero, and nothing is counted
twice."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.model.span import Event, Link, Source, Span
from tallystick.model.step import Kind, Step, StepStatus
from tallystick.model.usage import NO_USAGE
from tallystick.observe.contents import read_contents
from tallystick.observe.dialects import DIALECTS, READERS
from tallystick.observe.messages import read_messages
from tallystick.observe.normalise import read_span
from tallystick.observe.repeats import repeats
from tallystick.observe.values import LONGEST, TOP

KEYS = sorted(
    {key for reader in READERS.values() for key in reader.keys}
    | {key for reader in READERS.values() for names in reader.contents.values() for key in names}
    | {
        "llm.input_messages.0.message.role",
        "llm.input_messages.0.message.tool_calls.0.tool_call.id",
        "llm.output_messages.0.message.contents.0.message_content",
        "gen_ai.prompt.0.content",
        "gen_ai.prompt.x",
        "gen_ai.completion.0.tool_calls.0.arguments",
        "metadata",
        "graph.node.id",
        "success",
        "tool.status",
        "from_agent",
        "to_agent",
        "traceloop.entity.name",
        "langsmith.metadata.usage_metadata",
        "tool.description",
        "langfuse.observation.usage_details",
        "langfuse.observation.level",
        "langfuse.observation.status_message",
        "mlflow.chat.tokenUsage",
        "genkit:metadata:subtype",
        "genkit:state",
        "logfire.span_type",
        "logfire.pending_parent_id",
        "lk.retry_count",
        "http.request.resend_count",
        "ai.response.msToFirstChunk",
    }
)
SCOPES = ["", "x", *(scope.rstrip("*") for dialect in DIALECTS for scope in dialect.scopes)]
WORDS = [
    "chat",
    "execute_tool",
    "invoke_agent",
    "invoke_workflow",
    "LLM",
    "TOOL",
    "AGENT",
    "tool",
    "agent",
    "llm",
    "deny",
]
JSON = [
    '{"messages": [[1, {"lc": 1, "kwargs": {}}]]}',
    '[{"role": []}]',
    "[[[[[]]]]]",
    '{"role": "tool", "tool_call_id": 5}',
    '{"type": "function_call", "id": {}}',
    "[" * 5_000,
    '{"output": {"data": {}, "type": []}}',
    '"',
    '{"content": [null]}',
    '[{"role": "tool", "tool_call_id": "call_12345", "content": [{}]}]',
    "9" * 5_000,
    '{"config": {"tools": [{"function_declarations": 5}, 5], "system_instruction": {}}}',
    '{"usage": {"inputTokens": "x", "outputTokens": -1}, "message": []}',
    '{"input": 5, "input_x": 3, "total": 1, "prompt_tokens": {"a": {}}}',
    '{"messages": 5, "tools": 5, "config": {}}',
    '{"args": [], "kwargs": 5}',
    "{'a': " * 3_000,
    "pending_span",
    "0" * 16,
]
atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.binary(max_size=8)
    | st.sampled_from(WORDS)
    | st.sampled_from(JSON)
    | st.sampled_from(["\ud800", "\x1b[31m", "x" * 5_000])
)
values: st.SearchStrategy[Any] = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "parts",
                    "tool_calls",
                    "message",
                    "id",
                    "data",
                    "kwargs",
                    "text",
                    "function",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
attributes = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=12), values, max_size=14)
ids = st.sampled_from(["a" * 16, "b" * 16, "c" * 16])


@st.composite
def spans(draw: st.DrawFn) -> Span:
    events = draw(
        st.lists(st.sampled_from(["exception", "gen_ai.choice", "gen_ai.tool.message", "x"]), max_size=2)
    )
    return Span(
        trace="f" * 32,
        span=draw(ids),
        parent=draw(st.none() | ids),
        name=draw(st.text(max_size=600)),
        started=draw(st.integers(0, 2**62)),
        ended=draw(st.none() | st.integers(2**62, 2**63 - 1)),
        source=Source({}, draw(st.sampled_from(SCOPES))),
        status=draw(st.integers(0, 2)),
        status_message=draw(st.text(max_size=30)),
        attributes=draw(attributes),
        events=tuple(Event(name, 1, draw(attributes)) for name in events),
        links=tuple(Link("e" * 32, "d" * 16) for _ in range(draw(st.integers(0, 2)))),
    )


@settings(max_examples=120, deadline=None)
@given(spans())
def test_reading_never_fails_and_columns_hold_what_a_store_can_hold(span: Span) -> None:
    for step, original in read_span(span):
        for column in (
            step.agent,
            step.workflow,
            step.provider,
            step.model,
            step.tool,
            step.call_id,
            step.error,
            step.name,
            step.response_id,
            step.run,
            step.decision,
            *step.links,
        ):
            assert column is None or (isinstance(column, str) and len(column) <= LONGEST + 20)
            assert column is None or column.encode("utf-8") is not None
        for count in (*step.usage.as_json().values(), step.seq, step.cost_nano):
            assert count is None or (type(count) is int and 0 <= count < TOP)
        assert isinstance(step.kind, Kind)
        assert isinstance(step.status, StepStatus)
        if step.kind is not Kind.MODEL:
            assert step.usage == NO_USAGE
        contents = read_contents(step, original)
        for message in contents.input_messages + contents.output_messages:
            assert isinstance(message["role"], str)
            assert all(isinstance(part, dict) for part in message["parts"])


@settings(max_examples=60, deadline=None)
@given(spans())
def test_unknown_never_becomes_zero(span: Span) -> None:
    zeros = {
        key
        for key, value in span.attributes.items()
        if value in (0, "0") or (isinstance(value, str) and "0" in value)
    }
    step = read_span(span)[0][0]
    if not zeros:
        assert 0 not in [count for count in step.usage.as_json().values() if count is not None]
        assert step.cost_nano != 0
        assert step.seq != 0


@settings(max_examples=60, deadline=None)
@given(spans())
def test_reading_is_a_function_of_the_span_alone(span: Span) -> None:
    first = read_span(span)
    span.attributes = dict(reversed(list(span.attributes.items())))
    again = read_span(span)
    assert [step for step, _ in first] == [step for step, _ in again]


@settings(max_examples=60, deadline=None)
@given(values)
def test_any_value_reads_as_messages(value: Any) -> None:
    for message in read_messages(value):
        assert isinstance(message["parts"], list)


@st.composite
def runs(draw: st.DrawFn) -> list[Step]:
    names = [f"s{number}" for number in range(draw(st.integers(1, 12)))]
    return [
        Step(
            trace="t",
            span=name,
            parent=draw(st.none() | st.sampled_from(names)),
            run="r",
            kind=draw(
                st.sampled_from([Kind.MODEL, Kind.MODEL, Kind.TOOL, Kind.AGENT, Kind.OTHER, Kind.HANDOFF])
            ),
            name=name,
            status=StepStatus.OK,
            started=draw(st.integers(0, 20)),
            ended=draw(st.none() | st.integers(20, 40)),
            scope=draw(st.sampled_from("abc")),
            dialect="gen_ai",
            response_id=draw(st.none() | st.sampled_from(["r1", "r2"])),
            model=draw(st.none() | st.sampled_from(["m", "m-1", "x"])),
            tool=draw(st.none() | st.sampled_from(["look", "mcp__look"])),
            call_id=draw(st.none() | st.sampled_from(["c1", "c2"])),
            derived=draw(st.booleans()),
        )
        for name in names
    ]


@settings(max_examples=120, deadline=None)
@given(runs(), st.randoms(use_true_random=False))
def test_every_repeat_names_a_step_that_counts(steps: list[Step], order: Any) -> None:
    same = repeats(steps)
    kinds = {step.span: step.kind for step in steps}
    for span, target in same.items():
        assert target in kinds
        assert target not in same
        assert target != span
        assert (kinds[span] is Kind.MODEL) == (kinds[target] is Kind.MODEL)
        assert kinds[span] in (Kind.MODEL, Kind.TOOL, Kind.HANDOFF)
    shuffled = list(steps)
    order.shuffle(shuffled)
    assert repeats(shuffled) == same  # the order of arrival decides nothing
    if any(step.kind is Kind.MODEL for step in steps):
        assert any(step.kind is Kind.MODEL and step.span not in same for step in steps)
