"""Access: who can read what, by which tool, under which policy, and did they; and grants that nobody uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tallystick.app.reading.shapes import Json, time_text
from tallystick.govern.coverage import NO_POLICY, NOT_PERMITTED, Coverage, Opinion, read_coverage, verdict
from tallystick.model.errors import UnknownThing
from tallystick.model.registry import Declared, Use
from tallystick.ports import ControlStore
from tallystick.registry.access import Access, Path
from tallystick.registry.graph import Graph, names_in
from tallystick.registry.history import Window, idle_grants
from tallystick.registry.search import Force
from tallystick.registry.standing import standing_of

_VERDICTS = ("may", "after approval", "no policy", "not permitted")
_MOST_COVERAGES = 1000


class Coverages:
    """The rules of the registry's policies, each version read once."""

    def __init__(self, control: ControlStore) -> None:
        self._control = control
        self._known: dict[str, Coverage] = {}

    def of(self, policy: Declared) -> Coverage:
        """The rules of a policy. A text that cannot be read has none, so that nothing is permitted by it."""
        known = self._known.get(policy.digest)
        if known is None:
            if len(self._known) >= _MOST_COVERAGES:
                self._known.clear()
            known = self._known[policy.digest] = self._read(policy)
        return known

    def _read(self, policy: Declared) -> Coverage:
        file, text = policy.body.get("file"), policy.body.get("text")
        name = file if isinstance(file, str) else policy.name
        try:
            return read_coverage(name, self._control.text(text if isinstance(text, str) else ""))
        except UnknownThing as error:
            return Coverage((), f"{name}: {error.message}")


@dataclass(frozen=True, slots=True)
class Rulings:
    """Answers ``registry.search.Rules``: what the rules of policies can match among the tools of a graph."""

    graph: Graph
    coverages: Coverages

    def can_match(self, policy: Declared, agent: str | None, tool: str) -> bool:
        """Whether a rule of the policy can match a call of the tool."""
        return bool(self.coverages.of(policy).opinion(agent, tool, self.graph.effect_of_tool(tool)).rules)


_Kind = tuple[
    str | None, str | bool | None, str | None
]  # agent and tool where a rule names them, and the effect


class _Said(NamedTuple):
    """What the policies in force say of a call."""

    verdict: str
    policies: list[Json]


class _Judge:
    """What the registry's policies say; the same policies are asked about the same kind of call once."""

    def __init__(self, graph: Graph, coverages: Coverages, now: int) -> None:
        self._graph = graph
        self._coverages = coverages
        self._force = Force(graph, now)
        self._groups: dict[str, tuple[int, ...]] = {}
        known = [coverages.of(one) for one in graph.policies]
        self._agents = frozenset[str]().union(*(one.agents for one in known))  # named by some rule
        self._tools = frozenset[str]().union(*(one.tools for one in known))
        self._opinions: dict[tuple[int, _Kind], list[tuple[Opinion, Json]]] = {}
        self._known: dict[tuple[tuple[int, ...], _Kind], _Said] = {}
        self._now = now
        self._standings: dict[str, str] = {}

    def standing(self, agent: str) -> str:
        """How the two halves of an agent agree."""
        known = self._standings.get(agent)
        if known is None:
            known = self._standings[agent] = standing_of(self._graph, ("agent", agent), self._now)
        return known

    def say(self, agent: str, tool: str | None, effect: str | None) -> _Said:
        """The verdict on a call of the tool by the agent."""
        groups = self._groups.get(agent)
        if groups is None:
            groups = self._groups[agent] = self._force.groups_of(agent)
        # Names that no rule has are all alike to the rules.
        kind = (
            agent if agent in self._agents else None,
            tool if tool in self._tools else tool is None,
            effect,
        )
        known = self._known.get((groups, kind))
        if known is None:
            known = self._known[groups, kind] = self._judge(groups, kind, agent, tool)
        return known

    def _judge(self, groups: tuple[int, ...], kind: _Kind, agent: str, tool: str | None) -> _Said:
        if tool is None:  # nobody knows what was called: only that policies are in force can be said
            return _Said(NOT_PERMITTED if groups else NO_POLICY, [])
        found: list[tuple[Opinion, Json]] = []
        for group in groups:
            said = self._opinions.get((group, kind))
            if said is None:
                said = self._opinions[group, kind] = [
                    _opinion(one, self._coverages.of(one).opinion(agent, tool, kind[2]))
                    for one in self._force.groups[group]
                ]
            found += said
        rows = [row for one, row in found if one.rules]
        return _Said(verdict([one for one, _ in found], kind[2]), sorted(rows, key=_policy))


def _policy(row: Json) -> str:
    return str(row["policy"])


def _opinion(policy: Declared, one: Opinion) -> tuple[Opinion, Json]:
    return one, {"policy": policy.name, "rules": list(one.rules), "says": one.says}


def access_rows(graph: Graph, coverages: Coverages, found: Access, *, since: int, now: int) -> list[Json]:
    """The rows of the access question: those used since then first, those not permitted last."""
    judge = _Judge(graph, coverages, now)
    tools: dict[str | None, Json] = {}
    rows = []
    for path in found.paths:
        tool = tools.get(path.tool)
        if tool is None:
            tool = tools[path.tool] = _tool(graph, path.tool)
        rows.append(_row(judge, path, tool, since))
    return sorted(rows, key=_order)


def _tool(graph: Graph, tool: str | None) -> Json:
    if tool is None:
        return {"tool": None, "effect": None, "sources": [], "classes": []}
    return {
        "tool": tool,
        "effect": graph.effect_of_tool(tool),
        "sources": list(graph.sources_of_tool(tool)),
        "classes": sorted(graph.classes_of_tool(tool)),
    }


def _row(judge: _Judge, path: Path, tool: Json, since: int) -> Json:
    use = path.use
    said = judge.say(path.chain[-1], path.tool, tool["effect"])
    row = {
        "agent": path.agent,
        "standing": judge.standing(path.agent),
        "chain": list(path.chain),
        **tool,
        "policies": said.policies,
        "verdict": said.verdict,
        "granted": path.granted,
        "used": None,
        "runs": 0,
        "errors": 0,
        "run": None,
    }
    if use is not None:
        row["used"] = time_text(use.last) if use.last >= since else None
        row["runs"], row["errors"], row["run"] = use.runs, use.errors, use.run or None
        if path.tool is None:
            row["classes"] = [use.name]
    return row


def _order(row: Json) -> tuple[bool, int, str, int, str]:
    return (
        row["used"] is None,
        _VERDICTS.index(row["verdict"]),
        row["agent"],
        len(row["chain"]),
        row["tool"] or "",
    )


def unused_rows(graph: Graph, control: ControlStore, agents: Sequence[str], *, since: int) -> Iterator[Json]:
    """Tools and delegates that agents are declared with and did not use since then, by agent and name."""
    for agent in agents:
        idle = sorted(one for one in idle_grants(graph, agent, Window(since)) if one[0] != "model")
        if not idle:
            continue
        granted = _granted_since(control, agent)
        for kind, name in idle:
            claimed = graph.used_tools(agent) if kind == "tool" else graph.used_delegates(agent)
            used = {use.name: use for use in graph.believed(agent, kind)}
            yield {
                "agent": agent,
                "type": kind,
                "tool": name,
                "effect": graph.effect_of_tool(name) if kind == "tool" else None,
                "classes": sorted(
                    graph.classes_of_tool(name) if kind == "tool" else graph.classes_of_agent(name)
                ),
                "granted_since": time_text(granted.get((kind, name))),
                "last_used": time_text(used[name].last) if name in used else None,
                "claimed": _claimed(used.get(name), claimed.get(name)),
            }


def _claimed(used: Use | None, told: Use | None) -> str | None:
    """When a sender whom nothing vouches for last claimed a use, where that is newer than what is believed."""
    newer = told is not None and (used is None or told.last > used.last)
    return time_text(told.last) if told is not None and newer else None


def _granted_since(control: ControlStore, agent: str) -> dict[tuple[str, str], int]:
    """Since when an agent is granted what its newest version grants: the first of the versions without a gap."""
    found: dict[tuple[str, str], int] = {}
    standing: set[tuple[str, str]] | None = None
    for version in control.versions("agent", agent):  # newest first
        grants = {
            (kind, name)
            for field, kind in (("tools", "tool"), ("delegates", "delegate"))
            for name in names_in(version.body, field)
        }
        standing = grants if standing is None else standing & grants
        if not standing:
            break
        found.update(dict.fromkeys(standing, version.at))
    return found
