"""Tests of policies: what a case is, what it notices, and that each shipped rule has tests that notice it wrong."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from guard_house import LOOK, REFUND, TEXT

from tallystick.adapters.policy_files import shipped_cases, shipped_policies
from tallystick.app.acting.policy_tests import tried_pack, tried_policies
from tallystick.config.keys import PACKS
from tallystick.govern.cases import cases_from
from tallystick.govern.policy import PACK, PolicyFile, load
from tallystick.govern.trying import try_cases, wrong_rules
from tallystick.model.control import PolicyState
from tallystick.model.errors import ConfigError
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.step import Effect

GOOD = """
[defaults]
agent = "desk"
tool = "refund"
args = { id = "1", amount = "40" }

[[case]]
name = "small"
expect = "allow"

[[case]]
name = "large"
args = { amount = "400" }
expect = "hold(finance)"
because = "Refunds over 100 need a yes from finance."

[[case]]
name = "large, approved"
args = { amount = "400" }
approvals = ["finance"]
expect = "allow"
"""
DESK = PolicyFile("policies/desk.cedar", TEXT)


def read(text: str, name: str = "desk.test.toml") -> Any:
    return cases_from(name, text, tomllib.loads(text))


def tried(text: str, *, mutate: bool = False, files: tuple[PolicyFile, ...] = (DESK,)) -> Any:
    return tried_policies(files, (), (LOOK, REFUND), [read(text)], mutate=mutate)


def test_what_comes_out_as_expected_passes_and_rules_nobody_tests_are_named() -> None:
    answer = tried(GOOD)
    assert (answer["cases"], answer["passed"], answer["failed"], answer["mutants"]) == (3, 3, [], None)
    assert answer["undecided"] == ["policies/desk.cedar:2", "policies/desk.cedar:8"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('expect = "deny"', "expected deny, and the answer is allow"),
        ('expect = "hold(legal)"', "expected hold(legal), and the answer is allow"),
        ('expect = "allow"\nrule = "other"', "rule 'other' was to decide"),
        ('expect = "allow"\nbecause = "no"', "the model was to read 'no'"),
        ('expect = "deny"\nargs = { amout = "1" }', "declares no argument amout"),
        ('expect = "allow"\nfits = false', "the call fits the tool"),
        ('expect = "allow"\ntool = "refnd"', "did you mean 'refund'?"),
    ],
)
def test_what_comes_out_otherwise_is_said(change: str, says: str) -> None:
    head, _, _ = GOOD.partition("[[case]]")
    answer = tried(f'{head}[[case]]\nname = "one"\n{change}\n')
    assert answer["passed"] == 0
    (failed,) = answer["failed"]
    assert (failed["file"], failed["line"], failed["case"]) == ("desk.test.toml", 7, "one")
    assert any(says in one for one in failed["wrong"]), failed["wrong"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[case]]\nexpect = "alow"\ntool = "x"', "desk.test.toml:1: 'alow' is no answer"),
        ('[[case]]\ntool = "x"', "does not say what is expected"),
        ('[[case]]\nexpect = "allow"', "tool is not a text"),
        ('[[case]]\ntool = "x"\nexpect = "allow"\nexpct = 1', "a case has no key 'expct'"),
        ("[cases]\nx = 1", "has no key 'cases'"),
        (
            '[[case]]\ntool = "x"\nexpect = "allow"\nlabels = { trusted = true }',
            "labels has no key 'trusted'",
        ),
        ('[[case]]\ntool = "x"\nexpect = "allow"\nlabels = { watermark = "low" }', "'low' is no integrity"),
        ('[[case]]\ntool = "x"\nexpect = "allow"\napprovals = "finance"', "approvals is no list"),
        ('[[case]]\ntool = "x"\nexpect = "allow"\nargs = { at = 2026-01-01 }', "cannot be written down"),
        ("case = 3", "no list of tables"),
        ('[tools.x]\neffect = "big"', "tool x has no effect"),
        ('[tools.x]\neffect = "read"\ndata = "a"', "data of tool x is no list"),
    ],
)
def test_a_mistake_in_a_test_is_named_with_its_line(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as told:
        read(text)
    assert says in told.value.message
    assert told.value.detail["file"] == "desk.test.toml"


def test_a_wrong_rule_that_no_test_notices_is_named() -> None:
    answer = tried(GOOD, mutate=True)
    rules = {row["rule"] for row in answer["survived"]}
    # The permit of look and the refusal of negative amounts are decided by no test; the agent of refunds by no other.
    assert {"policies/desk.cedar:2", "policies/desk.cedar:8"} <= rules
    assert ("policies/desk.cedar:3", "when left out") in {
        (row["rule"], row["how"]) for row in answer["survived"]
    }
    assert ("policies/desk.cedar:3", "inverted") not in {
        (row["rule"], row["how"]) for row in answer["survived"]
    }


def test_each_way_to_be_wrong() -> None:
    source = load([DESK], (LOOK, REFUND), evaluator="x").sources["policies/desk.cedar:4"]
    ways = dict(wrong_rules(source))
    assert list(ways) == [
        "removed", "inverted", "when 1 negated", "when 1 left out", "unless 2 negated", "unless 2 left out",
    ]  # fmt: skip
    assert ways["removed"] is None
    assert [one["kind"] for one in ways["when 1 negated"]["conditions"]] == ["unless", "unless"]  # type: ignore[index]


def test_every_rule_of_the_pack_has_tests_that_notice_it_wrong() -> None:
    answer = tried_pack(shipped_policies(PACKS), shipped_cases(PACKS), mutate=True)
    assert answer["failed"] == []
    assert answer["survived"] == []
    assert answer["undecided"] == []
    assert answer["rules"] >= len(PACKS)
    assert answer["mutants"] > 3 * answer["rules"]


def test_the_pack_only_takes_away() -> None:
    for file in shipped_policies(PACKS):
        assert "permit" not in [line.split(" ")[0] for line in file.text.splitlines()]
    tools = [ToolDeclaration("pay", Effect.WRITE, data=("payment",))]
    with pytest.raises(ConfigError, match="the pack permits nothing"):
        load([PolicyFile(f"{PACK}own.cedar", "permit (principal, action, resource);")], tools, evaluator="x")


def test_the_pack_alone_decides_nothing_and_rules_about_absent_tools_are_left_out() -> None:
    pack = shipped_policies(PACKS)
    reading = [ToolDeclaration("look", Effect.READ)]
    assert load(pack, reading, evaluator="x").rules == {}
    writing = load(pack, [ToolDeclaration("pay", Effect.WRITE, data=("payment",))], evaluator="x")
    assert (writing.state, writing.decides) == (PolicyState.ENFORCED, False)


def test_rules_that_came_with_tallystick_are_not_counted_as_untested() -> None:
    policies = load([DESK, *shipped_policies(PACKS)], (LOOK, REFUND), evaluator="x")
    tests = try_cases(policies, read(GOOD).cases)
    assert all(not label.startswith(PACK) for label in tests.rules)
