"""Values in a query that nothing in the registry has: most often a misspelling, and the answer would just be empty."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tallystick.model.query import Query
from tallystick.registry.graph import Graph, names_in
from tallystick.registry.reading import chosen, object_of, owner_of


def _touched(graph: Graph) -> Iterable[str]:
    sources = (name for kind, name in graph.objects if kind == "data")
    return {
        *graph.touched,
        *graph.handled,
        *sources,
        *(one for s in graph.names["data"] for one in graph.classes_of_source(s)),
    }


def _owners(graph: Graph) -> Iterable[str]:
    known = (object_of(graph, key) for key in (*graph.objects, *graph.retired))
    return {owner for one in known if one is not None and (owner := owner_of(one))}


def _workflows(graph: Graph) -> Iterable[str]:
    return {str(one.body.get("workflow")) for one in graph.objects.values() if one.type == "agent"}


def _deeds(graph: Graph) -> Iterable[str]:
    return {
        *_touched(graph),
        *_named(graph, "tool"),
        *_named(graph, "model"),
        *_named(graph, "prompt"),
        *graph.names["agent"],
    }


def _named(graph: Graph, kind: str) -> Iterable[str]:
    """Names of things, and names that agents mention without their being declared."""
    field = kind + "s"
    mentioned = (
        name for one in graph.objects.values() if one.type == "agent" for name in names_in(one.body, field)
    )
    return {*graph.names[kind], *mentioned}


_KNOWN: Final[Mapping[str, tuple[Callable[[Graph], Iterable[str]], str]]] = {
    "touches": (_touched, "no tool or data source touches {}"),
    "data": (lambda graph: graph.names["data"], "no data source is called {}"),
    "tool": (lambda graph: _named(graph, "tool"), "no tool is called {}"),
    "model": (lambda graph: _named(graph, "model"), "no model is called {}"),
    "prompt": (lambda graph: _named(graph, "prompt"), "no prompt is called {}"),
    "policy": (lambda graph: graph.names["policy"], "no policy is called {}"),
    "delegates-to": (lambda graph: graph.names["agent"], "no agent is called {}"),
    "used": (_deeds, "nothing that agents use is called {}"),
    "never-used": (_deeds, "nothing that agents use is called {}"),
    "owner": (_owners, "nothing is owned by {}"),
    "env": (lambda graph: {one.alias for one in graph.snapshot.aliases}, "nothing has the alias {}"),
    "workflow": (_workflows, "no agent works in {}"),
}


def unknown_values(graph: Graph, query: Query) -> list[str]:
    """One sentence for each value that nothing has, with the nearest one that something has."""
    found = []
    for term in query.terms:
        if term.field not in _KNOWN:
            continue
        names, sentence = _KNOWN[term.field]
        known = names(graph)
        value = str(term.value)
        if not chosen(value, known):
            near = difflib.get_close_matches(value, sorted(known), 1)
            found.append(sentence.format(value) + (f"; did you mean {near[0]}?" if near else ""))
    return found
