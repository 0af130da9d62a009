"""Standing: how the two halves of a thing agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tallystick.model.registry import Difference, Shown, Trust
from tallystick.registry.graph import Graph, Key
from tallystick.registry.reconcile import BOTH, DECLARED_ONLY, SHADOW

DRIFTED: Final = "drifted"


def standing_of(graph: Graph, key: Key, now: int) -> str:
    """One of "declared and observed", "declared only", "observed only" and "drifted". ``now``: in nanoseconds."""
    if not graph.declared(key):
        return SHADOW
    if differences_of(graph, key, now):
        return DRIFTED
    return BOTH if key in graph.observed else DECLARED_ONLY


def differences_of(graph: Graph, key: Key, now: int) -> Sequence[Difference]:
    """Where what was observed of a declared thing is not what is declared; empty for what nobody declared."""
    kind, name = key
    if key not in graph.objects:
        return ()
    if kind == "tool":
        return [_definition(one) for one in graph.shown.get(name, ()) if one.trust is Trust.QUARANTINED]
    return ()


def _definition(one: Shown) -> Difference:
    told = "a new definition" if not one.differs else "another " + ", ".join(one.differs)
    text = f"{one.tool} showed {told} ({one.channel.value}); it waits for a person"
    return Difference("definition", one.tool, one.against, one.definition, text, one.first, one.first)
