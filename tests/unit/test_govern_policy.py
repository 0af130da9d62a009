"""Policies: what may be written, what is said about a mistake, and what a set of them decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.govern.decide import decide
from tallystick.govern.policy import PolicyFile, PolicySet, check, load, load_failed, unconfigured
from tallystick.govern.reading import rule_texts
from tallystick.govern.resource import judged_arguments, one_spelling
from tallystick.govern.schema import schema
from tallystick.model.control import Answer, PolicyState, ToolCall
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.step import Effect

REFUND = ToolDeclaration(
    "refund", Effect.IRREVERSIBLE, data=("payment",), authority=("to",),
    arguments={"order": "string", "amount": "decimal", "count": "long?", "fast": "bool?", "tags": "list?",
               "to": "string?", "extra": "record?", "note": "string?"},
)  # fmt: skip
LOOK = ToolDeclaration("look", Effect.READ, arguments={"order": "string"})
TOOLS = (REFUND, LOOK)


def made(text: str, *tools: ToolDeclaration) -> PolicySet:
    return load([PolicyFile("p.cedar", text)], tools or TOOLS, evaluator="test")


def call(tool: str = "refund", agent: str = "desk", **arguments: object) -> ToolCall:
    return ToolCall("r", "s", agent, tool, "d", {"order": "1", "amount": "1", **arguments})


ANY = "permit (principal, action, resource);"


def test_what_no_rule_permits_is_denied() -> None:
    assert decide(made(ANY), call(), REFUND).answer is Answer.ALLOW
    assert (
        decide(made('permit (principal == Agent::"x", action, resource);'), call(), REFUND).answer
        is Answer.DENY
    )


def test_a_forbid_wins_and_both_rules_are_known_by_place() -> None:
    policies = made(f"""{ANY}

@id("frozen") @because("No refunds today.")
forbid (principal, action == Action::"refund", resource);""")
    ruling = decide(policies, call(), REFUND)
    assert (ruling.answer, ruling.because) == (Answer.DENY, "No refunds today.")
    assert ruling.reasons == ("frozen (p.cedar:3)",)
    assert decide(policies, ToolCall("r", "s", "a", "look", "d", {"order": "1"}), LOOK).answer is Answer.ALLOW


def test_groups_of_effects() -> None:
    policies = made('permit (principal, action in [Action::"effect:none", Action::"effect:read"], resource);')
    assert decide(policies, ToolCall("r", "s", "a", "look", "d", {"order": "1"}), LOOK).answer is Answer.ALLOW
    assert decide(policies, call(), REFUND).answer is Answer.DENY


@pytest.mark.parametrize(
    ("condition", "arguments", "answer"),
    [
        ("context.args.amount.greaterThan(decimal(\"100.00\"))", {"amount": "100.01"}, Answer.DENY),
        ("context.args.amount.greaterThan(decimal(\"100.00\"))", {"amount": 100}, Answer.ALLOW),
        ("context.args.amount.greaterThan(decimal(\"100.00\"))", {"amount": 100.5}, Answer.DENY),
        ("context.args has count && context.args.count > 3", {"count": 4}, Answer.DENY),
        ("context.args has count && context.args.count > 3", {}, Answer.ALLOW),
        ("context.args has count && context.args.count > 3", {"count": None}, Answer.ALLOW),
        ("context.args has fast && context.args.fast", {"fast": True}, Answer.DENY),
        ("context.args has tags && context.args.tags.contains(\"vip\")", {"tags": ["vip", 3]}, Answer.DENY),
        ("context.args has extra && context.args.extra like \"*secret*\"", {"extra": {"k": "secret"}}, Answer.DENY),
        ("context.data.contains(\"payment\")", {}, Answer.DENY),
        ("context.agent == \"desk\" && context.workflow == \"\"", {}, Answer.DENY),
        ("context.args has to && context.args.to like \"/srv/public/*\"", {"to": "/srv/public/../x"}, Answer.ALLOW),
    ],
)  # fmt: skip
def test_rules_see_typed_arguments(condition: str, arguments: dict[str, object], answer: Answer) -> None:
    policies = made(f'{ANY} forbid (principal, action == Action::"refund", resource) when {{ {condition} }};')
    proposed = call(**arguments)
    judged = replace(proposed, arguments=judged_arguments(proposed.arguments, REFUND))
    assert decide(policies, judged, REFUND).answer is answer


@pytest.mark.parametrize(
    "arguments",
    [{"count": "3"}, {"count": True}, {"count": 2**63}, {"fast": "yes"}, {"tags": "vip"}, {"amount": None},
     {"amount": "1.23456"}, {"amount": "Infinity"}, {"amount": True}, {"amount": []}, {"other": 1}, {"order": 7}],
)  # fmt: skip
def test_a_call_that_does_not_fit_its_declaration_is_denied(arguments: dict[str, object]) -> None:
    ruling = decide(made(ANY), call(**arguments), REFUND)
    assert ruling.answer is Answer.DENY
    assert "refund" in ruling.reasons[0]


HOLD = """@hold("finance") @because("Ask finance.")
forbid (principal, action == Action::"refund", resource) unless { context.approvals.contains("finance") };"""


def test_hold_and_what_lifts_it() -> None:
    policies = made(ANY + HOLD)
    ruling = decide(policies, call(), REFUND)
    assert (ruling.answer, ruling.group, ruling.because) == (Answer.HOLD, "finance", "Ask finance.")
    assert decide(policies, call(), REFUND, {"finance"}).answer is Answer.ALLOW
    assert decide(policies, call(), REFUND, {"legal"}).answer is Answer.HOLD


def test_a_hold_beside_a_plain_forbid_is_a_denial() -> None:
    policies = made(
        ANY
        + HOLD
        + '@because("Never.") forbid (principal, action, resource) when { context.agent == "desk" };'
    )
    ruling = decide(policies, call(), REFUND)
    assert (ruling.answer, ruling.because, ruling.group) == (Answer.DENY, "Never.", None)


def test_several_groups_are_asked_together_each_for_as_many_as_its_strictest_rule_wants() -> None:
    other = HOLD.replace("finance", "legal").replace("@because", '@quorum("2") @because')
    policies = made(ANY + HOLD + other + other.replace("2", "1"))
    ruling = decide(policies, call(), REFUND)
    assert (ruling.answer, ruling.group, ruling.quorum) == (Answer.HOLD, "finance and legal", 3)
    assert ruling.groups == {"finance": 1, "legal": 2}
    assert decide(policies, call(), REFUND, {"finance", "legal"}).answer is Answer.ALLOW
    left = decide(policies, call(), REFUND, {"finance"})
    assert (left.answer, left.group, left.quorum, left.groups) == (Answer.HOLD, "legal", 2, None)


def test_more_people_than_an_approval_can_ask_are_not_asked() -> None:
    many = HOLD.replace("@because", '@quorum("5") @because')
    ruling = decide(made(ANY + many + many.replace("finance", "legal")), call(), REFUND)
    assert ruling.answer is Answer.DENY
    assert "10 people of finance and legal would have to approve" in ruling.reasons


def test_under_the_schema_of_an_old_decision_several_groups_refuse_as_they_did() -> None:
    texts = [PolicyFile("p", ANY + HOLD + HOLD.replace("finance", "legal"))]
    old, new = (load(texts, TOOLS, evaluator="e", schema_version=version) for version in (2, 3))
    assert old.digest != new.digest
    ruling = decide(old, call(), REFUND)
    assert ruling.answer is Answer.DENY
    assert "finance and legal would each have to approve" in ruling.reasons


def test_the_states_without_rules() -> None:
    for policies in (unconfigured(TOOLS), load_failed("why", TOOLS), made("// empty")):
        assert decide(policies, ToolCall("r", "s", "a", "look", "d", {}), LOOK).answer is Answer.NOT_EVALUATED
        assert decide(policies, call(), REFUND).answer is Answer.DENY
    assert "why" in decide(load_failed("why", TOOLS), call(), REFUND).reasons[0]


def test_a_tool_outside_the_schema_is_denied() -> None:
    stranger = ToolDeclaration("stranger", Effect.READ)
    assert decide(made(ANY), ToolCall("r", "s", "a", "stranger", "d", {}), stranger).answer is Answer.DENY


@pytest.mark.parametrize(
    ("rule", "message", "hint"),
    [
        ('permit(principal, action == Action::"refnd", resource);', "no tool is called 'refnd'", 'Action::"refund"?'),
        ('permit(principal, action == Action::"zzz", resource);', "no tool is called 'zzz'", "tools/zzz.toml"),
        ('permit(principal, action == Action::"write", resource);', "no tool is called", 'Action::"effect:write"'),
        ('permit(principal, action in Action::"effect:delete", resource);', "no effect 'delete'", "effect:write"),
        ('permit(principal, action == Action::"refund", resource) when { context.args.amunt == 1 };',
         "refund has no argument 'amunt'", "context.args.amount?"),
        ('permit(principal, action, resource) when { context.args.amount == decimal("1.0") };',
         "look has no argument 'amount'", "order"),
        ('permit(principal, action == Action::"refund", resource) when { context.args.amount > 3 };',
         "compares a decimal with a Long", "greaterThan"),
        ('permit(principal, action == Action::"refund", resource) when { context.args.note == "a" };',
         "note may be absent", "context.args has note"),
        ('permit(principal == Agnt::"x", action, resource);', "no entity type Agnt", 'Agent::"name"'),
        ("permit(principal, action, resource) when { context.aproval };", "no 'aproval'", "context.approvals?"),
        ('@becuase("x") permit(principal, action, resource);', "no annotation @becuase", "@because?"),
        ('@hold("a") permit(principal, action, resource);', "@hold stands on a permit", "forbid"),
        ('@hold("a") forbid(principal, action, resource);', "no approval of a can ever lift", "approvals.contains"),
        ("@hold forbid(principal, action, resource);", "@hold says nothing", '@hold("…")'),
        ("permit(principal == ?principal, action, resource);", "templates", "write the name out"),
        ("permit(principal, action, resource)", "cannot be read", "semicolon"),
        ("permit(principal, action resource);", "cannot be read", "permit (principal, action, resource)"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_and_what_to_write(rule: str, message: str, hint: str) -> None:
    file = PolicyFile("policies/a.cedar", f'// a comment; with "quotes"\n{ANY}\n\n{rule}\n')
    problems = check([PolicyFile("policies/0.cedar", ANY), file], TOOLS)
    assert problems
    assert (problems[0].file, problems[0].line) == ("policies/a.cedar", 4)
    assert message in problems[0].message
    assert hint in problems[0].hint
    with pytest.raises(ConfigError) as caught:
        load([file], TOOLS, evaluator="test")
    assert caught.value.detail["line"] == 4
    assert caught.value.detail["problems"]


def test_every_problem_is_told_at_once() -> None:
    text = 'permit(principal, action == Action::"a", resource);\npermit(principal, action == Action::"b", resource);'
    assert [problem.line for problem in check([PolicyFile("p.cedar", text)], TOOLS)] == [1, 2]


def test_rules_are_found_whatever_stands_around_them() -> None:
    note = '@because("a; \\"b\\" // c")'
    text = f"// ; permit\n\n{note}\nforbid (principal, action, resource)\nunless {{ true }};permit(x,y,z);\n// end"
    assert [(one.line, one.text[:6]) for one in rule_texts(text)] == [(3, "@becau"), (5, "permit")]
    assert rule_texts("") == []
    assert len(made(f"{ANY} {ANY}").rules) == 2


def test_the_identity_covers_rules_schema_settings_and_evaluator() -> None:
    file = PolicyFile("p.cedar", ANY)
    base = load([file], TOOLS, evaluator="e").digest
    others = {
        load([PolicyFile("p.cedar", ANY + " ")], TOOLS, evaluator="e").digest,
        load([PolicyFile("q.cedar", ANY)], TOOLS, evaluator="e").digest,
        load([file], (LOOK,), evaluator="e").digest,
        load([file], (replace(REFUND, arguments={"order": "string"}), LOOK), evaluator="e").digest,
        load([file], TOOLS, evaluator="f").digest,
        load([file], TOOLS, evaluator="e", permissive=True).digest,
    }
    assert len(others) == 6
    assert base not in others
    assert load([file], tuple(reversed(TOOLS)), evaluator="e").digest == base


def test_names_that_could_break_out_of_a_rule_do_not() -> None:
    odd = ToolDeclaration('a"b\\c\nd', Effect.WRITE, arguments={'x"y': "string"})
    policies = made(ANY, odd)
    proposed = ToolCall(
        "r", "s", 'agent"\n', odd.name, "d", {'x"y': '"; forbid(principal, action, resource);'}
    )
    assert decide(policies, proposed, odd).answer is Answer.ALLOW


def test_a_schema_needs_effects_types_and_free_names() -> None:
    for tool in (
        ToolDeclaration("x"),
        ToolDeclaration("effect:write", Effect.READ),
        ToolDeclaration("x", Effect.READ, arguments={"a": "float"}),
    ):
        with pytest.raises(BadInput):
            schema([tool])


def test_permissive_sets_say_so() -> None:
    policies = load([PolicyFile("p.cedar", ANY)], TOOLS, evaluator="e", permissive=True)
    assert policies.state is PolicyState.PERMISSIVE


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("/srv/data/../secrets", "/srv/secrets"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("./a//b/./c", "a/b/c"),
        ("../x", "../x"),
        ("..\\..\\x", "..\\..\\x"),
        ("HTTPS://Example.COM:443/a/%2e%2e/b?q=1", "https://example.com/b?q=1"),
        ("http://user@HOST.:80", "http://user@host/"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("Ada@Example.COM", "Ada@example.com"),
        ("order 1/2", "order 1/2"),
        ("plain", "plain"),
    ],
)
def test_places_have_one_spelling(written: str, seen: str) -> None:
    assert one_spelling(written) == seen
    assert one_spelling(seen) == seen
