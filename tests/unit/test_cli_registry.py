"""The registry on the command line: lists by query, one thing, versions, and the questions that matter."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cli_parts import FakeParts, call
from registry_shop import HOSTILE, drafts, sightings, uses

from tallystick.model.errors import BadInput, UnknownThing


@pytest.fixture
def parts(tmp_path: Path) -> FakeParts:
    made = FakeParts(tmp_path)
    for draft in drafts():
        made.stores.control.append([draft])
    made.stores.traces.sighted = sightings()
    made.stores.traces.used = list(uses())
    return made


def ask(parts: FakeParts, *arguments: str) -> Any:
    result = call(parts, *arguments, "--json")
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


def names(answer: dict[str, Any], noun: str = "objects") -> list[str]:
    return [row["name"] for row in answer[noun]]


def test_lists_begin_with_what_nobody_declared(parts: FakeParts) -> None:
    answer = ask(parts, "agents", "ls")
    assert names(answer, "agents") == ["shade" + HOSTILE, "reader", "refunds", "writer"]
    row = answer["agents"][2]
    assert (row["standing"], row["version"], row["owner"], row["aliases"]) == (
        "declared and observed", "1.1.0", "payments", {"production": "1.0.0"},
    )  # fmt: skip
    assert (row["runs"], row["cost_nano_usd"], row["cost_known_nano_usd"]) == (5, None, 1_500_000)
    assert row["classes"] == ["customer_pii", "payment"]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["agents", "ls", "touches:customer_pii"], ["reader", "refunds"]),
        (["agents", "query", "-missing:owner"], ["refunds"]),
        (["agents", "ls", "-shadow", "-touches:payment"], ["writer"]),
        (["tools", "ls", "effect:>=write"], ["refund", "spare"]),
        (["tools", "ls", "quarantined"], ["refund"]),
        (["agents", "ls", "policy:money"], ["shade" + HOSTILE, "reader", "refunds"]),
        (["agents", "ls", "policy:reads"], ["reader"]),
        (["tools", "ls", "policy:reads"], ["find_order"]),
    ],
)
def test_a_noun_is_asked_by_query(parts: FakeParts, arguments: list[str], found: list[str]) -> None:
    assert names(ask(parts, *arguments), arguments[0]) == found


def test_everything_is_found_at_once(parts: FakeParts) -> None:
    answer = ask(parts, "find", "touches:customer_pii")
    assert [(row["type"], row["name"]) for row in answer["objects"]] == [
        ("agent", "reader"), ("agent", "refunds"), ("tool", "find_order"), ("data", "orders"),
    ]  # fmt: skip


def test_a_value_that_nothing_has_is_answered_with_the_nearest(parts: FakeParts) -> None:
    result = call(parts, "find", "touches:custmer_pii")
    assert result.exception is None
    assert "no tool or data source touches custmer_pii; did you mean customer_pii?" in result.stderr
    assert ask(parts, "agents", "ls", "tool:refnd")["warnings"] == [
        "no tool is called refnd; did you mean refund?"
    ]
    assert isinstance(call(parts, "agents", "ls", "effect:wrte").exception, BadInput)


def test_a_thing_is_shown_with_what_belongs_to_it(parts: FakeParts) -> None:
    agent = ask(parts, "agents", "show", "refunds")
    assert [(one["version"], one["by"], one["current"]) for one in agent["versions"]] == [
        ("1.1.0", "bob", True), ("1.0.0", "ann", False),
    ]  # fmt: skip
    assert [(one["alias"], one["version"]) for one in agent["aliases"]] == [("production", "1.0.0")]
    assert agent["used_by"] == [{"type": "agent", "name": "reader"}, {"type": "suite", "name": "answers"}]
    tool = ask(parts, "tools", "show", "refund")
    assert [one["trust"] for one in tool["definitions"]] == ["accepted", "quarantined"]
    assert tool["definitions"][1]["after"]["description"] == f"Pay {HOSTILE}"
    assert tool["differences"][0]["what"] == "definition"
    assert tool["used_by"] == [{"type": "agent", "name": "refunds"}]
    assert ask(parts, "data", "show", "orders")["used_by"] == [{"type": "tool", "name": "find_order"}]
    assert ask(parts, "prompts", "show", "refunds")["used_by"] == [{"type": "agent", "name": "refunds"}]


@pytest.mark.parametrize("ref", ["refunds@production", "refunds@1.0.0"])
def test_a_version_is_shown_by_label_and_alias(parts: FakeParts, ref: str) -> None:
    assert ask(parts, "agents", "show", ref)["declaration"]["tools"] == ["refund"]
    digest = ask(parts, "agents", "show", ref)["digest"]
    assert ask(parts, "agents", "show", f"refunds@{digest[:10]}")["digest"] == digest


def test_an_unknown_thing_is_answered_with_the_nearest(parts: FakeParts) -> None:
    error = call(parts, "agents", "show", "refunts").exception
    assert isinstance(error, UnknownThing)
    assert error.hint == "did you mean refunds?"
    assert isinstance(call(parts, "agents", "show", "refunds@9").exception, UnknownThing)


def test_versions_are_compared(parts: FakeParts) -> None:
    newest, oldest = (one["digest"] for one in ask(parts, "prompts", "show", "refunds")["versions"])
    answer = ask(parts, "prompts", "diff", "refunds", oldest[:12])
    assert (answer["from"], answer["to"]) == (oldest, newest)
    assert "-Pay back what is due." in answer["texts"][0]["lines"]
    assert "+Pay back at once." in call(parts, "prompts", "diff", "refunds", oldest[:12]).stdout
    assert "delegates" in call(parts, "agents", "diff", "refunds", "1.0.0", "1.1.0").stdout


def test_who_can_read_what_and_did_they(parts: FakeParts) -> None:
    answer = ask(parts, "data", "access", "payment")
    rows = [
        (row["agent"], row["chain"], row["tool"], row["verdict"], row["used"] is not None, row["granted"])
        for row in answer["rows"]
    ]
    shade = "shade" + HOSTILE
    assert rows == [
        ("refunds", ["refunds"], "refund", "after approval", True, True),
        (shade, [shade], None, "not permitted", True, False),
        ("reader", ["reader", "refunds"], "spare", "may", False, True),
        ("refunds", ["refunds"], "spare", "may", False, True),
        ("reader", ["reader", "refunds"], "refund", "after approval", False, True),
    ]
    assert answer["agents"] == 3
    first = answer["rows"][0]
    assert [(one["policy"], one["says"], len(one["rules"])) for one in first["policies"]] == [
        ("money", "hold", 2)
    ]
    assert first["run"] == "run-1"


def test_access_by_a_rule_that_names_an_agent(parts: FakeParts) -> None:
    rows = {(row["agent"], len(row["chain"])): row for row in ask(parts, "data", "access", "orders")["rows"]}
    assert rows["reader", 1]["verdict"] == "may"
    assert [one["policy"] for one in rows["reader", 1]["policies"]] == ["money", "reads"]
    assert rows["refunds", 1]["used"] is None  # sixty days ago


def test_unused_grants_say_since_when(parts: FakeParts) -> None:
    rows = {(row["agent"], row["tool"]): row for row in ask(parts, "agents", "unused-grants")["rows"]}
    assert set(rows) == {
        ("refunds", "spare"), ("refunds", "find_order"), ("refunds", "reader"), ("reader", "find_order"),
        ("reader", "refunds"),
    }  # fmt: skip
    assert rows["refunds", "find_order"]["last_used"] is not None
    assert rows["refunds", "spare"]["last_used"] is None
    assert rows["refunds", "spare"]["granted_since"] is not None
    assert rows["refunds", "reader"]["type"] == "delegate"
    assert len(ask(parts, "agents", "unused-grants", "reader")["rows"]) == 2


def test_signals_that_were_not_measured_say_so(parts: FakeParts) -> None:
    answer = ask(parts, "agents", "signals", "refunds")
    assert (answer["completion"]["value"], answer["completion"]["n"]) == (None, 0)
    assert "not measured" in call(parts, "agents", "signals", "refunds").stdout


@pytest.mark.parametrize(
    "command",
    [
        ["agents", "ls"], ["tools", "ls"], ["tools", "show", "refund"], ["data", "access", "payment"], ["find", "evil"],
        ["agents", "unused-grants"], ["agents", "ls", "--json"], ["data", "access", "payment", "--json"],
    ],
)  # fmt: skip
def test_nothing_hostile_reaches_the_terminal(parts: FakeParts, command: list[str]) -> None:
    result = call(parts, *command)
    assert result.exception is None
    assert not set(result.stdout + result.stderr) & set("\x1b\x07\x9b\u202e")


def test_an_empty_list_says_what_to_do(parts: FakeParts) -> None:
    assert "tally demo" in call(parts, "workflows", "ls").stderr
    assert ask(parts, "workflows", "ls") == {"total": 0, "workflows": [], "warnings": []}
    assert "no agents match" in call(parts, "agents", "ls", "owner:payments", "shadow").stderr


def test_the_shapes_are_those_that_are_documented(parts: FakeParts) -> None:
    told = tomllib.loads((Path(__file__).parents[2] / "docs" / "fields.toml").read_text("utf-8"))
    agent, tool = ask(parts, "agents", "show", "refunds"), ask(parts, "tools", "show", "refund")
    shapes = {
        "thing": ask(parts, "agents", "ls")["agents"][0], "version": agent["versions"][0], "alias": agent["aliases"][0],
        "use": agent["uses"][0], "difference": tool["differences"][0], "definition": tool["definitions"][0],
        "access": ask(parts, "data", "access", "payment")["rows"][0],
        "grant": ask(parts, "agents", "unused-grants")["rows"][0],
        "signals": ask(parts, "agents", "signals", "refunds"),
    }  # fmt: skip
    for name, shape in shapes.items():
        assert list(shape) == list(told[name]), name
