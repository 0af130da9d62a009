"""Tools under a guard: what it is asked, what its answers do, and that it fails closed."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import threading
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdk_kit import Kit, Obeying, installed, verdict

from tallystick.model.control import Answer
from tallystick.model.errors import BadInput, ConfigError, OverBudget, Stopped
from tallystick.model.step import Effect, EffectOutcome
from tallystick.sdk.agents import agent
from tallystick.sdk.declaring import argument_types
from tallystick.sdk.edge import faults
from tallystick.sdk.running import run
from tallystick.sdk.tools import REFUSED, declaration_of, guard, outcome, tool


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
    assert declared.description == "Pay money back."
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


def test_guarding_keeps_name_signature_and_schema(kit: Kit) -> None:
    def weather(city: str, days: int = 3) -> str:
        """Forecast for a city."""
        return f"{city} {days}"

    class Service:
        def __init__(self, prefix: str) -> None:
            self.prefix = prefix

        @tool(effect="read")
        def ask(self, question: str) -> str:
            return self.prefix + question

        def __call__(self, question: str) -> str:
            return self.prefix + question

    guarded = guard(weather, effect="read")
    assert guarded.__name__ == "weather"
    assert guarded.__doc__ == "Forecast for a city."
    assert inspect.signature(guarded) == inspect.signature(weather)
    assert guarded("Rome", days=1) == "Rome 1"
    assert Service("> ").ask("why") == "> why"
    assert asked(kit).calls[-1][0].arguments == {"question": "why"}
    assert guard(Service("# "), name="service", effect="read")("x") == "# x"
    assert guard(functools.partial(weather, days=9), name="partial", effect="read")("Oslo") == "Oslo 9"
    assert guard(guarded, effect="write") is guarded  # once is enough
    found = declaration_of(guarded)
    assert found is not None
    assert found.effect is Effect.READ


def test_an_undeclared_effect_reaches_the_guard_as_undeclared(kit: Kit) -> None:
    @tool
    def mystery(x: Any, *rest: int, **more: str) -> None:
        return None

    mystery(1, 2, 3, colour="red")
    call, declared = asked(kit).calls[0]
    assert declared.effect is None
    assert declared.arguments == {"x": "record", "rest": "list"}
    assert call.arguments == {"x": 1, "rest": [2, 3], "colour": "red"}


def test_argument_types_come_from_the_signature() -> None:
    def every(
        a: str, b: int, c: bool, d: float, e: Decimal, f: list[str], g: dict[str, int], h: str | None,
        i: Annotated[int, "x"], j: Literal["x", "y"], k: int | str, l: tuple[int, ...], m, n: bytes = b"",  # noqa: E741
    ) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
        return None

    assert argument_types(every) == {
        "a": "string", "b": "long", "c": "bool", "d": "decimal", "e": "decimal", "f": "list", "g": "record",
        "h": "string?", "i": "long", "j": "string", "k": "record", "l": "list", "m": "record", "n": "record",
    }  # fmt: skip


def test_mistakes_in_a_declaration_are_told_at_once() -> None:
    def act(x: int) -> None:
        return None

    with pytest.raises(ConfigError, match="not an effect"):
        tool(effect="destroy")(act)
    with pytest.raises(ConfigError, match="no argument"):
        tool(authority=["y"])(act)
    with pytest.raises(ConfigError, match="recovery"):
        tool(recovery="hope")(act)


def test_the_digest_follows_the_declaration() -> None:
    def act(x: int) -> None:
        return None

    one, two, three = (declaration_of(guard(act, effect=effect)) for effect in ("read", "write", "read"))
    assert one is not None
    assert two is not None
    assert one.digest != two.digest
    assert one == three


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers() | st.text(max_size=5), max_size=3))
def test_what_the_guard_judges_is_what_the_tool_gets(given_arguments: dict[str, Any]) -> None:
    import tempfile

    got: list[dict[str, Any]] = []

    def act(a: Any = 1, b: Any = 2, c: Any = 3) -> None:
        got.append({"a": a, "b": b, "c": c})

    with tempfile.TemporaryDirectory() as folder, installed(Path(folder), guard=Obeying()) as kit:
        guard(act, effect="read")(**given_arguments)
        judged = asked(kit).calls[0][0].arguments
    expected = {
        k: str(v) if isinstance(v, int) and not -(2**63) <= v < 2**63 else v for k, v in got[0].items()
    }
    assert judged == expected


def test_agent_and_run_are_those_of_the_innermost(kit: Kit) -> None:
    @tool(effect="read")
    def look() -> None:
        return None

    @agent(name="inner", version="3")
    def inner() -> None:
        look()

    with run(workflow="w", agent="outer"):
        look()
        inner()
    assert [call.agent for call, _ in asked(kit).calls] == ["outer", "inner"]
    assert [call.seq for call, _ in asked(kit).calls] == [2, 4]


def test_a_held_answer_is_recorded_as_it_is(kit: Kit) -> None:
    asked(kit).before = lambda _call, _declared: verdict(False, "Ask finance.", Answer.HOLD)

    @tool(effect="write")
    def pay() -> None:
        return None

    assert pay() == "Ask finance."
    assert kit.named("execute_tool pay").attributes["tallystick.decision"] == "hold"
