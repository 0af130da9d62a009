"""Rules that are only reported refuse nothing and are recorded; redacted arguments are kept by digest alone."""

from __future__ import annotations

from typing import Any

import pytest
from guard_house import LOOK, REFUND, TEXT, House
from guard_remade import Record, problems

from tallystick.app.acting.decided import Missing, inputs_of
from tallystick.app.acting.policies import PolicyBook, remade
from tallystick.app.acting.policy_report import policy_report
from tallystick.govern.policy import PolicyFile, load
from tallystick.model.control import Answer
from tallystick.model.errors import ConfigError

REPORTED = """
@id("small-limit") @report @hold("finance")
forbid (principal, action == Action::"refund", resource)
when { context.args.amount.greaterThan(decimal("10.00")) }
unless { context.approvals.contains("finance") };
"""


def house_with(*files: PolicyFile) -> House:
    house = House(asks=True)
    house.book = PolicyBook(
        [PolicyFile("policies/desk.cedar", TEXT), *files], (LOOK, REFUND), now=house.clock.now
    )
    house.guard._house = type(house.guard._house)(
        house.book, house.guard._purse, house.guard._outbox, house.clock, house.ids, house.feed
    )
    return house


@pytest.mark.parametrize(
    "file",
    [
        PolicyFile("policies/new.cedar", REPORTED),
        PolicyFile("policies/new.cedar", REPORTED.replace("@report ", ""), report=True),
    ],
    ids=["rule", "file"],
)
def test_a_reported_rule_refuses_nothing_and_is_recorded(file: PolicyFile) -> None:
    house = house_with(file)
    assert house.use(REFUND, id="1", amount="40").allowed
    made = house.body("decision.made")
    assert (made["answer"], made["stage"]) == ("allow", "policy")
    assert made["would"] == {
        "answer": "hold",
        "group": "finance",
        "reasons": ["small-limit (policies/new.cedar:2)"],
    }
    assert house.use(REFUND, id="2", amount="5").allowed
    assert house.body("decision.made")["would"] is None
    assert house.use(LOOK, id="2").allowed
    record = Record(house.control)
    assert problems(record) == []
    loaded = record.of("policy.loaded")[-1].body
    assert remade(loaded, record.texts).digest == made["policy_digest"]


def test_what_would_have_been_is_made_again_and_a_lie_is_found() -> None:
    house = house_with(PolicyFile("policies/new.cedar", REPORTED))
    house.use(REFUND, id="1", amount="40")
    record = Record(house.control)
    entry = record.of("decision.made")[-1]
    entry.body["would"]["answer"] = "deny"  # type: ignore[index]
    assert any("with the reported rules" in one for one in problems(record))


def test_reported_rules_alone_are_no_policy() -> None:
    policies = load([PolicyFile("new.cedar", REPORTED)], [LOOK, REFUND], evaluator="x")
    assert not policies.decides


def test_the_report_counts_by_agent_and_rule() -> None:
    house = house_with(PolicyFile("policies/new.cedar", REPORTED))
    for nth in range(3):
        house.use(REFUND, id=str(nth), amount="40")
    house.use(REFUND, id="9", amount="1")
    house.guard.flush()
    report = policy_report(house.control, since=0)
    assert report["decisions"] == 4
    assert [
        (row["agent"], row["tool"], row["was"], row["would"], row["count"]) for row in report["changes"]
    ] == [("desk", "refund", "allow", "hold", 3)]


def test_redacted_arguments_are_committed_to_and_not_kept() -> None:
    text = TEXT.replace(
        'permit (principal, action == Action::"look", resource);',
        '@redact("id") permit (principal, action == Action::"look", resource);',
    )
    house = House(text)
    verdict = house.ask(LOOK, id="secret number 7")
    assert verdict.allowed
    assert verdict.redact == ("id",)
    record = Record(house.control)  # flushed by body below
    house.guard.flush()
    record = Record(house.control)
    entry = record.of("decision.made")[-1]
    opening = record.openings[entry.body["arguments"]["id"]["commitment"]]
    assert (opening.content, opening.salt, opening.why) == (None, None, "redacted")
    inputs: Any = inputs_of(entry.body, record.openings, record.texts)
    assert not isinstance(inputs, Missing)
    assert inputs.withheld == {"id": "redacted"}
    assert "secret number 7" not in str(record.entries) + str(record.openings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '@redact("amont") permit (principal, action == Action::"refund", resource);',
            "no tool of this rule has",
        ),
        ('@redact("id") forbid (principal, action == Action::"refund", resource);', "stands on a forbid"),
        ('@redact("") permit (principal, action, resource);', "says nothing"),
        ("@reprt permit (principal, action, resource);", "no annotation @reprt"),
    ],
)
def test_annotations_that_would_do_nothing_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load([PolicyFile("a.cedar", text)], [LOOK, REFUND], evaluator="x")


def test_the_answers_of_people_are_those_of_the_enforced_rules() -> None:
    house = house_with(PolicyFile("policies/new.cedar", REPORTED))
    assert house.ask(REFUND, id="1", amount="40").decision.answer is Answer.ALLOW
