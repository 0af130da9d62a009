"""The guard behind the public decorators: what an agent's own code sees of decisions, approvals, loops and budgets."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))

from guard_house import LOOK, REFUND, TEXT, House
from guard_remade import Record, problems
from test_guard_approvals import yes

from tallystick.model.errors import OverBudget, Stopped
from tallystick.model.span import Span
from tallystick.sdk.install import flush, install, uninstall
from tallystick.sdk.models import model_call
from tallystick.sdk.running import run
from tallystick.sdk.tools import tool


class Kept:
    """A sink that keeps what is delivered."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def deliver(self, spans: Sequence[Span]) -> None:
        self.spans.extend(spans)

    def close(self) -> None:
        return


class Desk:
    """Two tools and what they did to the world."""

    def __init__(self) -> None:
        self.paid: list[tuple[str, Decimal]] = []

        @tool(effect="read")
        def look(id: str) -> str:
            """Read one order."""
            return f"order {id} is open"

        @tool(effect="irreversible")
        def refund(id: str, amount: Decimal) -> str:
            """Pay money back."""
            self.paid.append((id, amount))
            return "paid"

        @tool
        def wire(account: str) -> str:
            """Nobody declared this."""
            self.paid.append((account, Decimal(0)))
            return "sent"

        self.look, self.refund, self.wire = look, refund, wire


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[House, Desk, Kept]]:
    house, kept = House(TEXT, tools=(LOOK, REFUND), waiter=yes, asks=True), Kept()
    install(
        spool_dir=tmp_path,
        clock=house.clock,
        ids=house.ids,
        sink=kept,
        guard=house.guard,
        agent="desk",
        instrument=False,
    )
    try:
        yield house, Desk(), kept
    finally:
        uninstall(flush=5.0)


def test_allowed_held_and_refused(stage: tuple[House, Desk, Kept]) -> None:
    house, desk, kept = stage
    with run(goal="one ticket"):
        assert desk.look("7") == "order 7 is open"
        assert desk.refund("7", Decimal("40")) == "paid"
        assert desk.refund("7", Decimal("400.00")) == "paid"  # held, approved by the waiter
        assert desk.wire("x") == "This action was not allowed."
        assert "negative" in desk.refund("7", Decimal("-1"))
    assert desk.paid == [("7", Decimal("40")), ("7", Decimal("400.00"))]
    house.guard.flush()
    answers = [entry.body["answer"] for entry in house.control.entries(kind="decision.made")]
    assert answers == ["allow", "allow", "hold", "allow", "deny", "deny"]
    outcomes = [entry.body["outcome"] for entry in house.control.entries(kind="effect.ended")]
    assert outcomes == ["landed", "landed", "landed"]
    assert problems(Record(house.control)) == []
    assert flush(5.0)
    decided = [
        span.attributes.get("tallystick.decision")
        for span in kept.spans
        if span.name.startswith("execute_tool")
    ]
    assert sorted(one for one in decided if one) == ["allow", "allow", "allow", "deny", "deny"]


def test_a_runaway_loop_ends_the_run(stage: tuple[House, Desk, Kept]) -> None:
    house, desk, _kept = stage
    texts: list[str] = []
    with pytest.raises(Stopped), run(goal="loop"):  # noqa: PT012 - the run is the statement
        for _ in range(20):
            texts.append(desk.look("7"))
    assert len(texts) == 4
    assert "Asking again will not help" in texts[2]
    assert "This call was not made" in texts[3]
    assert house.control.entries(kind="run.stopped")[0].body["by"] == "loop"


def test_a_budget_ends_the_run_before_the_call_that_would_exceed_it(stage: tuple[House, Desk, Kept]) -> None:
    house, _desk, _kept = stage
    asked: list[Any] = []

    def complete(**request: Any) -> Any:
        asked.append(request)
        usage = SimpleNamespace(prompt_tokens=100, completion_tokens=900, total_tokens=1000)
        return SimpleNamespace(
            id=f"r{len(asked)}", model="gpt-4o-mini", object="chat.completion", choices=[], usage=usage
        )

    with pytest.raises(OverBudget), run(goal="spend", budget="0.002") as handle:  # noqa: PT012
        for _ in range(20):
            model_call(
                complete,
                model="gpt-4o-mini",
                max_completion_tokens=1000,
                messages=[{"role": "user", "content": "go on"}],
            )
    budget = house.control.budgets(f"run:{handle.id}")[0]
    assert budget.limit_nano == 2_000_000
    assert budget.spent_nano == len(asked) * (100 * 150 + 900 * 600)
    assert budget.held_nano == 0
    assert 3 <= len(asked) < 20
    assert house.control.entries(kind="run.stopped")[0].body["by"] == "budget"
