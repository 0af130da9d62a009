"""The registry as it would be if another version of one object were its newest. Pure."""

from __future__ import annotations

from dataclasses import replace

from tallystick.model.registry import Card, Declared, Version
from tallystick.registry.graph import Graph


def with_version(graph: Graph, version: Version) -> Graph:
    """The graph with this version in the place of its object's newest; the same graph where it is that already."""
    key = (version.type, version.name)
    known = graph.objects.get(key) or graph.retired.get(key)
    if known is not None and known.digest == version.digest and not known.retired:
        return graph
    card = known.card if known is not None else Card()
    one = Declared(
        version.type, version.name, version.digest, version.label, version.body, card=card, at=version.at, by=version.by
    )  # fmt: skip
    others = [old for old in graph.snapshot.objects if (old.type, old.name) != key]
    return Graph(replace(graph.snapshot, objects=(*others, one)))
