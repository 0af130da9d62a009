"""The graph: agents, what they are granted, what they were seen using, and what that reaches.

Built once from a snapshot and never changed. Each index is made when the first question needs it, so that a question
costs what it asks. An agent *has* a tool when it is declared with it or was seen using it, and reaches one when it or
an agent it delegates to, at any distance, has it. Circles of delegation end by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any, Final, TypeVar

from tallystick.model.registry import TYPES, Alias, Declared, Definition, Lifecycle, Shown, Use
from tallystick.registry.chains import Chains
from tallystick.registry.facts import Facts
from tallystick.registry.offered import waiting
from tallystick.registry.snapshot import Snapshot, by_agent

Key = tuple[str, str]  # type and name
MOST_REMEMBERED: Final = 1000
T = TypeVar("T")
_NOTHING: Final[Mapping[str, Any]] = {}


def names_in(body: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """The names in a list of a body; what is no text is left out, and so is a field that is no list."""
    value = body.get(field)
    if not value or not isinstance(value, list | tuple):
        return ()
    return tuple([one for one in value if isinstance(one, str)])


class Graph:
    """All that the registry knows at one moment. ``objects`` are those that are declared and not retired.

    Without ``facts`` nothing differs that depends on them.
    """

    def __init__(self, snapshot: Snapshot, facts: Facts | None = None) -> None:
        self.snapshot = snapshot
        self._facts = facts
        objects: dict[Key, Declared] = {}
        retired: dict[Key, Declared] = {}
        types: dict[str, dict[str, Declared]] = {}
        for one in snapshot.objects:
            if one.retired or one.card.lifecycle is Lifecycle.RETIRED:
                retired[one.type, one.name] = one
            else:
                objects[one.type, one.name] = one
                types.setdefault(one.type, {})[one.name] = one
        self.objects: Mapping[Key, Declared] = objects
        self.retired: Mapping[Key, Declared] = retired
        self._types: Mapping[str, Mapping[str, Declared]] = types
        self._remembered: dict[Any, Any] = {}
        self._tools: dict[str, Mapping[str, tuple[str, ...]]] = {}
        self._classes: dict[str, frozenset[str]] = {}

    def remember(self, asked: Hashable, look: Callable[[], T]) -> T:
        """An answer that stays true as long as the graph: looked up once, as long as not too many are kept."""
        if asked not in self._remembered:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered = {}
            self._remembered[asked] = look()
        known: T = self._remembered[asked]
        return known

    def labels(self, agent: str) -> Collection[str] | None:
        """The labels of all versions of an agent; None where nobody can say."""
        return None if self._facts is None else self._facts.labels(agent)

    def told(self, use: Use) -> Definition | None:
        """What a model was told of a tool; None where nobody can say."""
        return None if self._facts is None else self._facts.told(use)

    # What is there

    def of_type(self, type: str) -> Mapping[str, Declared]:
        """The declared objects of one type, by name."""
        return self._types.get(type, {})

    @cached_property
    def names(self) -> Mapping[str, Sequence[str]]:
        """All names by type, sorted: declared, seen or shown."""
        found: dict[str, set[str]] = {kind: set() for kind in TYPES}
        for kind, name in self.objects:
            found.setdefault(kind, set()).add(name)
        for kind, name in self.observed:
            found.setdefault(kind, set()).add(name)
        found["budget"].update(self.snapshot.budgets)
        return {kind: sorted(names) for kind, names in found.items()}

    @cached_property
    def observed(self) -> frozenset[Key]:
        """What was seen running, or, for a tool, showed what it is."""
        found: set[Key] = set(self.snapshot.seen)
        found.update(("agent", name) for name in self.observed_agents)
        for use in self.snapshot.uses:
            if use.type in ("tool", "model") or (use.type == "prompt" and use.detail):
                found.add((use.type, use.name))
        found.update(("tool", one.tool) for one in self.snapshot.shown)
        for kind, name in list(found):
            if kind == "tool":
                found.update(("data", source) for source in self.sources_of_tool(name))
        return frozenset(found)

    @cached_property
    def observed_agents(self) -> frozenset[str]:
        """The agents that were seen."""
        found = {name for kind, name in self.snapshot.seen if kind == "agent"}
        found.update(self.uses, self._handed)
        return frozenset(found)

    def was_observed(self, key: Key) -> bool:
        """Whether a thing was seen; of agents without looking for all the rest."""
        return key[1] in self.observed_agents if key[0] == "agent" else key in self.observed

    @cached_property
    def seen_at(self) -> Mapping[Key, tuple[int, int]]:
        """When a thing was first and last seen in use, in nanoseconds since the epoch."""
        found: dict[Key, tuple[int, int]] = {}

        def add(key: Key, use: Use) -> None:
            first, last = found.get(key, (use.first, use.last))
            found[key] = (min(first, use.first), max(last, use.last))

        for use in self.snapshot.uses:
            add(("agent", use.agent), use)
            if use.type == "delegate":
                add(("agent", use.name), use)
            elif (use.type, use.name) in self.observed:
                add((use.type, use.name), use)
            if use.type == "tool":
                for source in self.sources_of_tool(use.name):
                    add(("data", source), use)
        return found

    def declared(self, key: Key) -> bool:
        """Whether somebody wrote it down. A budget is by being set."""
        return key in self.objects or (key[0] == "budget" and key[1] in self.budgets)

    def body(self, type: str, name: str) -> Mapping[str, Any]:
        """What is declared of an object; empty for what nobody declared."""
        one = self.objects.get((type, name))
        return _NOTHING if one is None else one.body

    @cached_property
    def aliases(self) -> Mapping[Key, Sequence[Alias]]:
        """Aliases by object."""
        found: dict[Key, list[Alias]] = {}
        for one in self.snapshot.aliases:
            found.setdefault((one.type, one.name), []).append(one)
        return found

    @cached_property
    def shown(self) -> Mapping[str, Sequence[Shown]]:
        """Definitions by the tool that showed them."""
        found: dict[str, list[Shown]] = {}
        for one in self.snapshot.shown:
            found.setdefault(one.tool, []).append(one)
        return found

    @cached_property
    def waiting(self) -> Mapping[str, Sequence[Shown]]:
        """The definitions that wait for a person, by tool."""
        return {tool: found for tool, shown in self.shown.items() if (found := waiting(shown))}

    @cached_property
    def quarantined(self) -> AbstractSet[str]:
        """Tools with a definition that waits for a person."""
        return self.waiting.keys()

    @cached_property
    def budgets(self) -> frozenset[str]:
        """The scopes that have a budget."""
        return frozenset(self.snapshot.budgets)

    @cached_property
    def policies(self) -> Sequence[Declared]:
        """The declared policies, by name."""
        return sorted(
            (one for one in self.objects.values() if one.type == "policy"), key=lambda one: one.name
        )

    @cached_property
    def suites(self) -> Mapping[str, Sequence[str]]:
        """The suites that test each agent: those that its declaration names, and those that name it."""
        found: dict[str, set[str]] = {}
        for (kind, name), one in self.objects.items():
            if kind == "agent":
                found.setdefault(name, set()).update(names_in(one.body, "suites"))
            elif kind == "suite":
                for agent in names_in(one.body, "agents"):
                    found.setdefault(agent, set()).add(name)
        return {agent: sorted(suites) for agent, suites in found.items()}

    # Who uses what

    @cached_property
    def uses(self) -> Mapping[str, Sequence[Use]]:
        """What each agent was seen using."""
        return by_agent(self.snapshot.uses)

    @cached_property
    def _believed(self) -> Mapping[str, Sequence[Use]]:
        given = self.snapshot.believed
        return self.uses if given is None else by_agent(given)

    def believed(self, agent: str, type: str) -> Sequence[Use]:
        """Of what an agent was seen using of one type, that for whose sender something vouches."""
        return [use for use in self._believed.get(agent, ()) if use.type == type]

    def uses_of(self, agent: str, type: str) -> Sequence[Use]:
        """What an agent was seen using of one type."""
        return [use for use in self.uses.get(agent, ()) if use.type == type]

    @cached_property
    def _called(self) -> Mapping[str, Mapping[str, Use]]:
        return self._by_agent("tool")

    @cached_property
    def _handed_by(self) -> Mapping[str, Mapping[str, Use]]:
        return self._by_agent("delegate")

    @cached_property
    def _handed(self) -> frozenset[str]:
        return frozenset(use.name for use in self.snapshot.uses if use.type == "delegate")

    def _by_agent(self, type: str) -> Mapping[str, Mapping[str, Use]]:
        found: dict[str, dict[str, Use]] = {}
        for use in self.snapshot.uses:
            if use.type == type:
                found.setdefault(use.agent, {})[use.name] = use
        return found

    def used_tools(self, agent: str) -> Mapping[str, Use]:
        """The tools an agent was seen calling, by name."""
        return self._called.get(agent, {})

    def used_delegates(self, agent: str) -> Mapping[str, Use]:
        """The agents an agent was seen handing work to, by name."""
        return self._handed_by.get(agent, {})

    @cached_property
    def _grants(self) -> Mapping[str, tuple[str, ...]]:
        return {name: names_in(one.body, "tools") for name, one in self.of_type("agent").items()}

    def granted(self, agent: str) -> tuple[str, ...]:
        """The tools an agent is declared with."""
        return self._grants.get(agent, ())

    def has(self, agent: str) -> frozenset[str]:
        """The tools that an agent is declared with or was seen calling."""
        return frozenset(self.granted(agent)).union(self.used_tools(agent))

    @cached_property
    def _delegates(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, set[str]] = {}
        for agent, one in self.of_type("agent").items():
            declared = names_in(one.body, "delegates")
            if declared:
                found[agent] = set(declared)
        for agent, handed in self._handed_by.items():
            found.setdefault(agent, set()).update(handed)
        return {agent: sorted(names - {agent}) for agent, names in found.items()}

    def delegates(self, agent: str) -> Sequence[str]:
        """The agents an agent may hand work to, or did, by name."""
        return self._delegates.get(agent, ())

    @cached_property
    def holders(self) -> Mapping[str, AbstractSet[str]]:
        """The agents that have each tool themselves."""
        found: dict[str, set[str]] = {}
        for held in (self._grants, self._called):
            for agent, tools in held.items():
                for tool in tools:
                    found.setdefault(tool, set()).add(agent)
        return found

    @cached_property
    def principals(self) -> Mapping[str, Sequence[str]]:
        """The agents that delegate to each agent."""
        found: dict[str, list[str]] = {}
        for agent, delegates in self._delegates.items():
            for delegate in delegates:
                found.setdefault(delegate, []).append(agent)
        return found

    def upstream(self, agents: Iterable[str]) -> set[str]:
        """These agents and all that delegate to them, at any distance."""
        found = set(agents)
        waiting = list(found)
        while waiting:
            for principal in self.principals.get(waiting.pop(), ()):
                if principal not in found:
                    found.add(principal)
                    waiting.append(principal)
        return found

    def downstream(self, agent: str) -> Mapping[str, tuple[str, ...]]:
        """The agents that an agent can hand work to at any distance, each with the chain that leads there.

        A chain is the shortest one, among equals the first by name; the agent itself has the chain of itself.
        """
        found, level = Chains(agent), [agent]
        while level:
            level = [
                delegate for one in level for delegate in self.delegates(one) if found.add(delegate, one)
            ]
        return found

    def users(self, type: str, name: str) -> set[str]:
        """The agents that name a model, prompt, workflow or suite in their declaration, or were seen using it."""
        found = {use.agent for use in self.snapshot.uses if use.type == type and use.name == name}
        for (kind, agent), one in self.objects.items():
            if kind != "agent":
                continue
            if one.body.get(type) == name or name in names_in(one.body, type + "s"):
                found.add(agent)
        return found

    # What that reaches

    def tools_of(self, agent: str) -> Mapping[str, tuple[str, ...]]:
        """The tools that an agent reaches, each with the chain of delegation that leads to it (its own: itself)."""
        known = self._tools.get(agent)
        if known is None:
            found: dict[str, tuple[str, ...]] = {}
            chains = self.downstream(agent)
            for one in chains:
                if fresh := self.has(one).difference(found):
                    found.update(dict.fromkeys(fresh, chains[one]))
            known = self._tools[agent] = found
        return known

    def reaching(self, tools: Iterable[str]) -> set[str]:
        """The agents that reach at least one of these tools."""
        holders = self.holders
        return self.upstream({agent for tool in tools for agent in holders.get(tool, ())})

    def effect_of_tool(self, tool: str) -> str | None:
        """The declared effect of a tool; None where nobody declared one."""
        effect = self.body("tool", tool).get("effect")
        return effect if isinstance(effect, str) else None

    def sources_of_tool(self, tool: str) -> tuple[str, ...]:
        """The data sources that a tool is declared to reach."""
        return names_in(self.body("tool", tool), "sources")

    def classes_of_source(self, source: str) -> tuple[str, ...]:
        """The classes of data that a source holds."""
        return names_in(self.body("data", source), "classes")

    def classes_of_tool(self, tool: str) -> frozenset[str]:
        """The classes of data that a tool touches: its own and those of its sources."""
        known = self._classes.get(tool)
        if known is None:
            body = self.body("tool", tool)
            found = set(names_in(body, "data"))
            for source in names_in(body, "sources"):
                found.update(self.classes_of_source(source))
            known = self._classes[tool] = frozenset(found)
        return known

    def classes_of_agent(self, agent: str) -> frozenset[str]:
        """The classes of data that an agent reaches, or was seen handling."""
        found: set[str] = set()
        for one in self.downstream(agent):
            found.update(use.name for use in self.uses_of(one, "data"))
            for tool in self.has(one):
                found.update(self.classes_of_tool(tool))
        return frozenset(found)

    @cached_property
    def touched(self) -> Mapping[str, frozenset[str]]:
        """The tools that touch each class of data, or each data source, by its name."""
        held = {name: names_in(one.body, "classes") for name, one in self.of_type("data").items()}
        found: dict[str, set[str]] = {}
        for tool, one in self.of_type("tool").items():
            for data in names_in(one.body, "data"):
                found.setdefault(data, set()).add(tool)
            for source in names_in(one.body, "sources"):
                for what in (source, *held.get(source, ())):
                    found.setdefault(what, set()).add(tool)
        return {what: frozenset(tools) for what, tools in found.items()}

    @cached_property
    def handled(self) -> Mapping[str, frozenset[str]]:
        """The agents that were seen handling each class of data."""
        found: dict[str, set[str]] = {}
        for use in self.snapshot.uses:
            if use.type == "data":
                found.setdefault(use.name, set()).add(use.agent)
        return {what: frozenset(agents) for what, agents in found.items()}
