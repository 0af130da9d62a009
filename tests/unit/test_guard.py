"""The guard: when a call may not run, what is on disk before one does, and money that is always settled."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from control_double import Clock, Control, Ids

from tallystick.app.approvals import answer
from tallystick.app.guard import DENIED, LOOPING, GuardSettings, RunGuard
from tallystick.app.policies import PolicyBook
from tallystick.cost.rates import RateCard, load_card
from tallystick.govern.policy import PolicyFile
from tallystick.model.control import Answer, ApprovalState, PolicyState, ToolCall
from tallystick.model.errors import Conflict, OverBudget, Stopped, StoreFault
from tallystick.model.guarding import ModelCall, Permit, ToolDeclaration, Verdict
from tallystick.model.step import Effect, EffectOutcome
from tallystick.model.usage import Usage
from tallystick.sdk.runtime import Guard

LOOK = ToolDeclaration("look", Effect.READ, arguments={"id": "string"})
REFUND = ToolDeclaration(
    "refund", Effect.IRREVERSIBLE, arguments={"id": "string", "amount": "decimal"}, price_nano=5_000
)
TEXT = """
permit (principal, action == Action::"look", resource);
permit (principal, action == Action::"refund", resource) when { context.agent == "desk" };
@hold("finance") @because("Refunds over 100 need a yes from finance.")
forbid (principal, action == Action::"refund", resource)
when { context.args.amount.greaterThan(decimal("100.00")) }
unless { context.approvals.contains("finance") };
@because("Nobody refunds a negative amount.")
forbid (principal, action == Action::"refund", resource)
when { context.args.amount.lessThan(decimal("0.00")) };
"""


@pytest.fixture(scope="module")
def card() -> RateCard:
    return load_card(json.loads(files("tallystick.cost").joinpath("card.json").read_text("utf-8")))


class House:
    """A guard with everything around it in reach."""

    def __init__(
        self, card: RateCard, text: str | None = TEXT, *, tools: tuple[ToolDeclaration, ...] = (LOOK, REFUND),
        permissive: bool = False, waiter: Callable[[House, int], None] | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        self.clock = Clock()
        self.control = Control(self.clock)
        self.ids = Ids()
        self.waits = 0
        policy = None if text is None else [PolicyFile("policies/desk.cedar", text)]
        book = PolicyBook(policy, tools, permissive=permissive)
        self._waiter = waiter
        self.guard = RunGuard(
            self.control,
            self.clock,
            self.ids,
            book,
            card,
            waiter=self._wait,
            settings=GuardSettings(**settings),
        )
        self.steps = 0

    def _wait(self, ns: int) -> None:
        self.waits += 1
        self.clock.at += ns
        if self._waiter is not None:
            self._waiter(self, ns)

    def call(self, tool: str, agent: str = "desk", run: str = "r1", **arguments: Any) -> ToolCall:
        self.steps += 1
        return ToolCall(run, f"s{self.steps}", agent, tool, "d", arguments, "w", self.steps)

    def ask(self, tool: ToolDeclaration, agent: str = "desk", run: str = "r1", **arguments: Any) -> Verdict:
        return self.guard.before_tool(self.call(tool.name, agent, run, **arguments), tool)

    def use(self, tool: ToolDeclaration, result: Any = "ok", run: str = "r1", **arguments: Any) -> Verdict:
        call = self.call(tool.name, run=run, **arguments)
        verdict = self.guard.before_tool(call, tool)
        if verdict.allowed:
            self.guard.after_tool(call, verdict, EffectOutcome.LANDED, result=result, error=None)
        return verdict

    def kinds(self) -> list[str]:
        self.guard.flush()
        return [entry.kind for entry in self.control.journal]

    def body(self, kind: str) -> dict[str, Any]:
        self.guard.flush()
        return dict([entry for entry in self.control.journal if entry.kind == kind][-1].body)


def test_it_has_the_shape_the_sdk_asks_for(card: RateCard) -> None:
    guard: Guard = House(card).guard
    assert guard is not None


def test_an_allowed_effect_is_on_disk_before_it_runs(card: RateCard) -> None:
    house = House(card)
    verdict = house.ask(REFUND, id="1", amount="40")
    assert verdict.allowed
    assert verdict.decision.answer is Answer.ALLOW
    assert verdict.price_nano == 5_000
    assert house.control.transactions == [["policy.loaded", "decision.made", "effect.started"]]
    assert house.control.journal[0].body["state"] == "enforced"
    assert verdict.decision.reasons == ("policies/desk.cedar:3",)


def test_a_read_joins_a_group_commit_and_is_never_lost(card: RateCard) -> None:
    house = House(card)
    assert house.ask(LOOK, id="1").allowed
    assert house.control.journal == []
    house.guard.flush()
    assert house.control.transactions == [["policy.loaded", "decision.made"]]
    house.ask(LOOK, id="2")
    house.ask(REFUND, id="1", amount="1")
    assert house.control.transactions[1] == ["decision.made", "decision.made", "effect.started"]


def test_decisions_do_not_wait_for_ever(card: RateCard) -> None:
    house = House(card)
    house.ask(LOOK, id="1")
    house.clock.at += 2_000_000_000
    house.ask(LOOK, id="2")
    assert len(house.control.journal) == 3


def test_what_became_of_an_effect_is_written(card: RateCard) -> None:
    house = House(card)
    call = house.call("refund", id="1", amount="40")
    verdict = house.guard.before_tool(call, REFUND)
    house.guard.after_tool(call, verdict, EffectOutcome.IN_DOUBT, result=None, error="TimeoutError: late")
    started, ended = house.body("effect.started"), house.body("effect.ended")
    assert ended["effect"] == started["effect"]
    assert (ended["outcome"], ended["error"]) == ("in doubt", "TimeoutError: late")


def test_a_denied_model_reads_one_sentence_and_the_rules_own(card: RateCard) -> None:
    house = House(card)
    verdict = house.ask(REFUND, agent="stranger", id="1", amount="40")
    assert (verdict.allowed, verdict.text) == (False, DENIED)
    assert "permits" in verdict.decision.reasons[0]
    told = house.ask(REFUND, id="1", amount="-1")
    assert told.text == f"{DENIED} Nobody refunds a negative amount."
    assert "effect.started" not in house.kinds()


@pytest.mark.parametrize(
    "arguments",
    [{"id": "1"}, {"id": 1, "amount": "1"}, {"id": "1", "amount": "x"}, {"id": "1", "amount": "1.00001"},
     {"id": "1", "amount": "1", "to": "me"}, {"id": "1", "amount": float("nan")}, {"id": "1", "amount": "1e400"},
     {"id": "\ud800", "amount": "1"}],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_denied(card: RateCard, arguments: dict[str, Any]) -> None:
    verdict = House(card).ask(REFUND, **arguments)
    assert not verdict.allowed
    assert verdict.decision.reasons


def test_an_undeclared_tool_is_refused_where_anything_is_declared(card: RateCard) -> None:
    verdict = House(card).ask(ToolDeclaration("wire_transfer"), account="x")
    assert not verdict.allowed
    assert "not declared" in verdict.decision.reasons[0]
    assert not House(card, None).ask(ToolDeclaration("wire_transfer")).allowed
    assert (
        House(card, None, tools=()).ask(ToolDeclaration("anything")).decision.answer is Answer.NOT_EVALUATED
    )


def test_code_cannot_make_a_declared_tool_laxer(card: RateCard) -> None:
    house = House(card, 'permit (principal, action in Action::"effect:read", resource);')
    lax = replace(REFUND, effect=Effect.READ, arguments={})
    assert not house.ask(lax, id="1", amount="1").allowed
    strict = replace(LOOK, effect=Effect.WRITE)
    assert not house.ask(strict, id="1").allowed


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (None, PolicyState.UNCONFIGURED),
        ("permit (principal", PolicyState.LOAD_FAILED),
        ("// nothing", PolicyState.ENFORCED),
    ],
)
def test_without_rules_effects_are_refused_and_the_rest_is_not_evaluated(
    card: RateCard, text: str | None, state: PolicyState
) -> None:
    house = House(card, text)
    read, effect = house.ask(LOOK, id="1"), house.ask(REFUND, id="1", amount="1")
    assert (read.allowed, read.decision.answer, read.decision.policy_state) == (
        True,
        Answer.NOT_EVALUATED,
        state,
    )
    assert (effect.allowed, effect.decision.answer) == (False, Answer.DENY)
    assert house.body("policy.loaded")["state"] == state.value


def test_permissive_decides_and_refuses_nothing(card: RateCard) -> None:
    house = House(card, permissive=True)
    verdict = house.ask(REFUND, id="1", amount="400")
    assert (verdict.allowed, verdict.decision.answer) == (True, Answer.HOLD)
    assert house.waits == 0
    assert house.body("decision.made")["answer"] == "hold"


def test_a_rule_about_a_tool_that_code_declares_later(card: RateCard) -> None:
    house = House(card, TEXT, tools=(LOOK,))
    first = house.ask(LOOK, id="1")
    assert first.decision.policy_state is PolicyState.LOAD_FAILED
    assert "refund" in str(house.body("policy.loaded")["problem"])
    assert house.ask(REFUND, id="1", amount="1").allowed
    house.guard.know([REFUND])
    assert [entry.body["state"] for entry in house.control.entries(kind="policy.loaded")] == [
        "load failed",
        "enforced",
    ]


# -- approvals ------------------------------------------------------------------------------------------------------


def yes(house: House, _ns: int) -> None:
    for waiting in house.control.approvals(state="waiting"):
        answer(house.control, house.clock, house.ids, waiting.id, "approved", by="ada", note="fine")


def test_a_held_call_runs_once_it_is_approved(card: RateCard) -> None:
    house = House(card, waiter=yes)
    verdict = house.ask(REFUND, id="1", amount="400")
    assert verdict.allowed
    assert verdict.decision.approval is not None
    assert house.kinds() == [
        "policy.loaded", "decision.made", "approval.requested", "approval.answered",
        "approval.consumed", "decision.made", "effect.started",
    ]  # fmt: skip
    assert house.control.transactions[-1] == ["approval.consumed", "decision.made", "effect.started"]
    approval = house.control.approval(verdict.decision.approval)
    assert (approval.state, approval.by) == (ApprovalState.CONSUMED, "ada")
    assert house.body("effect.started")["binding"] == approval.binding


def test_an_approval_is_for_one_call_only(card: RateCard) -> None:
    asked: list[str] = []

    def once(house: House, _ns: int) -> None:
        for waiting in house.control.approvals(state="waiting"):
            word = "rejected" if asked else "approved"
            asked.append(waiting.id)
            answer(house.control, house.clock, house.ids, waiting.id, word, by="ada", note=None)

    house = House(card, waiter=once)
    assert house.ask(REFUND, id="1", amount="400").allowed
    second = house.ask(REFUND, id="1", amount="400")
    assert not second.allowed
    assert len(asked) == 2
    assert "rejected by ada" in second.decision.reasons
    assert second.text == f"{DENIED} Refunds over 100 need a yes from finance."


def test_silence_is_a_no(card: RateCard) -> None:
    house = House(card, approval_timeout_ns=3_000_000_000)
    verdict = house.ask(REFUND, id="1", amount="400")
    assert not verdict.allowed
    assert house.waits == 15
    assert house.control.approvals()[0].state is ApprovalState.EXPIRED
    assert "nobody answered in time" in verdict.decision.reasons
    with pytest.raises(Conflict):
        answer(
            house.control, house.clock, house.ids, house.control.approvals()[0].id, "approved", "ada", None
        )


def test_arguments_changed_while_waiting_are_not_what_was_approved(card: RateCard) -> None:
    arguments: dict[str, Any] = {"id": "1", "amount": "400"}

    def swap(house: House, ns: int) -> None:
        arguments["amount"] = "90000"
        yes(house, ns)

    house = House(card, waiter=swap)
    call = ToolCall("r1", "s1", "desk", "refund", "d", arguments)
    verdict = house.guard.before_tool(call, REFUND)
    assert not verdict.allowed
    assert "effect.started" not in house.kinds()


def test_a_run_stopped_while_waiting_does_not_go_on(card: RateCard) -> None:
    from tallystick.model.journal import Draft

    def stop(house: House, ns: int) -> None:
        yes(house, ns)
        house.control.append(
            [Draft("run.stopped", "r1", {"run": "r1", "by": "operator", "reason": "switch", "detail": {}})]
        )

    house = House(card, waiter=stop)
    with pytest.raises(Stopped):
        house.ask(REFUND, id="1", amount="400")
    assert "effect.started" not in house.kinds()


def test_nobody_is_asked_for_what_could_not_be_allowed_anyway(card: RateCard) -> None:
    house = House(card, waiter=yes)
    assert not house.ask(REFUND, agent="stranger", id="1", amount="400").allowed
    assert house.control.approvals() == []


def test_two_people_cannot_both_answer(card: RateCard) -> None:
    house = House(card)
    house.guard._outbox.flush()
    done = threading.Event()
    results: list[str] = []

    def both(house: House, ns: int) -> None:
        if done.is_set():
            return
        waiting = house.control.approvals(state="waiting")[0]
        for who, word in (("ada", "rejected"), ("bob", "approved")):
            try:
                answer(house.control, house.clock, house.ids, waiting.id[:-1], word, who)
                results.append(who)
            except Conflict:
                results.append("conflict")
        done.set()

    house._waiter = both
    assert not house.ask(REFUND, id="1", amount="400").allowed
    assert results == ["ada", "conflict"]


# -- stops ----------------------------------------------------------------------------------------------------------


def test_too_many_denials_stop_the_run(card: RateCard) -> None:
    house = House(card, most_denials=3)
    for _ in range(2):
        assert not house.ask(REFUND, agent="stranger", id="1", amount="1").allowed
    with pytest.raises(Stopped) as caught:
        house.ask(REFUND, agent="stranger", id="1", amount="1")
    assert caught.value.detail["by"] == "denials"
    assert house.body("run.stopped")["by"] == "denials"
    with pytest.raises(Stopped):
        house.ask(LOOK, id="1")
    with pytest.raises(Stopped):
        house.guard.before_model(model_call())
    assert house.ask(LOOK, run="r2", id="1").allowed


def test_a_loop_climbs_the_ladder(card: RateCard) -> None:
    house = House(card)
    verdicts = [house.use(LOOK, result={"state": "open"}, id="7") for _ in range(4)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
    assert [verdict.looping for verdict in verdicts] == [False, True, True, True]
    assert [bool(verdict.warning) for verdict in verdicts] == [False, False, True, False]
    assert verdicts[3].text == LOOPING
    with pytest.raises(Stopped) as caught:
        house.use(LOOK, result={"state": "open"}, id="7")
    assert caught.value.detail["by"] == "loop"
    assert house.body("run.stopped")["detail"] == {"rule": "R1", "repeats": 5, "tool": "look"}
    answers = [entry.body["answer"] for entry in house.control.entries(kind="decision.made")]
    assert answers == ["allow"] * 3 + ["deny"] * 2


def test_a_broken_store_lets_no_effect_through(card: RateCard) -> None:
    house = House(card)
    assert house.ask(LOOK, id="1").allowed
    house.control.broken = StoreFault("the disk is gone")
    with pytest.raises(StoreFault):
        house.ask(REFUND, id="1", amount="1")
    assert house.ask(LOOK, id="2").allowed
    house.control.broken = None
    house.guard.flush()
    assert house.kinds().count("decision.made") == 2


# -- money ----------------------------------------------------------------------------------------------------------


def model_call(run: str = "r1", model: str = "gpt-4o-mini", **request: Any) -> ModelCall:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "hello there"}],
        "max_tokens": 1000,
        **request,
    }
    return ModelCall(run, "s", "desk", "w", "openai", model, body)


def test_without_a_budget_nothing_is_held(card: RateCard) -> None:
    house = House(card)
    assert house.guard.before_model(model_call()) == Permit(None)
    house.guard.after_model(model_call(), Permit(None), Usage(1, 1), model=None)
    assert house.kinds() == []


def test_a_run_budget_is_held_and_settled(card: RateCard) -> None:
    house = House(card)
    house.guard.open_run("r1", budget_nano=1_000_000)
    call = model_call()
    permit = house.guard.before_model(call)
    assert permit.hold is not None
    assert permit.max_tokens is None
    budget = house.control.budgets("run:r1")[0]
    assert budget.held_nano == permit.held_nano >= 600_000
    house.guard.after_model(call, permit, Usage(10, 100), model="gpt-4o-mini-2024-07-18")
    budget = house.control.budgets("run:r1")[0]
    assert (budget.held_nano, budget.spent_nano) == (0, 1_500 + 60_000)
    with pytest.raises(Conflict):
        house.guard.after_model(call, permit, Usage(10, 100), model=None)


def test_unknown_usage_settles_at_what_was_held(card: RateCard) -> None:
    house = House(card, run_budget_nano=1_000_000)
    permit = house.guard.before_model(model_call())
    house.guard.after_model(model_call(), permit, None, model=None)
    assert house.control.budgets("run:r1")[0].spent_nano == permit.held_nano
    assert house.body("hold.settled")["basis"] == "assumed"


def test_the_cap_shrinks_to_what_is_left_then_the_run_stops(card: RateCard) -> None:
    house = House(card, run_budget_nano=500_000)
    permit = house.guard.before_model(model_call(max_tokens=5000))
    assert permit.max_tokens is not None
    assert 256 <= permit.max_tokens < 900
    with pytest.raises(OverBudget) as caught:
        house.guard.before_model(model_call())
    assert caught.value.detail["by"] == "budget"
    assert house.body("run.stopped")["by"] == "budget"
    with pytest.raises(Stopped):
        house.guard.before_model(model_call())


def test_what_cannot_be_priced_is_refused_under_a_hard_budget(card: RateCard) -> None:
    for call in (model_call(model="made-up"), model_call(previous_response_id="x")):
        house = House(card, run_budget_nano=10**12)
        with pytest.raises(OverBudget) as caught:
            house.guard.before_model(call)
        assert "priced" in caught.value.message
    assert House(card).guard.before_model(model_call(model="made-up")) == Permit(None)


def test_a_budget_for_every_run_holds_for_each(card: RateCard) -> None:
    from tallystick.model.journal import Draft

    house = House(card, run_budget_nano=10**12)
    body = {"budget": "each", "scope": "run:*", "limit_nano": 700_000, "mode": "hard"}
    house.control.append([Draft("budget.set", "each", body)])
    for run in ("r1", "r2"):
        assert house.guard.before_model(model_call(run)).hold is not None
        with pytest.raises(OverBudget):
            house.guard.before_model(model_call(run))


def test_a_priced_tool_is_paid_once_it_ran(card: RateCard) -> None:
    house = House(card, run_budget_nano=8_000)
    call = house.call("refund", id="1", amount="1")
    verdict = house.guard.before_tool(call, REFUND)
    assert house.control.transactions[-1][-3:] == ["hold.taken", "decision.made", "effect.started"]
    house.guard.after_tool(call, verdict, EffectOutcome.DID_NOT_HAPPEN, result=None, error="OrderError: no")
    assert house.control.budgets("run:r1")[0].spent_nano == 0
    house.use(REFUND, id="1", amount="2")
    assert house.control.budgets("run:r1")[0].spent_nano == 5_000
    with pytest.raises(OverBudget):
        house.use(REFUND, id="1", amount="3")
    assert house.control.budgets("run:r1")[0].held_nano == 0
    assert house.body("run.stopped")["by"] == "budget"


def test_many_threads_never_overspend_and_leak_no_hold(card: RateCard) -> None:
    house = House(card, run_budget_nano=5_000_000)
    stops: list[str] = []

    def work() -> None:
        for _ in range(10):
            call = model_call()
            try:
                permit = house.guard.before_model(call)
            except (OverBudget, Stopped) as error:
                stops.append(error.code)
                return
            house.guard.after_model(call, permit, Usage(20, permit.max_tokens or 1000), model=None)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    budget = house.control.budgets("run:r1")[0]
    assert budget.spent_nano <= budget.limit_nano
    assert budget.held_nano == 0
    assert stops
