"""Policies by group in the guard: whom a pushed policy covers, and what happens where it cannot be loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from guard_house import LOOK, REFUND, TEXT, House
from guard_remade import Record, problems

from tallystick.app.registry.push import PolicyDesk, Push
from tallystick.govern.policy import PolicyFile
from tallystick.model.canonical import digest_bytes
from tallystick.model.control import PolicyState
from tallystick.model.errors import BadInput, ConfigError, Conflict, UnknownThing
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.registry import Card, Declared, version_digest
from tallystick.model.step import Effect
from tallystick.registry.drafts import declared_draft, retired_draft
from tallystick.registry.graph import Graph
from tallystick.registry.snapshot import Snapshot

ALL = "permit (principal, action, resource);"
FREEZE = (
    '@because("Customer data is frozen.")\nforbid (principal, action in Action::"effect:read", resource);\n'
)
CARE = ToolDeclaration("care", Effect.READ, arguments={"id": "string"}, data=("customer_pii",))


def put(
    house: House, kind: str, name: str, body: dict[str, Any], texts: dict[str, str] | None = None
) -> None:
    made = Declared(kind, name, version_digest(kind, name, None, body), None, body, card=Card(origin="push"))
    house.control.append([declared_draft(made, actor="ada", texts=texts)])
    house.clock.at += 1_000_000_000


def push(house: House, text: str, scope: str | None, name: str = "freeze") -> None:
    named = digest_bytes(text.encode())
    put(house, "policy", name, {"text": named, "file": f"{name}.cedar", "scope": scope}, {named: text})


def house_of(text: str | None = ALL, **settings: Any) -> House:
    return House(text, asks=True, tools=(LOOK, REFUND, CARE), **settings)


def answer(house: House, tool: ToolDeclaration, agent: str, run: str = "r1") -> str:
    house.steps += 1
    return house.ask(tool, agent, run, id=str(house.steps)).decision.answer.value


def test_a_pushed_policy_covers_who_touches_and_nobody_else() -> None:
    house = house_of()
    assert answer(house, CARE, "desk") == "allow"
    before = house.body("decision.made")["policy_digest"]
    push(house, FREEZE, "touches:customer_pii")
    assert answer(house, CARE, "desk") == "deny"
    body = house.body("decision.made")
    assert body["reasons"] == ["pushed/freeze.cedar:1"]
    assert body["because"] == "Customer data is frozen."
    assert body["policy_digest"] != before
    loaded = house.body("policy.loaded")
    assert [one["name"] for one in loaded["files"]] == ["policies/desk.cedar", "pushed/freeze.cedar"]
    assert answer(house, LOOK, "desk") == "deny"  # the agent is in the group, whatever it calls now
    assert answer(house, LOOK, "weather") == "allow"
    assert answer(house, CARE, "nobody-declared-me") == "deny"  # at its first call
    assert house.control.entries(kind="policy.loaded").__len__() == 2
    assert problems(Record(house.control)) == []


def test_what_an_agent_called_before_the_push_counts() -> None:
    house = house_of()
    assert answer(house, CARE, "desk") == "allow"
    push(house, FREEZE, "touches:customer_pii")
    assert answer(house, LOOK, "desk") == "deny"


def test_a_declared_grant_counts_before_any_call_and_over_delegates() -> None:
    house = house_of()
    put(house, "tool", "care", {"effect": "read", "data": ["customer_pii"], "arguments": {"id": "string"}})
    put(house, "agent", "helper", {"tools": ["care"]})
    put(house, "agent", "boss", {"tools": ["look"], "delegates": ["helper"]})
    push(house, FREEZE, "touches:customer_pii")
    assert answer(house, LOOK, "boss") == "deny"
    assert answer(house, LOOK, "other") == "allow"


def test_a_policy_that_is_withdrawn_is_out_of_force() -> None:
    house = house_of()
    push(house, FREEZE, "touches:customer_pii")
    assert answer(house, CARE, "desk") == "deny"
    house.control.append([retired_draft("policy", "freeze", actor="ada", because="over")])
    assert answer(house, CARE, "desk") == "deny"  # the registry is asked once a second
    house.clock.at += 1_000_000_000
    assert answer(house, CARE, "desk") == "allow"


def test_one_set_for_each_combination_and_not_for_each_agent() -> None:
    house = house_of()
    push(house, FREEZE, "touches:customer_pii")
    push(house, 'forbid (principal, action == Action::"refund", resource);', "name:a*", name="no-refunds")
    for number in range(20):
        answer(house, CARE, f"a{number}", run=f"r{number}")
        answer(house, LOOK, f"b{number}", run=f"s{number}")
    assert len(house.book._sets) == 2
    assert len(house.control.entries(kind="policy.loaded")) <= 2


def test_a_policy_without_scope_stands_for_those_without_a_folder() -> None:
    house = house_of(None)
    assert answer(house, LOOK, "desk") == "not evaluated"
    push(house, ALL, None, name="base")
    assert answer(house, LOOK, "desk") == "allow"
    assert house.body("policy.loaded")["files"][0]["name"] == "registry/base.cedar"
    other = House(
        'permit (principal, action == Action::"refund", resource);', asks=True, control=house.control
    )
    assert answer(other, LOOK, "desk") == "deny"  # its own folder counts


def test_a_pushed_policy_alone_denies_what_it_does_not_permit() -> None:
    house = house_of(None)
    push(house, FREEZE, "touches:customer_pii")
    assert answer(house, CARE, "desk") == "deny"
    assert answer(house, LOOK, "weather") == "not evaluated"


def test_what_cannot_be_loaded_refuses_those_that_it_covers() -> None:
    house = house_of()
    push(house, 'forbid (principal, action == Action::"gone", resource);', "touches:customer_pii")
    assert (
        answer(house, REFUND, "weather") == "deny"
    )  # an argument is missing: it is judged by the rules of the others
    assert house.use(REFUND, id="1", amount="1").allowed
    assert answer(house, CARE, "desk") == "not evaluated"  # reads go on where policies cannot be loaded
    assert not house.use(REFUND, id="2", amount="1").allowed
    assert house.body("decision.made")["policy_state"] == "load failed"
    assert "pushed/freeze.cedar:1: no tool is called 'gone'" in house.said[-1]


def test_a_scope_that_nobody_can_read_covers_everybody() -> None:
    house = house_of()
    push(house, FREEZE, "smells:fishy")
    assert not house.use(REFUND, id="1", amount="1").allowed
    assert "the scope of policy freeze cannot be read" in house.body("policy.loaded")["problem"]


def test_a_rule_about_a_tool_of_the_registry_alone_loads() -> None:
    house = house_of()
    put(house, "tool", "far", {"effect": "write", "arguments": {"to": "string"}})
    push(house, 'forbid (principal, action == Action::"far", resource);', "kind:agent")
    assert answer(house, CARE, "desk") == "allow"
    assert house.book.policies.state is PolicyState.ENFORCED
    house.control.append([retired_draft("tool", "far", actor="ada", because="gone")])
    house.clock.at += 1_000_000_000
    assert answer(house, CARE, "desk") == "allow"  # a rule about a retired tool still loads


def test_an_object_that_cannot_be_read_refuses_effects_and_says_which() -> None:
    house = house_of()
    put(house, "tool", "odd", {"effect": "sometimes"})
    assert answer(house, LOOK, "desk") == "allow"
    assert not house.use(REFUND, id="1", amount="1").allowed
    body = house.body("decision.made")
    assert body["stage"] == "pin"
    assert "tool odd of the registry cannot be read" in body["reasons"][0]


def test_a_change_between_decision_and_approval_is_denied() -> None:
    def meddle(house: House, _ns: int) -> None:
        waiting = house.control.approvals(state="waiting")
        if waiting and house.waits == 1:
            push(house, FREEZE, "touches:customer_pii")
            one = waiting[0]
            from test_guard_approvals import yes

            assert one.tool == "refund"
            yes(house, 0)

    house = House(TEXT, asks=True, tools=(LOOK, replace(REFUND, data=("customer_pii",))), waiter=meddle)
    verdict = house.ask(REFUND, id="1", amount="400.00")
    assert not verdict.allowed
    assert house.body("decision.made")["stage"] == "binding"


# ── pushing ─────────────────────────────────────────────────────────────────────────────────────────────────────


def desk(house: House) -> PolicyDesk:
    control = house.control
    objects = tuple(control.declared(retired=True))
    return PolicyDesk(control, Graph(Snapshot(objects, shown=tuple(control.shown()))), house.clock)


def planned(house: House, text: str = FREEZE, scope: str = "touches:customer_pii", **more: Any) -> list[Push]:
    return desk(house).plan([PolicyFile("some/freeze.cedar", text)], scope, **more)


def test_a_push_says_whom_it_reaches_and_why() -> None:
    house = house_of()
    put(house, "data", "orders", {"classes": ["customer_pii"]})
    put(house, "tool", "care", {"effect": "read", "sources": ["orders"], "arguments": {"id": "string"}})
    put(house, "agent", "helper", {"tools": ["care"]})
    put(house, "agent", "boss", {"tools": [], "delegates": ["helper"]})
    put(house, "agent", "weather", {"tools": []})
    (plan,) = planned(house)
    because = [{"tool": "care", "classes": ["customer_pii"]}]
    assert list(plan.reaches) == [
        {"agent": "boss", "because": because, "others": []}, {"agent": "helper", "because": because, "others": []},
    ]  # fmt: skip
    assert "boss, helper" in plan.warnings[-1]
    assert desk(house).push([plan], by="ada", because="an incident") == 1
    assert planned(house)[0].changed is False
    assert desk(house).push(planned(house), by="ada", because=None) == 0
    assert planned(house, FREEZE + "\n// more\n")[0].changed
    row = desk(house).ls()["policies"][0]
    assert (row["name"], row["scope"], row["origin"], row["by"]) == (
        "freeze",
        "touches:customer_pii",
        "push",
        "ada",
    )
    shown = desk(house).show("freeze")
    assert shown["text"] == FREEZE
    assert [row["agent"] for row in shown["reaches"]] == ["boss", "helper"]
    desk(house).withdraw("freeze", by="ada", because="over")
    assert desk(house).ls()["total"] == 0
    with pytest.raises(UnknownThing):
        desk(house).show("freeze")
    assert planned(house)[0].changed  # and it can be pushed again


def test_a_push_with_another_scope_says_whom_it_lets_go() -> None:
    house = house_of()
    put(house, "tool", "care", {"effect": "read", "data": ["customer_pii"]})
    put(house, "tool", "look", {"effect": "read"})
    put(house, "agent", "helper", {"tools": ["care"]})
    put(house, "agent", "reader", {"tools": ["look"]})
    desk(house).push(planned(house), by="ada", because=None)
    assert not any("takes its place" in text for text in planned(house, FREEZE + "// more\n")[0].warnings)
    (plan,) = planned(house, scope="tool:look")
    assert "freeze is in force for touches:customer_pii, and this takes its place" in plan.warnings[0]
    assert plan.warnings[0].endswith("No longer reached: helper")
    desk(house).withdraw("freeze", by="ada", because="over")
    assert not any("takes its place" in text for text in planned(house, scope="tool:look")[0].warnings)


def test_a_scope_that_matches_nothing_is_a_warning() -> None:
    house = house_of()
    put(house, "tool", "care", {"effect": "read", "data": ["customer_pii"]})
    (plan,) = planned(house, scope="touches:custmer_pii")
    assert plan.reaches == ()
    assert any("customer_pii?" in text for text in plan.warnings)
    assert any("no agent matches" in text for text in plan.warnings)


@pytest.mark.parametrize(
    ("text", "scope", "name", "wrong"),
    [
        ("forbid (principal, action, resource)", "kind:agent", None, ConfigError),
        ('forbid (principal, action == Action::"lok", resource);', "kind:agent", None, ConfigError),
        (FREEZE, "touchs:x", None, BadInput),
        (FREEZE, "  ", None, BadInput),
        (FREEZE, "since:never", None, BadInput),
        (FREEZE, "kind:agent", "../up", BadInput),
        (FREEZE, "kind:agent", "a\x1b[2J", BadInput),
        (FREEZE, "kind:agent", "base", Conflict),
    ],
)
def test_what_cannot_be_pushed(text: str, scope: str, name: str | None, wrong: type[Exception]) -> None:
    house = house_of()
    put(house, "tool", "look", {"effect": "read"})
    named = digest_bytes(ALL.encode())
    body = {"text": named, "file": "policies/base.cedar", "scope": None}
    made = Declared(
        "policy",
        "base",
        version_digest("policy", "base", None, body),
        None,
        body,
        card=Card(origin="apply:x"),
    )
    house.control.append([declared_draft(made, actor="ada", texts={named: ALL})])
    with pytest.raises(wrong):
        planned(house, text, scope, name=name)
    with pytest.raises(Conflict):
        desk(house).withdraw("base", by="ada", because="x")
    with pytest.raises(BadInput):
        desk(house).plan([PolicyFile("a/x.cedar", FREEZE), PolicyFile("b/x.cedar", FREEZE)], "kind:agent")
    with pytest.raises(BadInput):
        desk(house).plan([PolicyFile("a", FREEZE), PolicyFile("b", FREEZE)], "kind:agent", "c")
