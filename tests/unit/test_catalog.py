"""The catalog over both real stores: what recorded runs say of declared agents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_shop import HOSTILE, declared, drafts

from tallystick.adapters.ids import TimeIds
from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.memory.traces import MemoryTraces
from tallystick.adapters.sqlite import SqliteControl, SqliteTraces
from tallystick.app.recording.record import Recorder
from tallystick.app.registry.catalog import Catalog
from tallystick.app.registry.uses import UseLister
from tallystick.cost.rates import load_card
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.span import Source, Span
from tallystick.testing import FakeClock

SECOND = 10**9
SOURCE = Source({"service.name": "shop"}, "tallystick", "1")


class House:
    """Both stores of one kind, with what writes and reads them."""

    def __init__(self, control: Any, traces: Any, clock: FakeClock) -> None:
        self.control, self.traces, self.clock = control, traces, clock
        self.catalog = Catalog(control, traces, clock)
        self._recorder = Recorder(traces, load_card([]), clock)
        self._lister = UseLister(traces, control, clock)
        self._spans = 0

    def run(self, number: int, agent: str, *tools: tuple[str, bool], failed: bool = False) -> None:
        """One run that ended, with its tool calls; True: the call had an error."""
        root = self._span(
            number, None, failed, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent}
        )
        calls = [
            self._span(number, root.span, error, {
                "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool, "gen_ai.agent.name": agent,
            })
            for tool, error in tools
        ]  # fmt: skip
        assert not self._recorder.record([root, *calls]).rejected
        self.clock.advance(seconds=600)
        self._lister.list_due()

    def _span(self, run: int, parent: str | None, failed: bool, attributes: dict[str, Any]) -> Span:
        self._spans += 1
        begun = self.clock.now() + self._spans
        status = 2 if failed else 1
        return Span(f"{run:032x}", f"{self._spans:016x}", parent, "work", begun, begun + SECOND, SOURCE, 0, status,
                    attributes=attributes)  # fmt: skip


@pytest.fixture(params=["memory", "sqlite"])
def house(request: Any, tmp_path: Path) -> Iterator[House]:
    clock = FakeClock()
    if request.param == "memory":
        control: Any = MemoryControl(clock=clock, ids=TimeIds())
        traces: Any = MemoryTraces()
    else:
        control = SqliteControl(tmp_path / "control.db", clock=clock, ids=TimeIds())
        traces = SqliteTraces(tmp_path / "traces.db")
    for draft in drafts():
        control.append([draft])
    yield House(control, traces, clock)
    traces.close()
    control.close()


def measured(signal: dict[str, Any]) -> tuple[float | None, int]:
    return signal["value"], signal["n"]


def test_the_four_signals_are_measured_over_the_agents_own_runs(house: House) -> None:
    house.run(1, "refunds", ("refund", False), ("refund", True))
    house.run(2, "refunds", ("refund", False), failed=True)
    house.run(3, "reader", ("find_order", False))
    found = house.catalog.signals("refunds")
    assert found["runs"] == 2
    assert measured(found["completion"]) == (0.5, 2)
    assert measured(found["tool_calls"]) == (2 / 3, 3)
    assert measured(found["adherence"]) == (1.0, 3)
    assert measured(found["cost_per_run_nano_usd"]) == (None, 0)  # nobody knows what the agent's steps cost
    assert house.catalog.signals("refunds", "1m")["runs"] == 0
    with pytest.raises(BadInput):
        house.catalog.signals("refunds", "soon")


def test_what_runs_show_is_known_at_once_and_so_is_what_is_declared(house: House) -> None:
    assert house.catalog.objects("agent", "shadow")["total"] == 0
    house.run(1, "shade" + HOSTILE, ("wire", False))
    (row,) = house.catalog.objects("agent", "shadow")["objects"]
    assert (row["name"], row["standing"], row["runs"]) == ("shade" + HOSTILE, "observed only", 1)
    house.control.append(
        [declared("agent", "shade" + HOSTILE.replace("\x1b", "").replace("\x9b", ""), tools=[])]
    )
    assert (
        house.catalog.objects("agent", "missing:owner -shadow")["total"] == 3
    )  # reader, writer and the new one


def test_a_drifted_agent_is_found_and_says_where(house: House) -> None:
    house.run(1, "writer", ("refund", False))
    (row,) = house.catalog.objects("agent", "drifted")["objects"]
    assert (row["name"], row["differences"]) == ("writer", 1)
    (difference,) = house.catalog.object("agent", "writer")["differences"]
    assert (difference["what"], difference["name"], difference["declared"]) == ("tool", "refund", "none")
    assert difference["run"] == f"{1:032x}"


def test_what_is_reached_is_drawn_with_what_was_used(house: House) -> None:
    house.run(1, "refunds", ("refund", False))
    found = house.catalog.reach("name:refunds kind:agent")
    edges = {(edge["from"], edge["to"]): (edge["how"], edge["used"] is not None) for edge in found["edges"]}
    assert edges["agent:refunds", "tool:refund"] == ("granted", True)
    assert edges["agent:refunds", "tool:spare"] == ("granted", False)
    assert edges["tool:find_order", "data:orders"] == ("touches", False)
    assert edges["tool:refund", "class:payment"] == ("touches", False)
    assert edges["agent:reader", "agent:refunds"] == ("granted", False)
    assert found["more"] == 0
    assert {node["id"] for node in found["nodes"]} == {one for edge in edges for one in edge}


def test_a_retired_object_is_kept_apart(house: House) -> None:
    from tallystick.registry.drafts import retired_draft

    house.control.append([retired_draft("agent", "writer", actor="ann")])
    assert "writer" not in [row["name"] for row in house.catalog.objects("agent")["objects"]]
    (row,) = house.catalog.find("lifecycle:retired")["objects"]
    assert (row["name"], row["lifecycle"], row["declared"]) == ("writer", "retired", False)
    assert house.catalog.object("agent", "writer")["versions"][0]["current"]


def test_what_waits_for_a_person_is_listed(house: House) -> None:
    (one,) = house.catalog.quarantine()["definitions"]
    assert (one["tool"], one["differs"], one["before"]["description"]) == (
        "refund",
        ["description"],
        "Pay back.",
    )


@pytest.mark.parametrize("type", ["agents", "thing", ""])
def test_a_type_that_does_not_exist_is_refused(house: House, type: str) -> None:
    with pytest.raises(BadInput):
        house.catalog.objects(type)


def test_a_version_that_does_not_exist_is_refused(house: House) -> None:
    for ref in ("refunds@", "refunds@zzz", "nobody@1.0.0"):
        with pytest.raises(UnknownThing):
            house.catalog.object("agent", ref)
    with pytest.raises(UnknownThing):
        house.catalog.diff("agent", "refunds", "0.0.1")


def test_what_a_run_used_is_known_as_soon_as_it_is_listed(house: House) -> None:
    house.run(1, "writer")
    before = house.catalog.object("agent", "writer")["uses"]
    run = house._span(
        2, None, False, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "writer"}
    )
    call = house._span(2, run.span, False, {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "late", "gen_ai.agent.name": "writer",
    })  # fmt: skip
    house._recorder.record([run, call])
    house.clock.advance(seconds=600)
    assert (
        house.catalog.object("agent", "writer")["uses"] == before
    )  # asked between the end of a run and its listing
    house._lister.list_due()
    assert "late" in [one["name"] for one in house.catalog.object("agent", "writer")["uses"]]


def test_an_agent_that_only_takes_part_is_measured_by_what_it_did_itself(house: House) -> None:
    lead = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "lead"}
    root = house._span(7, None, False, lead)
    call = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "dig"}
    spans = [
        root,
        house._span(
            7, root.span, False, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
        ),
        house._span(7, root.span, False, {**call, "gen_ai.agent.name": "helper"}),
        house._span(7, root.span, True, {**call, "gen_ai.agent.name": "helper"}),
        house._span(7, root.span, True, {**call, "gen_ai.agent.name": "lead"}),
    ]
    assert not house._recorder.record(spans).rejected
    house.clock.advance(seconds=600)
    house._lister.list_due()
    helper, leader = house.catalog.signals("helper"), house.catalog.signals("lead")
    assert (helper["took_part"], helper["runs"], measured(helper["completion"])) == (True, 1, (1.0, 1))
    assert measured(helper["tool_calls"]) == (0.5, 2)
    assert measured(helper["adherence"]) == (None, 0)
    assert (leader["took_part"], measured(leader["tool_calls"])) == (False, (1 / 3, 3))
