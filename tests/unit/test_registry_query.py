"""The graph and the search of the registry: what every term finds, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.query import REGISTRY, RUNS, moment, parse_query
from tallystick.model.registry import Alias, Card, Channel, Declared, Lifecycle, Shown, Trust, Use
from tallystick.model.step import Effect
from tallystick.registry.graph import Graph
from tallystick.registry.search import covers, find, in_force
from tallystick.registry.snapshot import Snapshot
from tallystick.registry.standing import BOTH, DECLARED_ONLY, DRIFTED, SHADOW, standing_of

DAY = 86_400 * 1_000_000_000
NOW = 1_000 * DAY


def declared(
    type: str, name: str, version: str | None = None, card: Card | None = None, **body: Any
) -> Declared:
    return Declared(
        type, name, f"{type}-{name}".encode().hex().ljust(64, "0"), version, body, card=card or Card()
    )


def shop(*more: Declared, uses: tuple[Use, ...] = ()) -> Graph:
    objects = (
        declared("agent", "desk", "1.0", Card("support", "answers tickets"), tools=["search"], delegates=["refunds"],
                 models=["gpt-5-mini"], workflow="support", autonomy="acts", suites=["answers"]),
        declared("agent", "refunds", None, Card("payments"), tools=["refund", "find_order"], models=["gpt-5"],
                 delegates=["desk"], prompts=["refunds"]),
        declared("agent", "writer", tools=[], models=["opus"]),
        declared("tool", "search", effect="read"),
        declared("tool", "find_order", effect="read", sources=["orders"]),
        declared("tool", "refund", effect="irreversible", data=["payment"]),
        declared("tool", "idle", effect="write"),
        declared("data", "orders", classes=["customer_pii"]),
        declared("policy", "money", card=Card("risk"), scope="touches:payment"),
        declared("suite", "answers", agents=["desk"]),
        declared("agent", "gone", card=Card(lifecycle=Lifecycle.RETIRED), tools=["refund"]),
        *more,
    )  # fmt: skip
    seen = (
        Use("refunds", "tool", "refund", first=NOW - 9 * DAY, last=NOW - 5 * DAY),
        Use("shade", "tool", "wire", first=NOW - DAY, last=NOW - DAY),
        Use("shade", "data", "secret", first=NOW - DAY, last=NOW - DAY),
        Use("shade", "model", "gpt-4", first=NOW - DAY, last=NOW - DAY),
        Use("desk", "evaluation", "answers", first=NOW - DAY, last=NOW - DAY),
        *uses,
    )
    digest = objects[0].digest
    return Graph(
        Snapshot(
            objects,
            aliases=(Alias("agent", "desk", "production", digest, 1, "ada", None),),
            shown=(Shown("refund", Channel.CODE, "d" * 64, Trust.QUARANTINED, "changed", ("description",)),),
            uses=seen,
            budgets=("agent:desk",),
        )
    )


def ask(query: str, graph: Graph | None = None) -> list[str]:
    found = find(graph or shop(), parse_query(query, REGISTRY), now=NOW)
    return [name if kind == "agent" else f"{kind}:{name}" for kind, name in found]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind:agent", ["desk", "refunds", "shade", "writer"]),
        ("name:re*s", ["refunds"]),
        ("kind:agent owner:payments", ["refunds"]),
        ("kind:agent -owner:payments", ["desk", "shade", "writer"]),
        ("env:production", ["desk"]),
        ("version:1.*", ["desk"]),
        ("kind:agent lifecycle:retired", ["gone"]),
        ("autonomy:acts", ["desk"]),
        ("workflow:support", ["desk"]),
        ("TICKETS", ["desk"]),
        ("touches:customer_pii", ["desk", "refunds", "tool:find_order", "data:orders"]),
        ("touches:orders", ["desk", "refunds", "tool:find_order", "data:orders"]),
        ("data:orders", ["desk", "refunds", "tool:find_order", "data:orders"]),
        ("data:payment", []),
        ("touches:secret", ["shade"]),
        ("effect:irreversible", ["desk", "refunds", "tool:refund"]),
        ("kind:tool effect:>=write", ["tool:idle", "tool:refund"]),
        ("kind:agent effect:<write", ["desk", "refunds"]),
        ("tool:refund", ["desk", "refunds"]),
        ("tool:wire", ["shade"]),
        ("model:gpt-*", ["desk", "refunds", "shade"]),
        ("prompt:refunds", ["refunds"]),
        ("delegates-to:refunds", ["desk", "refunds"]),
        ("policy:money", ["desk", "refunds"]),
        ("used:refund", ["refunds"]),
        ("used:payment since:7d", ["refunds"]),
        ("used:refund since:2d", []),
        ("used:refund until:10d", []),
        ("never-used:refund", []),
        ("never-used:refund since:2d", ["refunds"]),
        ("never-used:search", ["desk"]),
        ("kind:agent since:2d", ["desk", "shade"]),
        ("kind:agent -since:2d", ["refunds", "writer"]),
        ("kind:agent missing:owner", ["shade", "writer"]),
        ("missing:budget", ["refunds", "shade", "writer"]),
        ("missing:policy", ["shade", "writer"]),
        ("missing:suite", ["refunds", "shade", "writer"]),
        ("missing:declaration kind:tool", ["tool:wire"]),
        ("kind:agent missing:version", ["refunds", "shade", "writer"]),
        ("kind:agent -missing:purpose", ["desk"]),
        ("unevaluated", ["refunds", "shade", "writer"]),
        ("shadow", ["shade", "tool:wire", "model:gpt-4"]),
        ("quarantined", ["refunds", "tool:refund"]),
        ("kind:tool drifted", ["tool:refund"]),
        ('kind:agent standing:"observed only"', ["shade"]),
        ("kind:agent standing:declared-only", ["writer"]),
    ],
)
def test_a_term_finds_what_it_means(query: str, found: list[str]) -> None:
    assert ask(query) == found


@pytest.mark.parametrize(
    "query",
    ["kind:agents", "effect:wrte", "standing:odd", "missing:everything", "owner:>x", "lifecycle:>draft"],
)
def test_a_value_that_cannot_be_is_refused(query: str) -> None:
    with pytest.raises(BadInput):
        parse_query(query, REGISTRY)


@pytest.mark.parametrize(
    "query",
    [
        f"since:{'9' * 5_000}d",
        "since:\u0661d",
        "steps:>\u00b2",
        f"steps:>{'9' * 5_000}",
        "cost:>1e9999999",
        "cost:>1e999990",
        "cost:>9e99",
        "cost>3",
        "score.x:>",
        "status:bad",
        "completeness:lost",
        "attr.:x",
    ],
)
def test_a_term_of_runs_that_nobody_can_mean_is_refused(query: str) -> None:
    with pytest.raises(BadInput):
        parse_query(query, RUNS)


@pytest.mark.parametrize("text", ['"cost>3"', "goal>3", "->", "<b>", "attr.x:1", "steps-12"])
def test_what_only_looks_like_a_comparison_is_read(text: str) -> None:
    assert len(parse_query(text, RUNS).terms) == 1


def test_the_longest_age_is_a_time_that_a_store_can_hold() -> None:
    assert moment("999999999999w", now=NOW) == NOW - 2**62
    assert parse_query("duration:>999999999999w", RUNS).terms[0].value == 2**62


def test_circles_of_delegation_end() -> None:
    graph = shop()
    assert graph.tools_of("desk") == {
        "search": ("desk",), "refund": ("desk", "refunds"), "find_order": ("desk", "refunds"),
    }  # fmt: skip
    assert graph.tools_of("refunds")["search"] == ("refunds", "desk")


def scope(query: str, agent: str, *tools: ToolDeclaration) -> bool:
    return covers(shop(), parse_query(query, REGISTRY), agent, {tool.name: tool for tool in tools}, now=NOW)


def test_a_scope_covers_an_agent_that_nobody_knows_by_the_tool_it_is_about_to_call() -> None:
    assert not scope("touches:payment", "new")
    assert scope("touches:payment", "new", ToolDeclaration("pay", Effect.WRITE, data=("payment",)))
    assert scope("touches:payment", "new", ToolDeclaration("refund"))  # the registry knows what it touches
    assert scope("touches:customer_pii", "new", ToolDeclaration("find_order"))
    assert scope("effect:irreversible", "new", ToolDeclaration("odd"))  # nobody said what it does
    assert not scope("effect:irreversible", "new", ToolDeclaration("look", Effect.READ))
    assert scope("tool:pay*", "new", ToolDeclaration("pay", Effect.READ))
    assert not scope("owner:payments touches:payment", "new", ToolDeclaration("refund"))
    assert scope("shadow -touches:customer_pii", "new", ToolDeclaration("refund"))


@pytest.mark.parametrize(
    "query",
    [
        "-tool:refund", "-touches:payment", "-effect:irreversible", "-used:audit", "-used:audit since:7d",
        "never-used:audit", "-data:orders", "-model:gpt-9", "-delegates-to:clean", "-drifted", "-quarantined",
        "-standing:drifted", "-standing:observed-only", "unevaluated", "missing:policy", "-since:1d", "-policy:seen",
        "standing:declared-only", "-prompt:odd",
    ],
)  # fmt: skip
def test_nothing_that_an_agent_does_takes_it_out_of_a_scope(query: str) -> None:
    """What it calls, is seen using, or shows is its own word: it brings an agent into a group, never out of one."""
    more = (declared("agent", "sly", tools=["audit"], suites=["answers"]), declared("tool", "audit", effect="none"),
            declared("policy", "seen", scope="used:refund"))  # fmt: skip
    deeds = [("tool", "audit"), ("tool", "refund"), ("tool", "find_order"), ("model", "gpt-9"), ("prompt", "odd"),
             ("delegate", "clean"), ("data", "payment"), ("evaluation", "answers")]  # fmt: skip
    seen = tuple(Use("sly", kind, name, first=NOW, last=NOW) for kind, name in deeds)
    scoped = parse_query(query, REGISTRY)
    tools = {name: ToolDeclaration(name) for name in ("refund", "audit")}
    before, after = shop(*more), shop(*more, uses=seen)
    assert covers(before, scoped, "sly", {}, now=NOW)
    assert covers(after, scoped, "sly", tools, now=NOW)
    policy = declared("policy", "under-test", scope=query)
    if query != "missing:policy":  # this one asks for itself
        assert "under-test" in [one.name for one in in_force(shop(*more, policy, uses=seen), "sly", now=NOW)]


def test_what_an_agent_does_brings_it_into_a_scope() -> None:
    more = (declared("agent", "sly", tools=["search"]), declared("policy", "seen", scope="used:refund"))
    graph = shop(*more, uses=(Use("sly", "tool", "refund", first=NOW, last=NOW),))
    for query in (
        "touches:payment",
        "used:refund",
        "policy:seen",
        "-missing:policy",
        "drifted",
        "-never-used:x",
    ):
        assert covers(graph, parse_query(query, REGISTRY), "sly", {}, now=NOW), query
    assert scope("-touches:payment", "new", ToolDeclaration("refund"))
    assert not scope("-touches:payment", "refunds")  # it is declared with one that does


def test_policies_are_in_force_by_scope() -> None:
    more = (
        declared("policy", "all"),
        declared("policy", "unreadable", scope="nonsense:x"),
        declared("policy", "ring", scope="policy:ring"),
    )
    graph = shop(*more)
    assert [one.name for one in in_force(graph, "writer", now=NOW)] == ["all", "ring", "unreadable"]
    assert [one.name for one in in_force(graph, "desk", now=NOW)] == ["all", "money", "ring", "unreadable"]


def test_a_thing_that_differs_is_drifted() -> None:
    graph = shop(uses=(Use("writer", "tool", "refund", first=NOW, last=NOW),))
    assert standing_of(graph, ("agent", "writer"), NOW) == DRIFTED
    assert standing_of(shop(), ("agent", "writer"), NOW) == DECLARED_ONLY
    assert standing_of(shop(), ("agent", "desk"), NOW) == BOTH
    assert standing_of(shop(), ("agent", "shade"), NOW) == SHADOW


def test_hostile_bodies_are_read_as_nothing() -> None:
    graph = shop(
        declared("agent", "bad\x1b[31m", tools="refund", delegates=[1, None], workflow=7),
        declared("tool", "odd", data={"a": 1}, sources=[["x"]], effect=3),
    )
    assert graph.tools_of("bad\x1b[31m") == {}
    assert ask("name:bad* kind:agent", graph) == ["bad\x1b[31m"]
    assert graph.effect_of_tool("odd") is None
    assert graph.classes_of_tool("odd") == frozenset()
