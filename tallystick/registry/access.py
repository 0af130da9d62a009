"""Access: which agents reach a class of data, a data source or a tool, by which tool, and whether they did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tallystick.model.registry import Use
from tallystick.registry.graph import Graph, names_in
from tallystick.registry.reading import chosen


@dataclass(frozen=True, slots=True)
class Path:
    """An agent reaches a tool. ``chain`` leads from the agent over delegates to the one that has the tool.

    ``granted``: every step of it is declared. ``use``: how the agent itself was seen using the tool; who used it at
    the end of a longer chain stands in that agent's own path. ``tool`` None: the agent was seen handling the class by
    something that no declaration explains.
    """

    agent: str
    tool: str | None
    chain: tuple[str, ...]
    granted: bool
    use: Use | None


def paths_to(graph: Graph, what: str) -> Iterator[Path]:
    """All paths to a class, a data source or a tool (``*`` for any text), by agent and tool."""
    tools = {tool for one in chosen(what, graph.touched) for tool in graph.touched[one]}
    tools.update(chosen(what, graph.holders))
    held: dict[str, list[str]] = {}
    for tool in sorted(tools):
        for agent in graph.holders.get(tool, ()):
            held.setdefault(agent, []).append(tool)
    unexplained = _unexplained(graph, what, tools)
    for agent in sorted(graph.upstream(held) | unexplained.keys()):
        yield from _paths(graph, agent, held)
        if agent in unexplained:
            yield Path(agent, None, (agent,), False, unexplained[agent])


def _paths(graph: Graph, agent: str, held: dict[str, list[str]]) -> Iterator[Path]:
    own = held.get(agent, ())
    if not graph.delegates(agent):  # most agents: nothing to walk
        granted, used = graph.granted(agent), graph.used_tools(agent)
        for tool in own:
            yield Path(agent, tool, (agent,), tool in granted, used.get(tool))
        return
    found: dict[str, tuple[str, ...]] = {}
    chains = graph.downstream(agent)
    for one in chains:
        for tool in held.get(one, ()):
            if tool not in found:
                found[tool] = chains[one]
    used = graph.used_tools(agent)
    for tool in sorted(found):
        chain = found[tool]
        yield Path(
            agent, tool, chain, _granted(graph, chain, tool), used.get(tool) if len(chain) == 1 else None
        )


def _granted(graph: Graph, chain: tuple[str, ...], tool: str) -> bool:
    for principal, delegate in pairwise(chain):
        if delegate not in names_in(graph.body("agent", principal), "delegates"):
            return False
    return tool in graph.granted(chain[-1])


def _unexplained(graph: Graph, what: str, tools: set[str]) -> dict[str, Use]:
    """The newest use of a class by each agent that calls no tool known to touch it."""
    found: dict[str, Use] = {}
    for one in chosen(what, graph.handled):
        for agent in graph.handled[one]:
            if not tools.isdisjoint(graph.used_tools(agent)):
                continue
            for use in graph.uses_of(agent, "data"):
                if use.name == one and (agent not in found or use.last > found[agent].last):
                    found[agent] = use
    return found
