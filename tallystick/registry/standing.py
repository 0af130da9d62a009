"""Standing: how the two halves of a thing agree."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from tallystick.model.registry import Declared, Definition, Difference, Shown
from tallystick.registry.drift import WINDOW_NS, Known, differences
from tallystick.registry.graph import Graph, Key

BOTH: Final = "declared and observed"
DECLARED_ONLY: Final = "declared only"
SHADOW: Final = "observed only"
DRIFTED: Final = "drifted"


def standing_of(graph: Graph, key: Key, now: int) -> str:
    """One of "declared and observed", "declared only", "observed only" and "drifted". ``now``: in nanoseconds."""
    return standing_with(graph, key, differences_of(graph, key, now))


def standing_with(graph: Graph, key: Key, found: Collection[Difference]) -> str:
    """The standing of a thing whose differences are known."""
    if not graph.declared(key):
        return SHADOW
    if found:
        return DRIFTED
    return BOTH if graph.was_observed(key) else DECLARED_ONLY


def differences_of(graph: Graph, key: Key, now: int) -> Sequence[Difference]:
    """Where what was observed of a declared thing is not what is declared; empty for what nobody declared.

    Agents differ by what they used (see ``drift``), tools by a definition that waits for a person.
    """
    kind, name = key
    one = graph.objects.get(key)
    if one is None:
        return ()
    if kind == "tool":
        return [_definition(shown) for shown in graph.waiting.get(name, ())]
    if kind == "agent":
        return _drift(graph, one, now)
    return ()


def _drift(graph: Graph, agent: Declared, now: int) -> Sequence[Difference]:
    since = max(agent.at, now - WINDOW_NS)
    uses = [use for use in graph.uses.get(agent.name, ()) if use.last >= since]
    if not uses:
        return ()
    other = any(use.type == "version" and use.name != agent.version for use in uses)
    labels = graph.labels(agent.name) if other else ()
    if labels is None:  # nobody can say which versions there were
        uses, labels = [use for use in uses if use.type != "version"], ()
    told: dict[str, Definition] = {}
    for use in uses:
        if use.type == "definition" and ("tool", use.name) in graph.objects:
            definition = graph.told(use)
            if definition is not None:
                told[use.detail] = definition
    known = Known(
        graph.of_type("tool"),
        graph.of_type("prompt"),
        {name: graph.classes_of_tool(name) for name in graph.granted(agent.name)},
        labels,
        told,
    )
    return differences(agent, uses, known, now=now)


def _definition(one: Shown) -> Difference:
    told = "a new definition" if not one.differs else "another " + ", ".join(one.differs)
    text = f"{one.tool} showed {told} ({one.channel.value}); it waits for a person"
    return Difference("definition", one.tool, one.against, one.definition, text, one.first, one.first)
