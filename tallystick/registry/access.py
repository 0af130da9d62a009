"""Access: which agents reach a class of data, a data source or a tool, by which tool, and whether they did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.model.registry import Use
from tallystick.registry.graph import Graph, names_in
from tallystick.registry.reading import chosen

MOST_LINKS: Final = 64  # delegations between an agent and a tool that are listed


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


@dataclass(frozen=True, slots=True)
class Access:
    """All paths to what was asked for, by agent and tool; ``beyond``: how many lie further than MOST_LINKS."""

    paths: Sequence[Path]
    beyond: int = 0


def access_to(graph: Graph, what: str) -> Access:
    """All paths to a class, a data source or a tool (``*`` for any text).

    Walks from each tool up to those who delegate, so that it costs what it answers. Delegation can be claimed by
    telemetry: what lies further away than MOST_LINKS is counted and not listed.
    """
    tools = {tool for one in chosen(what, graph.touched) for tool in graph.touched[one]}
    tools.update(chosen(what, graph.holders))
    found: dict[str, list[Path]] = {}
    beyond: set[str] = set()
    for tool in sorted(tools):
        beyond |= _walk(graph, tool, found)
    for agent, use in _unexplained(graph, what, tools).items():
        found.setdefault(agent, []).append(Path(agent, None, (agent,), False, use))
    return Access([path for agent in sorted(found) for path in found[agent]], len(beyond - found.keys()))


def _walk(graph: Graph, tool: str, found: dict[str, list[Path]]) -> set[str]:
    """Add the paths to one tool: the shortest of each agent, among equals the first by name; who lies beyond."""
    level = sorted(graph.holders.get(tool, ()))
    chains: dict[str, tuple[str, ...]] = {agent: (agent,) for agent in level}
    granted: dict[str, bool] = {}
    for agent in level:
        granted[agent] = tool in graph.granted(agent)
        use = graph.used_tools(agent).get(tool)
        found.setdefault(agent, []).append(Path(agent, tool, (agent,), granted[agent], use))
    for _ in range(MOST_LINKS):
        following: list[str] = []
        for delegate in level:  # in order of name, so that the first to lead somewhere is the first by name
            for principal in graph.principals.get(delegate, ()):
                if principal not in chains:
                    chains[principal] = (principal, *chains[delegate])
                    granted[principal] = granted[delegate] and _granted(graph, principal, delegate)
                    following.append(principal)
        for agent in following:
            found.setdefault(agent, []).append(Path(agent, tool, chains[agent], granted[agent], None))
        level = sorted(following)
        if not level:
            return set()
    return graph.upstream(level).difference(chains)


def _granted(graph: Graph, agent: str, delegate: str) -> bool:
    """Whether an agent is declared to delegate to another one."""
    return delegate in names_in(graph.body("agent", agent), "delegates")


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
