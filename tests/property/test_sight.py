"""What rules look at is all that counts: asked with just that, and once for calls alike in it, they answer the same."""

from __future__ import annotations

import json

import cedarpy
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.govern.decide import _whole, decide
from tallystick.govern.policy import PolicyFile, PolicySet, load
from tallystick.govern.schema import request
from tallystick.govern.sight import EVERYTHING, sight_of
from tallystick.model.control import Answer, ToolCall
from tallystick.model.errors import ConfigError
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import Facts, Integrity
from tallystick.model.step import Effect

PAY = ToolDeclaration("pay", Effect.WRITE, arguments={"amount": "decimal", "to": "string", "n": "long?"})
ATOMS = (
    "true", 'context.agent == "a"', 'context.workflow == "w"', 'context.approvals.contains("g")',
    'principal == Agent::"b"', "context.labels.tainted", 'context.labels.leaks.contains("pii")', "context.depth > 0",
    'context.args.to like "x*"', 'context.args.amount.greaterThan(decimal("10.00"))', "context.args has n",
    "context.args has n && context.args.n * 9223372036854775807 > 3", 'context.labels has links',
    'context.args == context.args', "context has args", "!context.labels.signs.isEmpty()",
    'if context.labels.asked then context.chain.contains("a") else context.on_behalf == ""',
    '{"held": context.labels}.held.trusted', 'action in Action::"effect:write"', '[1, 2].contains(context.depth)',
)  # fmt: skip
atoms = st.sampled_from(ATOMS)
tests = (
    atoms | st.builds("({}) && !({})".format, atoms, atoms) | st.builds("({}) || ({})".format, atoms, atoms)
)
rules = st.builds("{} (principal, action, resource) {} {{ {} }};".format,
                  st.sampled_from(["permit", "forbid", '@hold("g") @id("h") forbid', "@report forbid"]),
                  st.sampled_from(["when", "unless"]), tests)  # fmt: skip
calls = st.builds(
    lambda agent, workflow, to, amount, n: ToolCall(
        "r", "s", agent, "pay", "d", {"to": to, "amount": amount, "n": n}, workflow
    ),
    st.sampled_from(["a", "b"]), st.sampled_from([None, "w"]), st.sampled_from(["x1", "y"]),
    st.sampled_from(["5", "50"]), st.sampled_from([None, 0, 1, 2]),
)  # fmt: skip
facts = st.builds(
    Facts, st.sampled_from(Integrity), st.sampled_from(Integrity), st.sampled_from([(), ("to",)]), st.booleans(),
    st.sampled_from([(), ("h",)]), st.just(()), st.sampled_from([(), ("pii",)]), st.sampled_from([(), ("sign",)]),
    chain=st.sampled_from([None, ()]),
)  # fmt: skip


def fresh(
    policies: PolicySet, call: ToolCall, known: Facts, groups: set[str]
) -> tuple[Answer, tuple[str, ...]]:
    """The answer of the rules that decide to the whole request, without anything that is kept."""
    ruling = _whole(policies, policies.slices["pay"], request(call, PAY, groups, known), PAY)
    if ruling.answer is Answer.HOLD:
        lifted = _whole(policies, policies.slices["pay"], request(call, PAY, {*groups, "g"}, known), PAY)
        if lifted.answer is not Answer.ALLOW:
            return Answer.DENY, lifted.reasons
    return ruling.answer, ruling.reasons


@settings(max_examples=120, deadline=None)
@given(st.lists(rules, min_size=1, max_size=5), st.lists(st.tuples(calls, facts), min_size=2, max_size=8),
       st.sets(st.sampled_from(["g", "h"])))  # fmt: skip
def test_rules_say_the_same_to_what_they_look_at(
    texts: list[str], asked: list[tuple[ToolCall, Facts]], groups: set[str]
) -> None:
    try:
        policies = load([PolicyFile("p", "\n".join(texts))], [PAY], evaluator="e")
    except ConfigError:  # a rule that Cedar knows to be always false, or a hold that nothing lifts
        return
    if not policies.decides:
        return
    for call, known in asked:
        ruling = decide(policies, call, PAY, groups, known)
        assert (ruling.answer, ruling.reasons) == fresh(policies, call, known, groups)
        assert decide(policies, call, PAY, groups, known) == ruling


def seen(condition: str) -> object:
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    return sight_of(json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()).seen


def test_a_sight_has_what_conditions_mention_and_no_more() -> None:
    assert seen("context.args.amount == context.agent") == {"agent": (), "args": ("amount",)}
    assert seen("context.args.a == 1 && context.args has b") == {"args": ("a", "b")}
    assert seen("context.args.a == 1 && context.args == context.args") == {"args": ()}
    assert seen('principal == Agent::"a"') == {}


def test_what_is_not_understood_looks_at_everything() -> None:
    assert seen('{"a": context}.a.depth == 1') is None
    assert seen('principal.getTag("a") == context.depth') is None
    for rule in ({"conditions": [{"kind": "when", "body": {"New": []}}]}, {"new": 1, "conditions": []},
                 {"conditions": [{"kind": "when", "body": {"==": "left"}}]}):  # fmt: skip
        assert sight_of([rule]) == EVERYTHING


def test_answers_are_kept_for_calls_alike_to_the_rules_and_are_bounded() -> None:
    text = 'permit (principal, action, resource) when { context.args.to like "x*" };'
    policies = load([PolicyFile("p", text)], [PAY], evaluator="e")
    for amount in ("1", "2", "3"):
        call = ToolCall("r", "s", "a", "pay", "d", {"to": "x", "amount": amount})
        assert decide(policies, call, PAY).answer is Answer.ALLOW
    assert len(policies.answers) == 1
    for number in range(4_200):
        policies.answers.keep(("pay", False, "a", b"%d" % number), object())
    assert len(policies.answers) <= 4_096
    before = len(policies.answers)
    policies.answers.keep(("pay", False, "a", b"x" * 3_000), object())
    assert len(policies.answers) == before


def test_an_argument_that_no_rule_looks_at_must_still_fit() -> None:
    policies = load([PolicyFile("p", "permit (principal, action, resource);")], [PAY], evaluator="e")
    for _ in range(2):
        assert (
            decide(policies, ToolCall("r", "s", "a", "pay", "d", {"to": 1, "amount": "1"}), PAY).answer
            is Answer.DENY
        )
        assert decide(
            policies, ToolCall("r", "s", "a", "pay", "d", {"to": "x", "amount": "1"}), PAY
        ).answer is (Answer.ALLOW)
