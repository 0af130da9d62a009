"""Access: who can read what, by which tool, under which policy, and did they; and grants that nobody uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tallystick.app.shapes import Json, time_text
from tallystick.govern.coverage import Coverage, RuleScope, read_coverage, says, verdict
from tallystick.model.errors import UnknownThing
from tallystick.model.registry import Declared
from tallystick.ports import ControlStore
from tallystick.registry.access import Path, paths_to
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
        return bool(self.coverages.of(policy).matching(agent, tool, self.graph.effect_of_tool(tool)))


@dataclass(frozen=True, slots=True)
class _Said:
    """What the policies in force say of one tool."""

    verdict: str
    policies: list[Json]


class _Judge:
    """What the registry's policies say; the same policies over the same tool are asked once."""

    def __init__(self, graph: Graph, coverages: Coverages, now: int) -> None:
        self._graph = graph
        self._coverages = coverages
        self._force = Force(graph, now)
        self._in_force: dict[str, tuple[Sequence[Declared], bool]] = {}
        self._known: dict[tuple[object, ...], _Said] = {}
        self._now = now
        self._standings: dict[str, str] = {}

    def standing(self, agent: str) -> str:
        """How the two halves of an agent agree."""
        known = self._standings.get(agent)
        if known is None:
            known = self._standings[agent] = standing_of(self._graph, ("agent", agent), self._now)
        return known

    def say(self, agent: str, tool: str | None) -> _Said:
        """The verdict on a call of the tool by the agent."""
        force, named = self._of(agent)
        asked = (tool, agent if named else None, *(one.name for one in force))
        known = self._known.get(asked)
        if known is None:
            known = self._known[asked] = self._judged(agent, tool, force)
        return known

    def _of(self, agent: str) -> tuple[Sequence[Declared], bool]:
        known = self._in_force.get(agent)
        if known is None:
            force = self._force.of(agent)
            known = force, any(self._coverages.of(one).names_agents for one in force)
            self._in_force[agent] = known
        return known

    def _judged(self, agent: str, tool: str | None, force: Sequence[Declared]) -> _Said:
        effect = None if tool is None else self._graph.effect_of_tool(tool)
        matching: list[Sequence[RuleScope]] = []
        rows: list[Json] = []
        for one in force:
            rules = () if tool is None else self._coverages.of(one).matching(agent, tool, effect)
            matching.append(rules)
            said = says(rules)
            if said is not None:
                rows.append({"policy": one.name, "rules": [rule.label for rule in rules], "says": said})
        return _Said(verdict(matching, effect), rows)


def access_rows(graph: Graph, coverages: Coverages, what: str, *, since: int, now: int) -> list[Json]:
    """The rows of the access question: those used since then first, those not permitted last."""
    judge = _Judge(graph, coverages, now)
    rows = [_row(graph, judge, path, since) for path in paths_to(graph, what)]
    return sorted(rows, key=_order)


def _row(graph: Graph, judge: _Judge, path: Path, since: int) -> Json:
    use, tool = path.use, path.tool
    said = judge.say(path.chain[-1], tool)
    recent = use is not None and use.last >= since
    return {
        "agent": path.agent,
        "standing": judge.standing(path.agent),
        "chain": list(path.chain),
        "tool": tool,
        "effect": None if tool is None else graph.effect_of_tool(tool),
        "sources": [] if tool is None else list(graph.sources_of_tool(tool)),
        "classes": [use.name] if tool is None and use else sorted(graph.classes_of_tool(tool or "")),
        "policies": said.policies,
        "verdict": said.verdict,
        "granted": path.granted,
        "used": time_text(use.last) if use is not None and recent else None,
        "runs": use.runs if use is not None else 0,
        "errors": use.errors if use is not None else 0,
        "run": use.run or None if use is not None else None,
    }


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
            used = graph.used_tools(agent) if kind == "tool" else graph.used_delegates(agent)
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
            }


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
