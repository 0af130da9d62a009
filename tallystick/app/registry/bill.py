"""What a bill of materials lists: agents, and everything they are declared with or were seen using."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.app.registry.catalog import Catalog
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.query import REGISTRY, parse_query
from tallystick.model.registry import Lifecycle
from tallystick.registry.graph import Graph, Key, names_in
from tallystick.registry.search import find, in_force
from tallystick.registry.versioned import with_version

KINDS: Final = ("agent", "tool", "model", "data", "prompt", "policy")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of the bill. ``digest``: of its version, None for what nobody declared. ``facts`` are words by name."""

    type: str
    name: str
    version: str | None = None
    digest: str | None = None
    owner: str | None = None
    purpose: str | None = None
    description: str | None = None
    classes: tuple[str, ...] = ()
    effect: str | None = None
    links: tuple[tuple[str, str], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> Key:
        """Type and name."""
        return self.type, self.name


@dataclass(frozen=True, slots=True)
class Bill:
    """Items by type and name, and what depends on what. ``at``: nanoseconds since the epoch. ``asked``: for what."""

    asked: str
    at: int
    items: tuple[Item, ...] = ()
    edges: tuple[tuple[Key, Key], ...] = field(default=())


def gather(catalog: Catalog, what: str, *, now: int) -> Bill:
    """The bill of one agent (``NAME`` or ``NAME@VERSION``), of those a query finds, or of all (an empty text).

    Raises UnknownThing for no agent, and BadInput for a query that cannot be read.
    """
    graph, agents = _chosen(catalog, what, now)
    edges: set[tuple[Key, Key]] = set()
    wanted = list(dict.fromkeys(one for agent in agents for one in graph.downstream(agent)))
    for agent in wanted:
        edges |= {(("agent", agent), key) for key in _needs(graph, agent, now)}
    for tool in {to[1] for _, to in edges if to[0] == "tool"}:
        edges |= {(("tool", tool), ("data", source)) for source in graph.sources_of_tool(tool)}
    keys = {("agent", agent) for agent in wanted} | {key for edge in edges for key in edge}
    items = tuple(_item(graph, key) for key in sorted(keys, key=lambda key: (KINDS.index(key[0]), key[1])))
    return Bill(what, now, items, tuple(sorted(edges)))


def _chosen(catalog: Catalog, what: str, now: int) -> tuple[Graph, list[str]]:
    """The registry, and the agents that are meant: a name first, then a query."""
    graph = catalog.graph()
    if not what.strip():
        return graph, list(graph.names["agent"])
    try:
        name, version = catalog.resolve("agent", what)
    except UnknownThing as unknown:
        try:
            found = [
                one.name for one in find(graph, parse_query(what, REGISTRY), now=now) if one.type == "agent"
            ]
        except BadInput:
            found = []
        if not found:
            raise UnknownThing(
                f"no agent is called {what!r}, and no agent matches it as a query", hint=unknown.hint
            ) from None
        return graph, found
    return (graph if version is None else with_version(graph, version)), [name]


def _needs(graph: Graph, agent: str, now: int) -> set[Key]:
    body = graph.body("agent", agent)
    found: set[Key] = {("tool", name) for name in graph.has(agent)}
    found |= {("agent", name) for name in graph.delegates(agent)}
    found |= {("model", name) for name in names_in(body, "models")}
    found |= {("model", use.name) for use in graph.uses_of(agent, "model")}
    found |= {("prompt", name) for name in names_in(body, "prompts")}
    found |= {("prompt", use.name) for use in graph.uses_of(agent, "prompt") if use.detail}
    return found | {("policy", one.name) for one in in_force(graph, agent, now=now)}


def _item(graph: Graph, key: Key) -> Item:
    declared = graph.objects.get(key)
    observed = key in graph.observed
    halves = [word for word, there in (("declared", declared), ("observed", observed)) if there]
    facts = [("standing", " and ".join(halves) or "named only")]
    if declared is None:
        return Item(*key, classes=_classes(graph, key), facts=tuple(facts))
    body, card = declared.body, declared.card
    if card.lifecycle is not Lifecycle.ACTIVE:
        facts.append(("lifecycle", card.lifecycle.value))
    for name in ("autonomy", "workflow", "effect", "location", "server", "scope"):
        if isinstance(body.get(name), str):
            facts.append((name, body[name]))
    return Item(
        *key, version=declared.version, digest=declared.digest, owner=card.owner, purpose=card.purpose,
        description=_text(body.get("description")), classes=_classes(graph, key), effect=_text(body.get("effect")),
        links=tuple(sorted(card.links.items())), facts=tuple(facts),
    )  # fmt: skip


def _classes(graph: Graph, key: Key) -> tuple[str, ...]:
    if key[0] == "tool":
        return tuple(sorted(graph.classes_of_tool(key[1])))
    return tuple(sorted(graph.classes_of_source(key[1]))) if key[0] == "data" else ()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
