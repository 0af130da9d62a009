"""Decisions under attack: nothing without a rule, no more with one more forbid, and slices change no answer."""

from __future__ import annotations

import json
from typing import Any

import cedarpy
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.govern.decide import decide
from tallystick.govern.policy import PolicyFile, load
from tallystick.govern.schema import request
from tallystick.model.control import Answer, ToolCall
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.step import Effect

TOOLS = (
    ToolDeclaration("pay", Effect.WRITE, arguments={"amount": "decimal", "to": "string"}),
    ToolDeclaration("look", Effect.READ, arguments={"n": "long"}),
)
ACTIONS = ("action", 'action == Action::"pay"', 'action == Action::"look"', 'action in Action::"effect:read"',
           'action in [Action::"pay", Action::"effect:none"]')  # fmt: skip
TESTS = ("true", 'context.agent == "a"', 'context.workflow == "w"', 'context.approvals.contains("g")',
         'principal == Agent::"b"')  # fmt: skip

rules = st.builds(
    lambda effect, action, test: f"{effect} (principal, {action}, resource) when {{ {test} }};",
    st.sampled_from(["permit", "forbid"]), st.sampled_from(ACTIONS), st.sampled_from(TESTS),
)  # fmt: skip
calls = st.builds(
    lambda tool, agent, workflow: ToolCall(
        "r", "s", agent, tool, "d", {"amount": "1", "to": "x"} if tool == "pay" else {"n": 1}, workflow
    ),
    st.sampled_from(["pay", "look"]), st.sampled_from(["a", "b"]), st.sampled_from([None, "w"]),
)  # fmt: skip


def declared(call: ToolCall) -> ToolDeclaration:
    return next(tool for tool in TOOLS if tool.name == call.tool)


@settings(max_examples=60, deadline=None)
@given(st.lists(rules, max_size=6), calls, st.sets(st.sampled_from(["g", "h"])))
def test_a_slice_answers_as_the_whole_set(texts: list[str], call: ToolCall, approvals: set[str]) -> None:
    text = "\n".join(texts)
    policies = load([PolicyFile("p", text)], TOOLS, evaluator="e")
    ruling = decide(policies, call, declared(call), approvals)
    if not texts:
        assert ruling.answer in (Answer.NOT_EVALUATED, Answer.DENY)
        return
    whole = cedarpy.is_authorized(
        request(call, declared(call), approvals),
        cedarpy.PolicySet.from_str(text),
        policies.entities,
        policies.schema,
    )
    assert (ruling.answer is Answer.ALLOW) == (whole.decision is cedarpy.Decision.Allow)


@settings(max_examples=60, deadline=None)
@given(st.lists(rules, min_size=1, max_size=5), rules, calls)
def test_one_more_forbid_never_allows_more(texts: list[str], extra: str, call: ToolCall) -> None:
    forbid = extra.replace("permit", "forbid")
    before = decide(load([PolicyFile("p", "\n".join(texts))], TOOLS, evaluator="e"), call, declared(call))
    after = decide(
        load([PolicyFile("p", "\n".join([*texts, forbid]))], TOOLS, evaluator="e"), call, declared(call)
    )
    assert not (after.answer is Answer.ALLOW and before.answer is not Answer.ALLOW)


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
EVERYTHING = load([PolicyFile("p", "permit (principal, action, resource);")], TOOLS, evaluator="e")


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["amount", "to", "n", "x"]), values),
    st.text(max_size=10),
    st.text(max_size=10),
)
def test_hostile_arguments_are_judged_or_denied_but_never_break_it(
    arguments: dict[str, Any], agent: str, workflow: str
) -> None:
    call = ToolCall("r", "s", agent, "pay", "d", arguments, workflow)
    ruling = decide(EVERYTHING, call, TOOLS[0])
    assert ruling.answer in (Answer.ALLOW, Answer.DENY)
    if ruling.answer is Answer.ALLOW:
        assert set(arguments) <= {"amount", "to"}
        assert isinstance(arguments["to"], str)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["amount", "to"]), values))
def test_a_request_fits_in_json_or_is_refused(arguments: dict[str, Any]) -> None:
    try:
        made = request(ToolCall("r", "s", "a", "pay", "d", arguments), TOOLS[0], ())
    except BadInput:
        return
    json.dumps(made, allow_nan=False)
