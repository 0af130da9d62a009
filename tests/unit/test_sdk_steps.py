"""Runs, agents, handoffs and scores: what is recorded, and that the host's program behaves as if nothing were there."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import json
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sdk_kit import Kit, installed

from tallystick.model.errors import BadInput, OverBudget, Stopped
from tallystick.observe.normalise import read_span
from tallystick.sdk.agents import agent
from tallystick.sdk.edge import faults, swallow_under_tests
from tallystick.sdk.marks import handoff, score
from tallystick.sdk.place import carry, here
from tallystick.sdk.running import run
from tallystick.sdk.tools import tool


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    with installed(tmp_path / "spool", agent="desk") as made:
        yield made


def test_a_run_records_goal_plan_output_and_how_it_ended(kit: Kit) -> None:
    with run(
        goal="Resolve 4711", workflow="support", agent="refunds", version="1.4.0", budget="0.50"
    ) as handle:
        handle.plan(["look up", {"then": "refund"}])
        handle.output("done")
    root = kit.named("run support")
    assert handle.id == root.trace == root.attributes["tallystick.run.id"]
    assert root.parent is None
    assert root.attributes["tallystick.run.goal"] == "Resolve 4711"
    assert root.attributes["tallystick.run.root"] is True
    assert root.attributes["tallystick.run.status"] == "ok"
    assert root.attributes["tallystick.run.steps"] == 3
    assert root.attributes["tallystick.agent.name"] == "refunds"
    assert root.attributes["tallystick.agent.version"] == "1.4.0"
    assert root.attributes["tallystick.workflow.name"] == "support"
    assert root.attributes["tallystick.output"] == "done"
    assert json.loads(kit.named("plan").attributes["tallystick.plan"]) == ["look up", {"then": "refund"}]
    assert [span.attributes["tallystick.seq"] for span in kit.spans()] == [1, 2, 3]
    (start,) = kit.started()
    assert start.span == root.span
    assert start.attributes["tallystick.start_record"] is True
    assert start.attributes["tallystick.process"].count("/") == 3


def test_a_run_fails_stops_or_passes_exceptions_through(kit: Kit) -> None:
    with pytest.raises(KeyError), run(workflow="a"):
        raise KeyError("x")
    with run(workflow="b") as handle:
        handle.fail("not found")
    with pytest.raises(OverBudget), run(workflow="c"):
        raise OverBudget("too dear")
    with pytest.raises(Stopped), run(workflow="d"):
        raise Stopped("again and again", by="loop")
    status = {span.name: span.attributes["tallystick.run.status"] for span in kit.spans()}
    assert status == {"run a": "failed", "run b": "failed", "run c": "stopped", "run d": "stopped"}
    assert kit.named("run a").attributes["error.type"] == "KeyError"
    assert kit.named("run b").status_message == "not found"
    assert kit.named("run c").attributes["tallystick.run.stopped_by"] == "budget"
    assert kit.named("run d").attributes["tallystick.run.stopped_by"] == "loop"


def test_a_budget_that_is_no_amount_is_refused() -> None:
    with pytest.raises(BadInput):
        run(budget="a lot")


def test_the_agent_that_was_given_is_the_agent_of_its_workflows_run(kit: Kit) -> None:
    with run(workflow="support"):
        agent(name="writer")(lambda: None)()
    with run(workflow="support", agent="reviewer"):
        agent(name="writer")(lambda: None)()
    whose = [read_span(span)[0][0].agent for span in kit.spans() if span.name == "run support"]
    assert whose == ["desk", "reviewer"]


def test_an_agent_opens_a_run_or_joins_the_one_around_it(kit: Kit) -> None:
    @agent(name="writer", version="2", workflow="letters")
    def write(topic: str, *, tone: str = "kind") -> str:
        return f"{tone} {topic}"

    assert write("rain") == "kind rain"
    with run(workflow="outer"):
        assert write("snow", tone="harsh") == "harsh snow"
    alone, inside = (span for span in kit.spans() if span.name == "invoke_agent writer")
    assert alone.attributes["tallystick.run.root"] is True
    assert alone.attributes["tallystick.input"] == "rain"
    assert alone.attributes["tallystick.output"] == "kind rain"
    assert "tallystick.run.root" not in inside.attributes
    assert json.loads(inside.attributes["tallystick.input"]) == {"topic": "snow", "tone": "harsh"}
    assert inside.attributes["tallystick.workflow.name"] == "outer"
    assert inside.attributes["tallystick.agent.version"] == "2"
    assert inside.parent == kit.named("run outer").span


def test_agents_of_every_shape_keep_their_shape(kit: Kit) -> None:
    @agent
    def plain_one(a: int, b: int = 2) -> int:
        """Adds."""
        return a + b

    @agent
    async def async_one(a: int) -> int:
        return a

    @agent
    def generating() -> Iterator[int]:
        yield 1

    @agent
    async def async_generating() -> AsyncIterator[int]:
        yield 1

    assert plain_one.__doc__ == "Adds."
    assert str(inspect.signature(plain_one)) == "(a: 'int', b: 'int' = 2) -> 'int'"
    assert inspect.iscoroutinefunction(async_one)
    assert inspect.isgeneratorfunction(generating)
    assert inspect.isasyncgenfunction(async_generating)
    assert plain_one(1) == 3
    assert asyncio.run(async_one(4)) == 4
    assert len(kit.spans()) == 2


def test_a_generator_sees_its_own_place_and_its_caller_does_not(kit: Kit) -> None:
    outside: list[str | None] = []

    @tool(effect="read")
    def look(number: int) -> int:
        return number

    @agent(name="stream")
    def stream() -> Iterator[int]:
        received = 0
        while received < 3:
            received += (yield look(received)) or 0
        return

    with run(workflow="w"):
        body = stream()
        item = next(body)
        while True:
            place = here()
            outside.append(place.agent if place else None)
            try:
                item = body.send(1)
            except StopIteration:
                break
    assert outside == ["desk"] * 3
    assert item == 2
    parent = kit.named("invoke_agent stream")
    looks = [span for span in kit.spans() if span.name == "execute_tool look"]
    assert [span.parent for span in looks] == [parent.span] * 3
    assert {span.attributes["tallystick.agent.name"] for span in looks} == {"stream"}
    assert parent.attributes["tallystick.output"] == "012"


def test_abandoned_and_failing_generators_end_their_step(kit: Kit) -> None:
    @agent(name="left")
    def left() -> Iterator[int]:
        yield 1
        yield 2

    @agent(name="broken")
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    body = left()
    assert next(body) == 1
    del body
    gc.collect()
    never = left()
    del never
    with pytest.raises(ValueError, match="no"):
        list(broken())
    step = kit.named("invoke_agent left")
    assert [event.name for event in step.events] == ["abandoned"]
    assert step.status == 0
    assert kit.named("invoke_agent broken").status == 2


def test_throw_and_return_values_reach_a_generator(kit: Kit) -> None:
    @agent
    def resilient() -> Iterator[str]:
        try:
            yield "first"
        except KeyError:
            yield "caught"
        return "end"

    def outer() -> Iterator[str]:
        got = yield from resilient()
        yield got

    body = outer()
    assert next(body) == "first"
    assert body.throw(KeyError("x")) == "caught"
    assert next(body) == "end"


def test_async_generators_nest_end_and_may_be_abandoned(kit: Kit) -> None:
    @agent(name="inner")
    async def inner() -> str:
        await asyncio.sleep(0)
        return "x"

    @agent(name="outer")
    async def outer() -> AsyncIterator[str]:
        with run(workflow="nested"):  # left open across yields: must not leak into the consumer
            yield await inner()
            yield await inner()

    async def main() -> tuple[list[str], list[str | None]]:
        places, items = [], []
        async for item in outer():
            items.append(item)
            place = here()
            places.append(place.workflow if place else None)
        partly = outer()
        async for _ in partly:
            break
        await partly.aclose()
        return items, places

    items, places = asyncio.run(main())
    assert items == ["x", "x"]
    assert places == [None, None]
    outers = [span for span in kit.spans() if span.name == "invoke_agent outer"]
    assert [[event.name for event in span.events] for span in outers] == [[], ["abandoned"]]
    nested = [span for span in kit.spans() if span.name == "run nested"]
    assert len(nested) == 2
    assert nested[0].links[0].span == outers[0].span
    assert len([span for span in kit.spans() if span.name == "invoke_agent inner"]) == 3


def test_gather_to_thread_and_carry_stay_in_the_run(kit: Kit) -> None:
    @agent(name="worker")
    async def worker(number: int) -> int:
        await asyncio.sleep(0)
        return await asyncio.to_thread(deep, number)

    @tool(effect="read")
    def deep(number: int) -> int:
        return number * 2

    async def main() -> list[int]:
        with run(workflow="fan out"):
            found = await asyncio.gather(*(worker(number) for number in range(10)))
            with ThreadPoolExecutor(3) as pool:
                found += list(pool.map(carry(deep), range(5)))
            return found

    assert asyncio.run(main()) == [n * 2 for n in range(10)] + [n * 2 for n in range(5)]
    spans = kit.spans()
    root = kit.named("run fan out")
    assert {span.attributes["tallystick.run.id"] for span in spans} == {root.trace}
    assert sorted(span.attributes["tallystick.seq"] for span in spans) == list(range(1, 27))
    assert root.attributes["tallystick.run.steps"] == 26
    workers = {span.span for span in spans if span.name == "invoke_agent worker"}
    parents = [span.parent for span in spans if span.name == "execute_tool deep"]
    assert sum(parent in workers for parent in parents) == 10
    assert parents.count(root.span) == 5


def test_a_thread_without_carry_is_outside_the_run(kit: Kit) -> None:
    found: list[object] = []
    with run():
        thread = threading.Thread(target=lambda: found.append(here()))
        thread.start()
        thread.join()
        carried = threading.Thread(target=carry(lambda: found.append(here())))
        carried.start()
        carried.join()
    assert found[0] is None
    assert found[1] is not None


def test_nested_runs_are_their_own_and_the_outer_place_comes_back(kit: Kit) -> None:
    with run(workflow="outer") as outer:
        with run(goal="sub", workflow="inner") as inner:
            assert inner.id != outer.id
        place = here()
        assert place is not None
        assert place.state.run == outer.id
    assert kit.named("run inner").parent is None
    assert kit.named("run inner").links[0].span == kit.named("run outer").span
    assert here() is None


def test_handoffs_said_in_passing_and_entered(kit: Kit) -> None:
    @agent(name="writer")
    def writer() -> None:
        return None

    with run(workflow="w"):
        handoff("reader", reason="in passing", payload={"page": 3})
        with handoff("writer", reason="entered"):
            writer()
        kept = handoff("late")
    assert kept is not None
    said, entered = kit.named("handoff to reader"), kit.named("handoff to writer")
    assert said.attributes["tallystick.handoff.from"] == "desk"
    assert json.loads(said.attributes["tallystick.handoff.payload"]) == {"page": 3}
    assert kit.named("invoke_agent writer").parent == entered.span
    assert said.ended is not None
    assert entered.started >= said.ended  # a handoff said in passing is over at once
    assert kit.named("handoff to late").ended is not None


def test_scores_are_recorded_as_evaluation_steps(kit: Kit) -> None:
    with run():
        score("faithful", True, explanation="quoted")
        score("tone", "kind")
        score("length", 0.25)
    assert kit.named("score faithful").attributes["gen_ai.evaluation.score.label"] == "pass"
    assert kit.named("score tone").attributes["gen_ai.evaluation.score.label"] == "kind"
    assert kit.named("score length").attributes["gen_ai.evaluation.score.value"] == 0.25
    assert kit.named("score length").events[0].name == "gen_ai.evaluation.result"


def test_faults_of_ours_are_contained_counted_and_raised_under_pytest(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    @agent(name="fine")
    def fine() -> str:
        return "fine"

    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("tallystick.sdk.agents.open_run", broken)
    with pytest.raises(RuntimeError, match="ours"):
        fine()
    before = swallow_under_tests(True)
    try:
        count = faults().get("agent.begin", 0)
        assert fine() == "fine"
        assert faults()["agent.begin"] == count + 1
    finally:
        swallow_under_tests(before)


def test_without_an_installed_recording_everything_is_a_plain_call() -> None:
    @agent
    def one(x: int) -> int:
        return x

    @tool(effect="write")
    def two(x: int) -> int:
        return x

    with run(goal="g") as handle:
        assert one(1) + two(2) == 3
        handle.plan(["x"])
        handle.output("y")
        handle.fail("z")
        with handoff("w"):
            score("s", 1)
    assert handle.id is None


def test_context_variables_of_the_host_survive(kit: Kit) -> None:
    colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")

    @agent
    def paints() -> None:
        colour.set("red")

    paints()
    assert colour.get() == "red"
