"""Tools under a guard: what it is asked, what its answers do, and that it fails closed."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sdk_kit import Kit, Obeying, installed, verdict

from tallystick.model.errors import BadInput, OverBudget, Stopped
from tallystick.model.step import Effect, EffectOutcome
from tallystick.sdk.edge import faults
from tallystick.sdk.running import run
from tallystick.sdk.tools import guard, outcome, tool
from tallystick.sdk.toolstep import REFUSED


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    with installed(tmp_path / "spool", guard=Obeying(), agent="desk") as made:
        yield made


def asked(kit: Kit) -> Obeying:
    assert kit.guard is not None
    return kit.guard


def test_an_allowed_call_is_asked_run_told_and_recorded(kit: Kit) -> None:
    @tool(effect="irreversible", data=["payment"], authority=["order", "amount"], price="0.01")
    def refund(order: str, amount: Decimal, note: str = "none") -> dict[str, Any]:
        """Pay money back.

        More words.
        """
        return {"order": order, "amount": amount}

    asked(kit).before = lambda call, declared: verdict(price_nano=declared.price_nano)
    with run(workflow="w") as handle:
        assert refund("A1", amount=Decimal("4.50")) == {"order": "A1", "amount": Decimal("4.50")}
    ((call, declared),) = asked(kit).calls
    assert call.run == handle.id
    assert call.agent == "desk"
    assert call.workflow == "w"
    assert call.seq == 2
    assert call.arguments == {"order": "A1", "amount": "4.50", "note": "none"}
    assert call.tool_digest == declared.digest != ""
    assert declared.effect is Effect.IRREVERSIBLE
    assert declared.description == "Pay money back.\n\nMore words."
    assert declared.arguments == {"order": "string", "amount": "decimal", "note": "string"}
    assert declared.price_nano == 10_000_000
    ((_, ended, result, error),) = asked(kit).ended
    assert (ended, error) == (EffectOutcome.LANDED, None)
    assert result == {"order": "A1", "amount": "4.50"}
    step = kit.named("execute_tool refund")
    assert step.span == call.step
    facts = step.attributes
    assert facts["tallystick.decision"] == "allow"
    assert facts["tallystick.decision.id"] == "dec_1"
    assert facts["tallystick.decision.reasons"] == ["rule 1"]
    assert facts["tallystick.effect"] == "irreversible"
    assert facts["tallystick.effect.outcome"] == "landed"
    assert facts["tallystick.tool.price_nano_usd"] == 10_000_000
    assert json.loads(facts["gen_ai.tool.call.arguments"]) == {
        "order": "A1",
        "amount": "4.50",
        "note": "none",
    }
    assert facts["tallystick.data.classes"] == ["payment"]


SHAPES = ["sync", "async", "generator", "async generator", "returns awaitable", "staticmethod"]


def shaped(shape: str, ran: list[int]) -> Any:
    def sync(x: int) -> int:
        ran.append(x)
        return x

    async def coroutine(x: int) -> int:
        ran.append(x)
        return x

    def generating(x: int) -> Iterator[int]:
        ran.append(x)
        yield x

    async def async_generating(x: int) -> AsyncIterator[int]:
        ran.append(x)
        yield x

    def returns_awaitable(x: int) -> Any:
        return coroutine(x)

    if shape == "staticmethod":

        class Holder:
            held = tool(effect="write")(staticmethod(sync))

        return Holder.held
    bodies = {
        "sync": sync, "async": coroutine, "generator": generating, "async generator": async_generating,
        "returns awaitable": returns_awaitable,
    }  # fmt: skip
    return tool(effect="write", name="shaped")(bodies[shape])


def outcome_of(shape: str, function: Any) -> Any:
    async def collect() -> list[Any]:
        return [item async for item in function(1)]

    async def awaited() -> Any:
        found = function(1)
        return await found if inspect.isawaitable(found) else found

    if shape == "generator":
        return list(function(1))
    if shape == "async generator":
        return asyncio.run(collect())
    if shape in ("async", "returns awaitable"):
        return asyncio.run(awaited())
    return function(1)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_denied_call_never_runs_and_its_text_is_the_answer(kit: Kit, shape: str) -> None:
    ran: list[int] = []
    asked(kit).before = lambda _call, _declared: verdict(False, "No. Refunds need a reason.")
    answer = outcome_of(shape, shaped(shape, ran))
    assert answer in ("No. Refunds need a reason.", ["No. Refunds need a reason."])
    assert ran == []
    assert asked(kit).ended == []
    (step,) = kit.spans()
    assert step.attributes["tallystick.decision"] == "deny"
    assert step.attributes["tallystick.effect.outcome"] == "did not happen"
    assert step.attributes["gen_ai.tool.call.result"] == "No. Refunds need a reason."
    assert "tallystick.tool.price_nano_usd" not in step.attributes


@pytest.mark.parametrize("shape", SHAPES)
def test_an_allowed_call_of_every_shape_runs_once(kit: Kit, shape: str) -> None:
    ran: list[int] = []
    assert outcome_of(shape, shaped(shape, ran)) in (1, [1])
    assert ran == [1]
    assert [ended[1] for ended in asked(kit).ended] == [EffectOutcome.LANDED]
    assert len(kit.spans()) == 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stop", [Stopped("loop", by="loop"), OverBudget("dear")])
def test_what_ends_the_run_is_raised_even_when_the_agent_swallows_it(
    kit: Kit, shape: str, stop: Exception
) -> None:
    ran: list[int] = []

    def before(_call: object, _declared: object) -> Any:
        raise stop

    asked(kit).before = before
    with run(workflow="w"), pytest.raises(type(stop)):
        outcome_of(shape, shaped(shape, ran))
    assert ran == []
    root = kit.named("run w")
    assert root.attributes["tallystick.run.status"] == "stopped"
    assert root.attributes["tallystick.run.stopped_by"] == ("loop" if isinstance(stop, Stopped) else "budget")
    (step,) = (span for span in kit.spans() if span.name.startswith("execute_tool"))
    assert step.attributes["tallystick.stopped"]


@pytest.mark.parametrize(
    ("effect", "closed_reads", "runs"),
    [
        (None, False, False), ("write", False, False), ("irreversible", False, False), ("read", False, True),
        ("read", True, False), ("none", True, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", ["sync", "async"])
def test_a_guard_that_breaks_fails_closed(
    tmp_path: Path, effect: str | None, closed_reads: bool, runs: bool, shape: str
) -> None:
    ran: list[int] = []
    with installed(tmp_path / "spool", guard=Obeying(), closed_reads=closed_reads) as kit:

        def before(_call: object, _declared: object) -> Any:
            raise RuntimeError("database is gone: password=hunter2")

        asked(kit).before = before

        @tool(effect=effect)
        def act() -> str:
            ran.append(1)
            return "ran"

        @tool(effect=effect, name="act")
        async def async_act() -> str:
            ran.append(1)
            return "ran"

        count = faults().get("guard.before_tool", 0)
        answer = act() if shape == "sync" else asyncio.run(async_act())
        assert answer == ("ran" if runs else REFUSED)
        assert ran == ([1] if runs else [])
        assert faults()["guard.before_tool"] == count + 1
        step = kit.named("execute_tool act")
        assert step.attributes["tallystick.decision"] == ("not evaluated" if runs else "deny")
        assert "hunter2" not in str(step.attributes)


def test_arguments_that_cannot_be_judged_are_refused(kit: Kit) -> None:
    ran: list[int] = []

    @tool(effect="write")
    def act(value: object) -> None:
        ran.append(1)

    loop: list[Any] = []
    loop.append(loop)
    assert act(loop) == REFUSED
    assert ran == []
    assert asked(kit).calls == []


def test_arguments_that_do_not_fit_raise_and_run_nothing(kit: Kit) -> None:
    ran: list[int] = []

    def act(**anything: Any) -> None:
        ran.append(1)

    act.__signature__ = inspect.signature(lambda x: x)  # type: ignore[attr-defined]  # a signature that lies
    guarded = guard(act, effect="write")
    with pytest.raises(TypeError):
        guarded(y=1)
    assert ran == []
    assert asked(kit).calls == []
    assert kit.named("execute_tool act").attributes["tallystick.effect.outcome"] == "did not happen"


def test_a_failing_tool_leaves_its_effect_in_doubt_unless_it_says_otherwise(kit: Kit) -> None:
    @tool(effect="write")
    def breaks() -> None:
        raise ConnectionError("reset")

    @tool(effect="write")
    def knows() -> None:
        outcome("did not happen")
        raise ConnectionError("refused")

    @tool(effect="read")
    def reads() -> None:
        raise ConnectionError("reset")

    @tool(effect="write")
    async def async_knows() -> str:
        outcome(EffectOutcome.IN_DOUBT)
        await asyncio.sleep(0)
        return "sent"

    for function in (breaks, knows, reads):
        with pytest.raises(ConnectionError):
            function()
    assert asyncio.run(async_knows()) == "sent"
    assert [ended[1].value for ended in asked(kit).ended] == [
        "in doubt", "did not happen", "did not happen", "in doubt",
    ]  # fmt: skip
    assert kit.named("execute_tool breaks").attributes["tallystick.effect.outcome"] == "in doubt"
    assert kit.named("execute_tool breaks").attributes["error.type"] == "ConnectionError"
    assert "tallystick.effect.outcome" not in kit.named("execute_tool reads").attributes
    with pytest.raises(BadInput):
        outcome("perhaps")
    outcome("landed")  # outside a tool: nothing happens


def test_a_warning_is_added_to_text_and_the_loop_is_marked(kit: Kit) -> None:
    asked(kit).before = lambda _call, _declared: verdict(warning="You asked this before.", looping=True)

    @tool(effect="read")
    def look(what: str) -> Any:
        return "sunny" if what == "text" else {"sky": "sunny"}

    assert look("text") == "sunny\n\nYou asked this before."
    assert look("else") == {"sky": "sunny"}
    assert all(span.attributes["tallystick.loop"] is True for span in kit.spans())


def test_a_stop_after_the_call_is_raised_and_seen_on_the_step(kit: Kit) -> None:
    def after() -> None:
        raise Stopped("loop", by="loop")

    asked(kit).after = after

    @tool(effect="read")
    def look() -> str:
        return "x"

    with pytest.raises(Stopped), run(workflow="w"):
        look()
    assert kit.named("run w").attributes["tallystick.run.stopped_by"] == "loop"
    step = kit.named("execute_tool look")
    assert step.attributes["tallystick.stopped"]
    assert step.attributes["gen_ai.tool.call.result"] == "x"


def test_a_fault_after_the_call_does_not_hide_the_result(kit: Kit) -> None:
    def after() -> None:
        raise RuntimeError("disk")

    asked(kit).after = after

    @tool(effect="write")
    def act() -> str:
        return "done"

    assert act() == "done"
    assert faults()["guard.after_tool"] >= 1


def test_the_guard_is_asked_beside_the_event_loop(kit: Kit) -> None:
    release = threading.Event()
    order: list[str] = []

    def before(_call: object, _declared: object) -> Any:
        assert release.wait(10)
        order.append("decided")
        return verdict()

    asked(kit).before = before

    @tool(effect="write")
    async def held() -> str:
        return "ran"

    async def main() -> str:
        task = asyncio.create_task(held())
        while not asked(kit).calls:
            await asyncio.sleep(0.001)
        order.append("loop is free")
        release.set()
        return await task

    with run():
        assert asyncio.run(main()) == "ran"
    assert order == ["loop is free", "decided"]
    assert asked(kit).threads[0] != threading.get_ident()


def test_a_call_cancelled_while_it_is_held_settles_what_was_granted(kit: Kit) -> None:
    release, told = threading.Event(), threading.Event()
    ran: list[int] = []

    def before(_call: object, _declared: object) -> Any:
        assert release.wait(10)
        return verdict()

    asked(kit).before = before
    asked(kit).after = told.set

    @tool(effect="write")
    async def held() -> None:
        ran.append(1)

    async def main() -> None:
        task = asyncio.create_task(held())
        while not asked(kit).calls:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()

    asyncio.run(main())
    assert told.wait(10)
    assert ran == []
    assert [(ended[1], ended[3]) for ended in asked(kit).ended] == [
        (EffectOutcome.DID_NOT_HAPPEN, "cancelled before it ran")
    ]
