"""The graph, the search and the access question against an answer that knows none of their indexes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.app.registry.access import Coverages, access_rows
from tallystick.govern.coverage import read_coverage, verdict
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.query import REGISTRY, parse_query
from tallystick.model.registry import Declared, Use
from tallystick.model.step import Effect
from tallystick.registry.access import MOST_LINKS, access_to
from tallystick.registry.graph import Graph
from tallystick.registry.search import covers, find, in_force
from tallystick.registry.snapshot import Snapshot

AGENTS, TOOLS, SOURCES, CLASSES = ("a", "b", "c", "d"), ("t", "u", "v"), ("s", "r"), ("pii", "pay")
EFFECTS = ("read", "write", "irreversible")
POLICIES = {
    "all": "permit (principal, action, resource);",
    "named": 'permit (principal == Agent::"a", action in [Action::"t", Action::"effect:write"], resource);',
    "hold": '@hold("risk") forbid (principal, action in Action::"effect:write", resource);',
    "never": 'forbid (principal, action == Action::"u", resource);',
    "maybe": 'forbid (principal, action, resource) when { context.agent == "b" };',
    "broken": "permit (principal, action resource);",
}
SCOPES = (
    None,
    "touches:pii",
    "-touches:pay",
    "name:a",
    "effect:>=write",
    "delegates-to:b",
    "used:t since:10d",
    "shadow",
)
NOW = 100 * 86_400 * 10**9
DAY = 86_400 * 10**9


def _some(names: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), max_size=3, unique=True)


def one(type: str, name: str, **body: Any) -> Declared:
    return Declared(type, name, f"{type}:{name}", None, body)


@st.composite
def worlds(draw: Any) -> Snapshot:
    objects = []
    for name in draw(_some(AGENTS)):
        objects.append(one("agent", name, tools=draw(_some(TOOLS)), delegates=draw(_some(AGENTS))))
    for name in draw(_some(TOOLS)):
        effect = draw(st.sampled_from(EFFECTS))
        objects.append(
            one("tool", name, effect=effect, data=draw(_some(CLASSES)), sources=draw(_some(SOURCES)))
        )
    for name in draw(_some(SOURCES)):
        objects.append(one("data", name, classes=draw(_some(CLASSES))))
    for name in draw(st.lists(st.sampled_from(sorted(POLICIES)), max_size=3, unique=True)):
        objects.append(one("policy", name, text=name, scope=draw(st.sampled_from(SCOPES))))
    kinds = {"tool": TOOLS, "delegate": AGENTS, "data": CLASSES}
    uses = {}
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(sorted(kinds)))
        key = (draw(st.sampled_from(AGENTS)), kind, draw(st.sampled_from(kinds[kind])))
        first = NOW - draw(st.integers(0, 40)) * DAY
        uses[key] = Use(*key, first=first, last=first + draw(st.integers(0, 5)) * DAY)
    return Snapshot(tuple(objects), uses=tuple(uses.values()))


class ByHand:
    """The same questions, asked of the lists again and again."""

    def __init__(self, world: Snapshot) -> None:
        self.world = world

    def body(self, type: str, name: str) -> dict[str, Any]:
        return next((dict(o.body) for o in self.world.objects if (o.type, o.name) == (type, name)), {})

    def uses(self, agent: str, type: str) -> list[Use]:
        return [use for use in self.world.uses if use.agent == agent and use.type == type]

    def agents(self) -> list[str]:
        named = {o.name for o in self.world.objects if o.type == "agent"}
        return sorted(
            named
            | {u.agent for u in self.world.uses}
            | {u.name for u in self.world.uses if u.type == "delegate"}
        )

    def chains(self, agent: str) -> Iterator[tuple[str, ...]]:
        """All chains without a repeated agent, shortest and then alphabetically first."""
        waiting = [(agent,)]
        while waiting:
            chain = min(waiting, key=lambda c: (len(c), c))
            waiting.remove(chain)
            yield chain
            nexts = {
                *self.body("agent", chain[-1]).get("delegates", []),
                *(u.name for u in self.uses(chain[-1], "delegate")),
            }
            waiting += [(*chain, n) for n in nexts if n not in chain]

    def own(self, agent: str) -> set[str]:
        return {*self.body("agent", agent).get("tools", []), *(u.name for u in self.uses(agent, "tool"))}

    def tools(self, agent: str) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for chain in self.chains(agent):
            for tool in self.own(chain[-1]):
                found.setdefault(tool, chain)
        return found

    def touches(self, tool: str) -> set[str]:
        body = self.body("tool", tool)
        sources = body.get("sources", [])
        return {
            *body.get("data", []),
            *sources,
            *(c for s in sources for c in self.body("data", s).get("classes", [])),
        }

    def reaches(self, agent: str, what: str) -> bool:
        if any(what in self.touches(tool) for tool in self.tools(agent)):
            return True
        return any(u.name == what for chain in self.chains(agent) for u in self.uses(chain[-1], "data"))

    def matches(self, agent: str, scope: str | None) -> bool:
        effects = {self.body("tool", tool).get("effect") for tool in self.tools(agent)}
        recent = any(
            u.name == "t" and u.last >= NOW - 10 * DAY
            for kind in ("tool", "data", "delegate")
            for u in self.uses(agent, kind)
        )
        return {
            None: True,
            "touches:pii": self.reaches(agent, "pii"),
            "-touches:pay": not self.reaches(agent, "pay"),
            "name:a": agent == "a",
            "effect:>=write": bool(effects & {"write", "irreversible"}),
            "delegates-to:b": any("b" in chain[1:] for chain in self.all_chains(agent)),
            "used:t since:10d": recent,
            "shadow": not any((o.type, o.name) == ("agent", agent) for o in self.world.objects),
        }[scope]

    def covered(self, agent: str, scope: str | None) -> bool:
        """What was seen brings into a scope, and never out of one."""
        declared = scope is not None and scope.startswith("-")
        return (ByHand(replace(self.world, uses=())) if declared else self).matches(agent, scope)

    def all_chains(self, agent: str) -> Iterator[tuple[str, ...]]:
        """Chains, and a step back to where they started."""
        for chain in self.chains(agent):
            yield chain
            delegates = {
                *self.body("agent", chain[-1]).get("delegates", []),
                *(u.name for u in self.uses(chain[-1], "delegate")),
            }
            if agent in delegates - {chain[-1]}:
                yield (*chain, agent)

    def rows(self, what: str) -> set[tuple[Any, ...]]:
        found: set[tuple[Any, ...]] = set()
        for agent in self.agents():
            for tool, chain in self.tools(agent).items():
                if what not in self.touches(tool) and what != tool:
                    continue
                links = all(b in self.body("agent", a).get("delegates", []) for a, b in pairwise(chain))
                granted = links and tool in self.body("agent", chain[-1]).get("tools", [])
                used = len(chain) == 1 and any(
                    u.name == tool and u.last >= NOW - 30 * DAY for u in self.uses(agent, "tool")
                )
                found.add((agent, chain, tool, granted, used, self.verdict(chain[-1], tool)))
            seen = [u for u in self.uses(agent, "data") if u.name == what]
            called = {u.name for u in self.uses(agent, "tool")}
            if seen and not any(what in self.touches(tool) for tool in called):
                used = seen[0].last >= NOW - 30 * DAY
                said = "not permitted" if self.in_force(agent) else "no policy"
                found.add((agent, (agent,), None, False, used, said))
        return found

    def in_force(self, agent: str) -> list[str]:
        return [
            o.name for o in self.world.objects if o.type == "policy" and self.covered(agent, o.body["scope"])
        ]

    def verdict(self, agent: str, tool: str) -> str:
        force, effect = self.in_force(agent), self.body("tool", tool).get("effect")
        if not force:
            return "no policy"
        permitted = "all" in force or (
            "named" in force and agent == "a" and (tool == "t" or effect == "write")
        )
        if effect is None or not permitted or ("never" in force and tool == "u"):
            return "not permitted"
        return "after approval" if "hold" in force and effect == "write" else "may"


class Texts:
    """As much of a control store as the coverages need."""

    def text(self, digest: str) -> str:
        return POLICIES[digest]


@settings(max_examples=150)
@given(worlds(), st.sampled_from((*CLASSES, *SOURCES, "t")))
def test_access_equals_an_answer_by_hand(world: Snapshot, what: str) -> None:
    graph = Graph(world)
    rows = access_rows(graph, Coverages(Texts()), access_to(graph, what), since=NOW - 30 * DAY, now=NOW)  # type: ignore[arg-type]
    answer = [
        (
            row["agent"],
            tuple(row["chain"]),
            row["tool"],
            row["granted"],
            row["used"] is not None,
            row["verdict"],
        )
        for row in rows
    ]
    assert len(answer) == len(set(answer))
    assert set(answer) == ByHand(world).rows(what)


@settings(max_examples=150)
@given(worlds(), st.sampled_from(SCOPES[1:]))
def test_find_and_covers_equal_an_answer_by_hand(world: Snapshot, scope: str) -> None:
    graph, query, hand = Graph(world), parse_query(scope, REGISTRY), ByHand(world)
    wanted = [agent for agent in hand.agents() if hand.matches(agent, scope)]
    assert [one.name for one in find(graph, query, now=NOW) if one.type == "agent"] == wanted
    held = [agent for agent in hand.agents() if hand.covered(agent, scope)]
    assert [agent for agent in hand.agents() if covers(graph, query, agent, {}, now=NOW)] == held
    assert set(wanted) <= set(held)
    for agent in hand.agents():
        assert [one.name for one in in_force(graph, agent, now=NOW)] == sorted(hand.in_force(agent))
        assert graph.tools_of(agent) == hand.tools(agent)


@given(
    worlds(), st.sampled_from(AGENTS), _some(TOOLS), st.sampled_from(SCOPES[1:-2])
)  # not: the call changes them
def test_an_agent_about_to_call_tools_is_covered_as_if_it_had_them(
    world: Snapshot, agent: str, tools: list[str], scope: str
) -> None:
    """What the guard asks before a first call agrees with what the registry will say once the call was seen."""
    declared = {(o.type, o.name): o for o in world.objects}
    about = {
        name: ToolDeclaration(
            name,
            Effect(declared["tool", name].body["effect"]),
            data=tuple(declared["tool", name].body["data"]),
        )
        for name in tools
        if ("tool", name) in declared
    }
    query = parse_query(scope, REGISTRY)
    after = [Use(agent, "tool", name, first=NOW, last=NOW) for name in about]
    kept = [u for u in world.uses if (u.agent, u.type) != (agent, "tool") or u.name not in about]
    later = Snapshot(world.objects, uses=(*kept, *after))
    assert covers(Graph(world), query, agent, about, now=NOW) == covers(
        Graph(later), query, agent, {}, now=NOW
    )


def test_a_policy_that_cannot_be_read_permits_nothing() -> None:
    broken = read_coverage("broken", POLICIES["broken"])
    assert broken.problem is not None
    assert verdict([broken.opinion("a", "t", "read")], "read") == "not permitted"


def test_a_long_circle_of_delegation_is_walked_once_and_what_lies_far_away_is_counted() -> None:
    names = [f"agent-{number:05}" for number in range(10_000)]
    uses = [Use(one, "delegate", other) for one, other in pairwise([*names, names[0]])]
    found = access_to(Graph(Snapshot(uses=(*uses, Use(names[0], "tool", "dig")))), "dig")
    assert [(path.agent, len(path.chain)) for path in found.paths] == sorted(
        [(names[0], 1), *((names[-number], number + 1) for number in range(1, MOST_LINKS + 1))]
    )
    assert found.beyond == 10_000 - MOST_LINKS - 1
