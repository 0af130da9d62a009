"""Terms: what each term of a query asks of a thing (see ``search`` for what they mean)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.query import REGISTRY, TIME_FIELDS, Query, Term, moment, parse_query
from tallystick.model.registry import Declared
from tallystick.model.step import Effect
from tallystick.registry.graph import Graph, Key, names_in
from tallystick.registry.history import Window, did, idle_grants
from tallystick.registry.reading import (
    chosen,
    evaluated,
    lacks,
    lifecycle_of,
    matching,
    object_of,
    owner_of,
    purpose_of,
)
from tallystick.registry.scopes import declared_half, shrinks
from tallystick.registry.standing import standing_of

Test = Callable[[Key], bool]
Tools = Mapping[str, ToolDeclaration]
NO_TOOLS: Final[Tools] = {}
_EFFECTS: Final = tuple(one.value for one in Effect)
_USES: Final = ("used", "never-used")
_LEAST_DIGEST: Final = 8


class Rules(Protocol):
    """What the rules of policies can match; the room ``govern`` reads them."""

    def can_match(self, policy: Declared, agent: str | None, tool: str) -> bool:
        """Whether a rule of the policy can match a call of the tool (by this agent, where one is named)."""
        ...


class Asking:
    """One question: a test for each of its terms."""

    def __init__(
        self, graph: Graph, query: Query, now: int, rules: Rules | None, tools: Tools = NO_TOOLS,
        asked: frozenset[str] = frozenset(), scope: bool = False,
    ) -> None:  # fmt: skip
        """``scope``: it is asked whom a policy covers, see ``scopes``; ``asked`` as in ``Force``."""
        self._graph = graph
        self._declared = Asking(declared_half(graph), query, now, rules, NO_TOOLS, asked) if scope else self
        self._now = now
        self._rules = rules
        self._extra = tools
        self._asked = asked
        self._terms = query.terms
        self._policies_in_force: Force | None = None
        times = {term.field: moment(str(term.value), now=now) for term in query.terms if _is_window(term)}
        self._window = Window(times.get("since"), times.get("until"))
        self._windowed = any(term.field in _USES for term in query.terms)

    def tests(self) -> list[Test]:
        """What a thing must pass to match."""
        made = []
        for term in self._terms:
            if self._windowed and _is_window(term):
                continue  # it says when, for used: and never-used:
            test = (self._declared if shrinks(term) else self)._test(term)
            made.append(_not(test) if term.negated else test)
        return made

    def _test(self, term: Term) -> Test:
        value = str(term.value)
        if term.field in TIME_FIELDS:
            return self._seen(term.field, moment(value, now=self._now))
        if term.field == "effect":
            return self._effect(term.op, value)
        name = f"_{value}" if term.field == "flag" else "_" + term.field.replace("-", "_")
        made: Test = getattr(self, name)(value) if term.field != "flag" else getattr(self, name)
        return made

    # What a thing is

    def _text(self, value: str) -> Test:
        wanted = value.casefold()

        def test(key: Key) -> bool:
            if wanted in key[1].casefold():
                return True
            one = object_of(self._graph, key)
            return one is not None and wanted in (purpose_of(one) or "").casefold()

        return test

    def _kind(self, value: str) -> Test:
        return lambda key: key[0] == value

    def _name(self, value: str) -> Test:
        same = matching(value)
        return lambda key: same(key[1])

    def _owner(self, value: str) -> Test:
        same = matching(value)

        def test(key: Key) -> bool:
            one = object_of(self._graph, key)
            owner = owner_of(one) if one is not None else None
            return owner is not None and same(owner)

        return test

    def _env(self, value: str) -> Test:
        same = matching(value)
        return lambda key: any(same(alias.alias) for alias in self._graph.aliases.get(key, ()))

    def _version(self, value: str) -> Test:
        same = matching(value)

        def test(key: Key) -> bool:
            one = object_of(self._graph, key)
            if one is None:
                return False
            labelled = one.version is not None and same(one.version)
            return labelled or (len(value) >= _LEAST_DIGEST and one.digest.startswith(value))

        return test

    def _lifecycle(self, value: str) -> Test:
        return lambda key: lifecycle_of(self._graph, key) == value

    def _autonomy(self, value: str) -> Test:
        return lambda key: key[0] == "agent" and self._graph.body(*key).get("autonomy") == value

    def _workflow(self, value: str) -> Test:
        same = matching(value)

        def test(key: Key) -> bool:
            workflow = self._graph.body(*key).get("workflow") if key[0] == "agent" else None
            return isinstance(workflow, str) and same(workflow)

        return test

    def _standing(self, value: str) -> Test:
        wanted = value.replace("-", " ")
        return lambda key: standing_of(self._graph, key, self._now) == wanted

    def _missing(self, value: str) -> Test:
        return lambda key: lacks(self._graph, key, value, self._policed)

    def _policed(self, agent: str) -> bool:
        return bool(self._force(agent))

    def _force(self, agent: str) -> list[Declared]:
        if self._policies_in_force is None:
            self._policies_in_force = Force(self._graph, self._now, self._extra, self._asked)
        return self._policies_in_force.of(agent)

    def _unevaluated(self, key: Key) -> bool:
        return key[0] == "agent" and not evaluated(self._graph, key[1])

    def _shadow(self, key: Key) -> bool:
        return not self._graph.declared(key)

    def _drifted(self, key: Key) -> bool:
        return standing_of(self._graph, key, self._now) == "drifted"

    def _quarantined(self, key: Key) -> bool:
        kind, name = key
        waiting = self._graph.quarantined
        if kind == "agent":
            return any(tool in waiting for tool in (*self._graph.has(name), *self._extra))
        return kind == "tool" and name in waiting

    # What it can do

    def _touches(self, value: str) -> Test:
        graph, same = self._graph, matching(value)

        def look() -> tuple[set[str], set[str]]:
            tools = {tool for what in chosen(value, graph.touched) for tool in graph.touched[what]}
            seen = {agent for what in chosen(value, graph.handled) for agent in graph.handled[what]}
            return tools, graph.reaching(tools) | graph.upstream(seen)

        tools, agents = graph.remember(("touches", value), look)
        extra = any(tool.name in tools or any(map(same, tool.data)) for tool in self._extra.values())
        return self._reaches(
            tools, agents, extra, lambda data: same(data) or any(map(same, graph.classes_of_source(data)))
        )

    def _data(self, value: str) -> Test:
        graph, same = self._graph, matching(value)

        def look() -> tuple[set[str], set[str]]:
            tools = {
                name
                for kind, name in graph.objects
                if kind == "tool" and any(map(same, graph.sources_of_tool(name)))
            }
            return tools, graph.reaching(tools)

        tools, agents = graph.remember(("data", value), look)
        return self._reaches(tools, agents, any(name in tools for name in self._extra), same)

    def _reaches(self, tools: set[str], agents: set[str], extra: bool, holds: Callable[[str], bool]) -> Test:
        def test(key: Key) -> bool:
            kind, name = key
            if kind == "agent":
                return extra or name in agents
            return name in tools if kind == "tool" else kind == "data" and holds(name)

        return test

    def _effect(self, op: str, value: str) -> Test:
        graph, wanted = self._graph, _effects(op, value)

        def look() -> tuple[set[str], set[str]]:
            tools = {
                name
                for kind, name in graph.objects
                if kind == "tool" and graph.effect_of_tool(name) in wanted
            }
            return tools, graph.reaching(tools)

        tools, agents = graph.remember(("effect", wanted), look)
        extra = any(
            tool.effect is None or tool.effect.value in wanted or tool.name in tools
            for tool in self._extra.values()
        )

        def test(key: Key) -> bool:
            kind, name = key
            return name in tools if kind == "tool" else kind == "agent" and (extra or name in agents)

        return test

    def _tool(self, value: str) -> Test:
        graph = self._graph
        same = matching(value)
        agents = graph.remember(("tool", value), lambda: graph.reaching(chosen(value, graph.holders)))
        extra = any(same(name) for name in self._extra)
        return lambda key: key[0] == "agent" and (extra or key[1] in agents)

    def _model(self, value: str) -> Test:
        return self._named(value, "models", "model")

    def _prompt(self, value: str) -> Test:
        return self._named(value, "prompts", "prompt")

    def _named(self, value: str, field: str, use: str) -> Test:
        same = matching(value)

        def test(key: Key) -> bool:
            kind, name = key
            if kind != "agent":
                return False
            declared = names_in(self._graph.body(kind, name), field)
            return any(map(same, declared)) or any(same(one.name) for one in self._graph.uses_of(name, use))

        return test

    def _delegates_to(self, value: str) -> Test:
        graph = self._graph

        def look() -> set[str]:
            targets = chosen(value, graph.principals)
            return graph.upstream({agent for target in targets for agent in graph.principals[target]})

        agents = graph.remember(("delegates-to", value), look)
        return lambda key: key[0] == "agent" and key[1] in agents

    def _policy(self, value: str) -> Test:
        policies = {name: self._graph.objects["policy", name] for name in self._policies(value)}

        def test(key: Key) -> bool:
            kind, name = key
            if kind == "tool":
                rules = self._rules
                return rules is not None and any(
                    rules.can_match(one, None, name) for one in policies.values()
                )
            if kind != "agent":
                return False
            return any(self._says_something(one, name) for one in self._force(name) if one.name in policies)

        return test

    def _policies(self, value: str) -> list[str]:
        return chosen(value, [one.name for one in self._graph.policies])

    def _says_something(self, policy: Declared, agent: str) -> bool:
        rules = self._rules
        if rules is None:
            return True
        return any(rules.can_match(policy, agent, tool) for tool in self._graph.tools_of(agent))

    # What it did

    def _used(self, value: str) -> Test:
        graph, same, window = self._graph, matching(value), self._window
        extra = any(
            same(name)
            or any(map(same, {*tool.data, *graph.sources_of_tool(name), *graph.classes_of_tool(name)}))
            for name, tool in self._extra.items()
        )
        return lambda key: key[0] == "agent" and (extra or did(graph, key[1], same, window))

    def _never_used(self, value: str) -> Test:
        graph, same, window = self._graph, matching(value), self._window
        return lambda key: (
            key[0] == "agent" and any(same(name) for _, name in idle_grants(graph, key[1], window))
        )

    def _seen(self, field: str, at: int) -> Test:
        def test(key: Key) -> bool:
            span = self._graph.seen_at.get(key)
            return span is not None and (span[1] >= at if field == "since" else span[0] <= at)

        return test


class Force:
    """Which policies of the registry are in force for an agent; each scope is read once.

    ``groups`` are the policies of one scope each.

    ``tools``: what the agents are about to call; ``asked``: policies whose scopes are being read already.
    """

    def __init__(
        self, graph: Graph, now: int, tools: Tools = NO_TOOLS, asked: frozenset[str] = frozenset()
    ) -> None:
        scopes: dict[str | None, list[Declared]] = {}  # policies of one scope are tested once
        tests: dict[str | None, Test | None] = {}
        for policy in graph.policies:
            scope = None if policy.name in asked else scope_of(graph, policy)
            written = None if scope is None else str(policy.body["scope"])
            scopes.setdefault(written, []).append(policy)
            if written not in tests:  # a scope that asks for itself in a circle covers
                tests[written] = None if scope is None else every(
                    Asking(graph, scope, now, None, tools, asked | {policy.name}, scope=True).tests()
                )  # fmt: skip
        self.groups: Sequence[Sequence[Declared]] = list(scopes.values())
        self._tests = list(tests.values())

    def groups_of(self, agent: str) -> tuple[int, ...]:
        """The groups of policies that are in force for an agent, by their place in ``groups``."""
        key = ("agent", agent)
        return tuple([n for n, test in enumerate(self._tests) if test is None or test(key)])

    def of(self, agent: str) -> list[Declared]:
        """The policies in force for an agent, by name."""
        found = [policy for group in self.groups_of(agent) for policy in self.groups[group]]
        return sorted(found, key=lambda one: one.name)


def every(tests: Sequence[Test]) -> Test:
    """One test that passes what passes all of them."""
    if len(tests) == 1:
        return tests[0]
    return lambda key: all(test(key) for test in tests)


def scope_of(graph: Graph, policy: Declared) -> Query | None:
    """The scope of a policy as a query; None where it covers every agent."""
    written = policy.body.get("scope")
    if not isinstance(written, str):
        return None
    try:
        return graph.remember(("scope", written), lambda: parse_query(written, REGISTRY))
    except BadInput:
        return None


def _effects(op: str, value: str) -> frozenset[str]:
    place = _EFFECTS.index(value)
    return frozenset(
        {
            "=": _EFFECTS[place : place + 1], ">": _EFFECTS[place + 1 :], ">=": _EFFECTS[place:],
            "<": _EFFECTS[:place], "<=": _EFFECTS[: place + 1],
        }[op]
    )  # fmt: skip


def _is_window(term: Term) -> bool:
    return term.field in TIME_FIELDS and not term.negated


def _not(test: Test) -> Test:
    return lambda key: not test(key)
