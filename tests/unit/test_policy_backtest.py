"""Recorded decisions decided again under other policies: what cannot be known is not guessed."""

from __future__ import annotations

from typing import Any

from guard_house import LOOK, REFUND, TEXT, House

from tallystick.app.acting.backtest import backtest
from tallystick.app.acting.policies import PolicyBook
from tallystick.govern.backtest import Past, again
from tallystick.govern.policy import PolicyFile, load
from tallystick.model.control import ToolCall
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.step import Effect

STRICT = TEXT.replace('"100.00"', '"30.00"')
MONEY = 'permit (principal, action, resource);\n@hold("a") forbid (principal, action, resource)\n' + (
    'when { !context.labels.trusted } unless { context.approvals.contains("a") };'
)


class Reader:
    """Runs as the read model lists them."""

    def __init__(self, *runs: str, steps: dict[str, list[dict[str, Any]]] | None = None) -> None:
        self._runs, self._steps = runs, steps or {}

    def runs(self, query: str, *, limit: int, before: str | None) -> dict[str, Any]:
        del query, limit, before
        return {"runs": [{"run": run, "tool_calls": 1} for run in self._runs]}

    def run(self, run: str) -> dict[str, Any]:
        return {"steps": self._steps.get(run, [])}


def go(house: House, text: str, reader: Reader | None = None) -> dict[str, Any]:
    house.guard.flush()
    book = PolicyBook([PolicyFile("new.cedar", text)], (LOOK, REFUND))
    return backtest(reader or Reader("r1", "r2"), house.control, book, "")  # type: ignore[arg-type]


def test_what_would_be_held_or_denied_is_told_by_agent_and_rule() -> None:
    house = House()
    for nth in range(3):
        house.use(REFUND, id=str(nth), amount="40")
    house.use(REFUND, run="r2", id="9", amount="50")
    house.use(REFUND, id="8", amount="10")
    house.use(LOOK, id="1")
    answer = go(house, STRICT)
    assert (answer["calls"], answer["same"], answer["runs"], answer["unknown"]) == (6, 2, 2, [])
    (change,) = answer["changes"]
    assert (change["agent"], change["tool"], change["was"], change["would"]) == (
        "desk",
        "refund",
        "allow",
        "hold",
    )
    assert (change["count"], change["runs"], change["group"], change["first_run"]) == (4, 2, "finance", "r1")
    assert change["reasons"] == ["new.cedar:4"]
    assert answer["approvals_per_100_runs"] == {"was": 0.0, "would": 200.0}


def test_the_same_policies_change_nothing() -> None:
    house = House()
    house.use(REFUND, id="1", amount="40")
    house.ask(REFUND, agent="stranger", id="1", amount="40")
    house.ask(REFUND, id="1", amount="-4")
    answer = go(house, TEXT)
    assert (answer["same"], answer["changes"]) == (3, [])


def test_what_was_denied_and_would_be_allowed_is_told_too() -> None:
    house = House()
    house.ask(REFUND, id="1", amount="-4")
    (change,) = go(house, "permit (principal, action, resource);")["changes"]
    assert (change["was"], change["would"]) == ("deny", "allow")


def test_a_content_that_was_withheld_is_unknown() -> None:
    house = House(
        TEXT.replace(
            'permit (principal, action == Action::"refund"',
            '@redact("amount") permit (principal, action == Action::"refund"',
        )
    )
    house.use(REFUND, id="1", amount="40")
    answer = go(house, STRICT)
    assert answer["unknown"] == [{"why": "an argument was not kept", "count": 1}]
    assert answer["changes"] == []


def test_runs_without_a_guard_are_judged_by_their_steps_and_labels_are_not_guessed() -> None:
    step = {"kind": "tool", "tool": "refund", "same_as": None, "arguments": {"id": "1", "amount": "40"}, "step": "s",
            "agent": "desk", "effect": "irreversible", "started": "2026-11-22T10:00:00.000000Z"}  # fmt: skip
    reader = Reader("old", steps={"old": [step, {**step, "arguments": None}, {**step, "kind": "model"}]})
    answer = go(House(), STRICT, reader)
    assert (answer["calls"], answer["unguarded"]) == (2, 2)
    assert [(row["was"], row["would"]) for row in answer["changes"]] == [(None, "hold")]
    assert answer["unknown"] == [{"why": "an argument was not kept", "count": 1}]
    assert go(House(), MONEY, reader)["unknown"] == [
        {"why": "an argument was not kept", "count": 1},
        {"why": "its labels were not recorded", "count": 1},
    ]


def test_labels_that_change_nothing_are_not_missed() -> None:
    tool = ToolDeclaration("note", Effect.WRITE)
    policies = load([PolicyFile("a.cedar", "permit (principal, action, resource);")], [tool], evaluator="x")
    past = Past(ToolCall("r", "s", "a", "note", "", {"x": 1}), tool, None, 0)
    assert again(past, tool, policies).answer == "allow"
