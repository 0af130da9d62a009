"""Reach: who can reach what, as nodes and edges: agent → agent → tool → data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tallystick.registry.graph import Graph, Key, names_in

LAYERS = ("agent", "tool", "data", "class")


@dataclass(frozen=True, slots=True)
class Edge:
    """``how``: "granted" (declared), "observed" (used or handed to, not declared) or "touches". ``used``: the last
    time it was seen, in nanoseconds; None: never, or it is nothing that is seen by itself."""

    source: Key
    target: Key
    how: str
    used: int | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """A part of the graph. ``more`` counts the things of it that were left out."""

    nodes: tuple[Key, ...]
    edges: tuple[Edge, ...]
    more: int


def reach_of(graph: Graph, seeds: Iterable[Key], *, most: int) -> Reach:
    """What the seeds reach and who reaches them; at most ``most`` things a layer, those with most edges first."""
    agents, tools = _around(graph, list(seeds))
    edges = [*_from_agents(graph, agents, tools), *_from_tools(graph, tools)]
    weight: dict[Key, int] = {("agent", name): 0 for name in agents} | {("tool", name): 0 for name in tools}
    for edge in edges:
        for key in (edge.source, edge.target):
            weight[key] = weight.get(key, 0) + 1
    kept: list[Key] = []
    for layer in LAYERS:
        of_layer = sorted((key for key in weight if key[0] == layer), key=lambda key: (-weight[key], key[1]))
        kept.extend(sorted(of_layer[:most]))
    there = set(kept)
    inside = [edge for edge in edges if edge.source in there and edge.target in there]
    return Reach(tuple(kept), tuple(inside), len(weight) - len(kept))


def _around(graph: Graph, seeds: Sequence[Key]) -> tuple[set[str], set[str]]:
    """The agents and tools that belong to the picture of some things."""
    agents: set[str] = set()
    tools: set[str] = set()
    for kind, name in seeds:
        if kind == "agent":
            chains = graph.downstream(name)
            agents.update(chains)
            tools.update(graph.tools_of(name))
        elif kind == "tool":
            tools.add(name)
        elif kind == "data":
            tools.update(graph.touched.get(name, ()))
    asked = {name for kind, name in seeds if kind == "tool"} | {
        tool for kind, name in seeds if kind == "data" for tool in graph.touched.get(name, ())
    }
    return agents | graph.reaching(asked), tools


def _from_agents(graph: Graph, agents: set[str], tools: set[str]) -> Iterable[Edge]:
    for agent in sorted(agents):
        declared = names_in(graph.body("agent", agent), "delegates")
        handed = graph.used_delegates(agent)
        for delegate in graph.delegates(agent):
            if delegate in agents:
                how = "granted" if delegate in declared else "observed"
                yield Edge(
                    ("agent", agent),
                    ("agent", delegate),
                    how,
                    handed[delegate].last if delegate in handed else None,
                )
        granted, used = graph.granted(agent), graph.used_tools(agent)
        for tool in sorted(graph.has(agent) & tools):
            how = "granted" if tool in granted else "observed"
            yield Edge(("agent", agent), ("tool", tool), how, used[tool].last if tool in used else None)


def _from_tools(graph: Graph, tools: set[str]) -> Iterable[Edge]:
    reached = sorted({source for tool in tools for source in graph.sources_of_tool(tool)})
    for source in reached:
        for one in sorted(set(graph.classes_of_source(source))):
            yield Edge(("data", source), ("class", one), "touches")
    for tool in sorted(tools):
        for source in sorted(set(graph.sources_of_tool(tool))):
            yield Edge(("tool", tool), ("data", source), "touches")
        for one in sorted(set(names_in(graph.body("tool", tool), "data"))):
            yield Edge(("tool", tool), ("class", one), "touches")
