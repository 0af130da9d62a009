"""What people did to held calls, in evidence: several groups, a quorum, an edit, what was vouched for; and lies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))

from evidence_forgeries import decision, entry
from evidence_house import KEY, Desk, Lines, World, _leaves, check, envelope, forged, lines_of, of_kind
from guard_house import TEXT, House
from second_verifier import verify as second_verify

from tallystick.app.acting.approvals import reply
from tallystick.model.canonical import canonical_json
from tallystick.model.commitment import commitment
from tallystick.model.people import unnamed
from tallystick.proof.report import State
from tallystick.proof.verify.approvals import call_digest

RULES = (
    TEXT.replace('@hold("finance")', '@hold("finance") @quorum("2")')
    + """
@hold("legal") @because("Legal looks at order 9 as well.")
forbid (principal, action == Action::"refund", resource)
when { context.args.id == "9" } unless { context.approvals.contains("legal") };
@hold("desk") @because("Nobody said which order.")
forbid (principal, action == Action::"refund", resource)
when { context.labels.untrusted.contains("id") && context.args.id == "7" }
unless { context.approvals.contains("desk") };
"""
)


def _say(house: House, approval: str, said: str, by: str, **more: Any) -> None:
    reply(house.control, house.clock, house.ids, approval, said, unnamed(by), "seen", sign=envelope, **more)


def _people(house: House, _ns: int) -> None:
    for one in house.control.approvals(state="waiting"):
        if one.arguments["id"] == "5":
            _say(house, one.id, "edited", "ann", edits={"amount": "50"})
        elif one.group == "desk":
            _say(house, one.id, "approved", "dora", endorse=["id"])
        else:
            for by in ("ann", "bob", "cleo")[: one.quorum]:
                _say(house, one.id, "approved", by)


@cache
def story() -> tuple[World, bytes]:
    """One run: approved by two groups, edited, and a value that somebody vouched for."""
    world = World(RULES, asks=True)
    world.house._waiter = _people

    def act(desk: Desk) -> None:
        desk.refund("9", Decimal("400"))
        desk.refund("5", Decimal("400"))
        desk.refund("7", Decimal("30"))
        desk.refund("7", Decimal("31"))

    world.play(act)
    return world, world.evidence()


def test_what_people_did_verifies() -> None:
    report = check(story()[1])
    assert report.ok, report.findings
    assert report.state("conduct") is State.HOLDS, report.as_json()["checks"]
    kinds = [line["leaf"]["kind"] for line in of_kind(lines_of(story()[1]), "entry")]
    counted = [kinds.count(kind) for kind in ("approval.answered", "approval.edited", "value.endorsed")]
    assert counted == [4, 1, 1]
    asked = entry(lines_of(story()[1]), "approval.requested")["body"]
    assert (asked["group"], asked["quorum"]) == ("finance and legal", 3)
    assert asked["groups"] == {"finance": 2, "legal": 1}


# ── lies under the log's own key ────────────────────────────────────────────────────────────────────────────────


def _edited(lines: Lines) -> dict[str, Any]:
    edit = entry(lines, "approval.edited")["body"]["approval"]
    return next(
        line["leaf"] for line in of_kind(lines, "entry", "decision.made") if line["leaf"]["body"].get("edit") == edit
    )  # fmt: skip


def _reopen(lines: Lines, old: str, value: str) -> None:
    """Another value under a commitment that fits it, wherever the old one stands; calls that it makes follow."""
    opening = next(line for line in of_kind(lines, "opening") if line["commitment"] == old)
    opening["value"] = value
    new = commitment(canonical_json(value), bytes.fromhex(opening["salt"]))
    for place, line in enumerate(lines):
        if line["line"] in ("entry", "opening"):
            lines[place] = lines_of(canonical_json(line).replace(old.encode(), new.encode()))[0]
    for line in list(of_kind(lines, "entry", "decision.made")):
        body = line["leaf"]["body"]
        was, now = body["call"], call_digest(body)
        if was != now:
            for place, other in enumerate(lines):
                if other["line"] == "entry":
                    lines[place] = lines_of(canonical_json(other).replace(was.encode(), now.encode()))[0]


def argument_changed_beside_the_edit(lines: Lines) -> None:
    """Who was paid is another than in the call that was edited, and only the amount was edited."""
    _reopen(lines, _edited(lines)["body"]["arguments"]["id"]["commitment"], "6")


def edit_says_another_amount(lines: Lines) -> None:
    _reopen(lines, entry(lines, "approval.edited")["body"]["arguments"]["amount"]["commitment"], "5")


def endorsed_by_another(lines: Lines) -> None:
    entry(lines, "value.endorsed")["body"]["by"] = "eve"


def endorsed_another_value(lines: Lines) -> None:
    _reopen(lines, entry(lines, "value.endorsed")["body"]["value"]["commitment"], "13")


def endorsed_what_nobody_asked_about(lines: Lines) -> None:
    entry(lines, "value.endorsed")["body"]["argument"] = "note"


def endorsed_for_another_tool(lines: Lines) -> None:
    entry(lines, "value.endorsed")["body"]["tool"] = "pay"


def endorsed_with_a_quorum(lines: Lines) -> None:
    body = entry(lines, "value.endorsed")["body"]
    body["approval"], body["by"] = entry(lines, "approval.requested")["body"]["approval"], "cleo"
    entry(lines, "value.endorsed")["actor"] = "cleo"


def one_of_the_quorum_is_another(lines: Lines) -> None:
    """The second yes is the first person's, written otherwise."""
    leaf = entry(lines, "approval.answered", 1)
    leaf["body"]["by"] = leaf["actor"] = "ＡＮＮ"


def one_of_the_quorum_did_not_write(lines: Lines) -> None:
    entry(lines, "approval.answered", 1)["actor"] = "eve"


def a_group_was_not_asked(lines: Lines) -> None:
    entry(lines, "approval.requested")["body"]["groups"] = {"finance": 3}


def yes_for_a_group_that_has_its_people(lines: Lines) -> None:
    for number in range(3):
        entry(lines, "approval.answered", number)["body"]["groups"] = ["finance"]


def yes_for_a_group_that_nobody_asked(lines: Lines) -> None:
    entry(lines, "approval.answered", 2)["body"]["groups"] = ["board"]


def one_group_fewer_approved(lines: Lines) -> None:
    decision(lines, approved=["finance", "legal"], answer="allow")["body"]["approved"] = ["finance"]


LIES: list[tuple[Callable[[Lines], None], str]] = [
    (argument_changed_beside_the_edit, "has an argument that edit"),
    (edit_says_another_amount, "another value than edit"),
    (endorsed_by_another, "on the word of somebody else"), (endorsed_another_value, "is another value than"),
    (endorsed_what_nobody_asked_about, "nobody asked about: 'note'"),
    (endorsed_for_another_tool, "for another run, agent or tool"), (endorsed_with_a_quorum, "by nobody alone"),
    (one_of_the_quorum_is_another, "counts one person twice"), (one_of_the_quorum_did_not_write, "than who wrote"),
    (a_group_was_not_asked, "asks other groups"), (yes_for_a_group_that_has_its_people, "that no group was asked for"),
    (yes_for_a_group_that_nobody_asked, "that no group was asked for"),
    (one_group_fewer_approved, "counts other groups"),
]  # fmt: skip


@pytest.mark.parametrize(("lie", "text"), LIES, ids=[lie.__name__ for lie, _ in LIES])
def test_a_lie_about_people_is_found_by_the_rules_of_conduct(lie: Callable[[Lines], None], text: str) -> None:
    world, data = story()
    lines = deepcopy(lines_of(data))
    lie(lines)
    report = check(forged(lines, _leaves(world)))
    assert report.state("conduct") is State.FINDING, report.findings
    assert any(text in one.text for one in report.findings), report.findings
    assert report.exit_code == 3


def test_the_second_verifier_agrees() -> None:
    world, data = story()
    assert second_verify(data, [KEY.text]) == {}
    for lie in (
        one_group_fewer_approved, yes_for_a_group_that_nobody_asked, yes_for_a_group_that_has_its_people,
        a_group_was_not_asked,
    ):  # fmt: skip
        lines = deepcopy(lines_of(data))
        lie(lines)
        assert "conduct" in second_verify(forged(lines, _leaves(world)), [KEY.text]), lie.__name__


def test_a_decision_says_which_groups_it_asks() -> None:
    """Without the sharing, made again, the decision is another."""
    world, data = story()
    lines = deepcopy(lines_of(data))
    decision(lines, group="finance and legal")["body"]["groups"] = {"finance": 1, "legal": 2}
    report = check(forged(lines, _leaves(world)))
    assert report.state("decisions") is State.FINDING
