"""Contracts of tools, through the decorator and the guard: the detector of silent failure."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from guard_house import House
from guard_remade import Record, problems
from test_guard_approvals import yes

from tallystick.app.acting.approvals import answer
from tallystick.app.acting.contracts import ContractSettings
from tallystick.model.contract import Follow
from tallystick.model.errors import ConfigError, Stopped
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.span import Span
from tallystick.model.step import Effect
from tallystick.sdk.ensuring import read_back
from tallystick.sdk.install import flush, install, uninstall
from tallystick.sdk.running import run
from tallystick.sdk.tools import declaration_of, outcome, tool

TEXT = "permit (principal, action, resource);"


class Kept:
    """A sink that keeps what is delivered."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def deliver(self, spans: Sequence[Span]) -> None:
        self.spans.extend(spans)

    def close(self) -> None:
        return

    def steps(self, name: str) -> list[Mapping[str, Any]]:
        assert flush(5.0)
        ended = [one for one in self.spans if one.name == f"execute_tool {name}" and one.ended is not None]
        return [one.attributes for one in ended]


def no(house: House, _ns: int) -> None:
    for waiting in house.control.approvals(state="waiting"):
        answer(house.control, house.clock, house.ids, waiting.id, "rejected", by="ada", note="wrong amount")


class Stage:
    def __init__(self, folder: Path, *tools: ToolDeclaration, **options: Any) -> None:
        self.house = House(TEXT, tools=tools, **options)
        self.kept = Kept()
        install(
            spool_dir=folder, clock=self.house.clock, ids=self.house.ids, sink=self.kept, guard=self.house.guard,
            agent="desk", instrument=False,
        )  # fmt: skip

    def broken(self) -> Mapping[str, Any] | None:
        found = self.house.opened("effect.ended").get("contract")
        assert problems(Record(self.house.control)) == []
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    uninstall(flush=5.0)


@dataclass
class Receipt:
    id: str
    amount: Decimal


def test_a_condition_that_does_not_hold_fails_the_step_and_stops_the_run(folder: Path) -> None:
    stage = Stage(folder)

    @tool(effect="irreversible", ensures=lambda args, result: result["paid"] == args["amount"])
    def pay(amount: int) -> dict[str, int]:
        return {"paid": 4}

    with pytest.raises(Stopped, match="breaks its contract ensures"), run(goal="pay"):
        pay(40)
    assert stage.broken() == {"name": "ensures", "then": "stop", "differs": "it does not hold"}
    assert stage.house.body("effect.ended")["outcome"] == "landed"
    assert stage.house.body("run.stopped")["by"] == "contract"
    (step,) = stage.kept.steps("pay")
    assert step["tallystick.contract"] == "ensures: it does not hold"
    assert step["error.type"] == "contract ensures"


def test_what_holds_leaves_nothing_behind(folder: Path) -> None:
    stage = Stage(folder)

    @tool(effect="irreversible", ensures=[lambda args, result: result.amount == args["amount"]])
    def pay(amount: Decimal) -> Receipt:
        return Receipt("r1", amount)

    with run(goal="pay"):
        assert pay(Decimal(40)).amount == 40
    assert "contract" not in stage.house.body("effect.ended")
    assert "tallystick.contract" not in stage.kept.steps("pay")[0]


def test_a_read_whose_result_is_not_as_declared_is_recorded_and_the_run_goes_on(folder: Path) -> None:
    schema = {"type": "object", "required": ["id"], "properties": {"total": {"type": "number"}}}
    stage = Stage(folder, ToolDeclaration("look", Effect.READ, output=schema))

    @tool(effect="read")
    def look() -> dict[str, Any]:
        return {"total": "a secret text"}

    with run(goal="look"):
        assert look() == {"total": "a secret text"}
    found = stage.broken()
    assert found is not None
    assert (found["name"], found["then"]) == ("output", "record")
    assert '"id" is a required property' in found["differs"]
    assert "a secret text" not in found["differs"]
    assert stage.house.control.entries(kind="run.stopped") == []


@pytest.mark.parametrize("made", [{"id": 7, "amount": "4"}, Receipt(7, Decimal(4)), "none"])  # type: ignore[arg-type]
def test_a_result_is_held_against_its_annotation(folder: Path, made: Any) -> None:
    stage = Stage(folder)

    @tool(effect="read")
    def look() -> Receipt:
        return made  # type: ignore[no-any-return]

    with run(goal="look"):
        look()
    found = stage.broken()
    assert found is not None
    assert found["name"] == "returns"


def test_a_pydantic_model_is_compared_by_pydantic(folder: Path) -> None:
    pydantic = pytest.importorskip("pydantic", reason="an agent brings its own pydantic")
    order = pydantic.create_model("Order", id=(str, ...), total=(int, ...))
    stage = Stage(folder)

    def look() -> Any:
        return {"id": "7", "total": "many"}

    look.__annotations__["return"] = order
    with run(goal="look"):
        tool(effect="read")(look)()
    found = stage.broken()
    assert found is not None
    assert found["differs"] == "total: int_parsing"


def test_a_read_back_is_a_guarded_call_of_its_own(folder: Path) -> None:
    stage = Stage(folder)
    state = {"state": "paid"}

    @tool(effect="read")
    def get_order(order_id: str) -> dict[str, str]:
        return {"id": order_id, **state}

    @tool(
        effect="irreversible", ensures=read_back(get_order, order_id="order_id", expect={"state": "refunded"})
    )
    def refund(order_id: str) -> str:
        return "done"  # and nothing was

    with pytest.raises(Stopped), run(goal="refund"):
        refund("7")
    made = [entry.body["tool"] for entry in stage.house.control.entries(kind="decision.made")]
    assert made == ["refund", "get_order"]
    ended = [one.body for one in stage.house.control.entries(kind="effect.ended")]
    assert [(one["tool"], one.get("contract", {}).get("name")) for one in ended] == [
        ("get_order", None), ("refund", "read_back get_order")
    ]  # fmt: skip
    assert "state is not 'refunded'" in stage.kept.steps("refund")[0]["tallystick.contract"]


@pytest.mark.parametrize(("recovery", "calls"), [("retry", 3), ("operator", 1)])
def test_only_what_may_be_repeated_is_tried_again(folder: Path, recovery: str, calls: int) -> None:
    stage, made = Stage(folder), list[int]()

    @tool(effect="write", recovery=recovery, on_broken="retry", ensures=lambda _args, result: result == "ok")
    def put() -> str:
        made.append(1)
        return "not ok"

    with pytest.raises(Stopped), run(goal="put"):
        put()
    assert len(made) == calls
    assert len(stage.house.control.entries(kind="effect.started")) == calls
    assert [one.get("tallystick.retry.attempt") for one in stage.kept.steps("put")] == [None, 2, 3][:calls]


def test_a_try_that_holds_ends_the_tries(folder: Path) -> None:
    stage, made = Stage(folder), list[int]()

    @tool(effect="read", on_broken="retry", ensures=lambda _args, result: result == 2)
    def look() -> int:
        made.append(1)
        return len(made)

    with run(goal="look"):
        assert look() == 2
    assert stage.house.control.entries(kind="run.stopped") == []


@pytest.mark.parametrize(("waiter", "stopped"), [(yes, False), (no, True), (None, True)])
def test_a_person_is_asked_whether_the_run_goes_on(folder: Path, waiter: Any, stopped: bool) -> None:
    stage = Stage(folder, waiter=waiter, approval_timeout_ns=1_000_000_000)

    @tool(effect="irreversible", on_broken="ask", ensures=lambda _args, _result: "40 was asked, 4 was paid")
    def pay(amount: int) -> str:
        return "paid"

    try:
        with run(goal="pay"):
            pay(40)
        assert not stopped
    except Stopped:
        assert stopped
    (asked,) = stage.house.control.approvals()
    assert asked.arguments["what differs"] == "40 was asked, 4 was paid"
    assert asked.group == "contract"
    kinds = stage.house.kinds()
    assert kinds.index("effect.ended") < kinds.index("approval.requested")
    held = stage.house.control.entries(kind="decision.made")[-1].body
    assert (held["stage"], held["answer"]) == ("contract", "hold")
    assert problems(Record(stage.house.control)) == []


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (None, "it gave no answer"),
        (1 / 2, "it does not hold"),
        (False, "it does not hold"),
        ("too much", "too much"),
    ],
)
def test_what_does_not_plainly_hold_does_not_hold(folder: Path, said: Any, text: str) -> None:
    stage = Stage(folder)
    tool(effect="read", ensures=lambda _args, _result: said)(lambda: 1)()
    found = stage.broken()
    assert found is not None
    assert found["differs"] == text


def test_a_condition_that_raises_does_not_hold_and_says_no_value(folder: Path) -> None:
    stage = Stage(folder)
    tool(effect="read", ensures=lambda args, _result: args["sk-secretsecretsecret"])(lambda: 1)()
    found = stage.broken()
    assert found is not None
    assert found["differs"] == "it could not be made sure: KeyError"


def test_credentials_in_a_result_break_a_contract_where_that_is_asked_for(folder: Path) -> None:
    from tallystick.wiring.redacting import text_redactor

    checks = ContractSettings(wanted=("secrets", "personal"), finds=text_redactor(("secrets", "email")))
    stage = Stage(folder, contracts=checks)
    tool(effect="read", name="look")(lambda: {"key": "ghp_" + "a1B2" * 9})()
    found = stage.broken()
    assert found is not None
    assert found["name"] == "secrets"
    assert "ghp_" not in found["differs"]
    tool(effect="read", name="mail")(lambda: "ann@shop.example")()
    found = stage.broken()
    assert found is not None
    assert found["name"] == "personal"
    tool(effect="read", name="people", data=["customer_pii"])(lambda: "ann@shop.example")()
    assert stage.broken() is None


def test_a_tool_names_what_takes_it_back() -> None:
    @tool(effect="write")
    def cancel(id: str) -> None:
        """Cancel."""

    @tool(effect="write", undo=cancel)
    def order(what: str) -> dict[str, str]:
        return {"id": what}

    @tool(effect="write", undo=lambda path: path)
    def write(path: str) -> None:
        """Write."""

    declared = declaration_of(order)
    assert declared is not None
    assert declared.undo == Follow("cancel", {"id": "result.id"})
    other = declaration_of(write)
    assert other is not None
    assert other.undo == Follow("undo_write", {"path": "path"})


@pytest.mark.parametrize(
    "settings",
    [
        {"ensures": 3},
        {"on_broken": "pray"},
        {"key": "nothing"},
        {"undo": "cancel"},
        {"undo": 3},
        {"reconcile": 3},
    ],
)
def test_settings_that_say_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        tool(effect="write", **settings)(lambda what: what)


def test_the_key_is_made_for_each_decision_and_the_same_where_the_call_is_repeated(folder: Path) -> None:
    stage, keys = Stage(folder), list[str]()

    @tool(effect="irreversible", recovery="idempotent", key="key")
    def pay(amount: int, key: str = "") -> str:
        keys.append(key)
        if len(keys) == 1:
            raise ConnectionError("cut")
        return "paid"

    with run(goal="pay"):
        with pytest.raises(ConnectionError):
            pay(40)
        assert [one.state for one in stage.house.control.effects()] == ["in doubt"]
        assert pay(40) == "paid"
        assert pay(41) == "paid"
    assert keys[0] == keys[1] != keys[2]
    assert keys[0].startswith("tally-eff_")
    assert [one.state for one in stage.house.control.effects()] == ["landed"] * 3
    settled = stage.house.body("effect.settled")
    assert settled["because"] == "the same call was made again and landed"
    assert stage.house.control.effects(unsettled=True) == []


@pytest.mark.parametrize(
    ("said", "outcome_", "state"),
    [(True, "landed", "landed"), (False, "did not happen", "did not happen"), (None, "in doubt", "in doubt")],
)
def test_a_read_says_at_once_what_became_of_an_effect(
    folder: Path, said: Any, outcome_: str, state: str
) -> None:
    stage = Stage(folder)

    @tool(effect="write", recovery="reconcile", reconcile=lambda _args: said)
    def put(key: str) -> str:
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError), run(goal="put"):
        put("a")
    assert stage.house.body("effect.ended")["outcome"] == outcome_
    assert [one.state for one in stage.house.control.effects()] == [state]
    assert stage.kept.steps("put")[0]["tallystick.effect.outcome"] == outcome_


def test_money_stays_held_while_an_effect_is_in_doubt(folder: Path) -> None:
    stage = Stage(folder, run_budget_nano=1_000_000_000)

    @tool(effect="write", price="0.10")
    def put() -> str:
        outcome("in doubt")
        return "?"

    with run(goal="put"):
        put()
    (budget,) = stage.house.control.budgets()
    assert (budget.held_nano, budget.spent_nano) == (100_000_000, 0)
    (deed,) = stage.house.control.effects(unsettled=True)
    assert deed.hold is not None
