"""The JSON shapes of the registry; documented in docs/reference/json.md and pinned by tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tallystick.app.reading.shapes import Json, time_text
from tallystick.model.errors import UnknownThing
from tallystick.model.registry import Alias, Difference, Shown, Use, Version
from tallystick.ports import ControlStore, Sighting
from tallystick.registry.graph import Graph, Key
from tallystick.registry.reach import Reach
from tallystick.registry.reading import lifecycle_of, owner_of, purpose_of
from tallystick.registry.standing import standing_of, standing_with


def thing_json(
    graph: Graph,
    key: Key,
    sighting: Sighting | None,
    aliases: dict[str, str],
    *,
    differences: Sequence[Difference],
) -> Json:
    """One thing with both halves. Numbers of what was seen are those of all time."""
    kind, name = key
    one = graph.objects.get(key)
    known = one or graph.retired.get(key)
    body = dict(known.body) if known is not None else {}
    return {
        "type": kind,
        "name": name,
        "standing": standing_with(graph, key, differences),
        "declared": graph.declared(key),
        "observed": key in graph.observed,
        "version": known.version if known else None,
        "digest": known.digest if known else None,
        "owner": owner_of(known) if known else None,
        "purpose": purpose_of(known) if known else None,
        "lifecycle": lifecycle_of(graph, key),
        "autonomy": body.get("autonomy"),
        "links": dict(known.card.links) if known else {},
        "aliases": aliases,
        "effect": body.get("effect"),
        "classes": classes_of(graph, key),
        "declaration": body or None,
        "differences": len(differences),
        "quarantined": kind == "tool" and name in graph.quarantined,
        **seen_json(graph, key, sighting),
    }


def classes_of(graph: Graph, key: Key) -> list[str]:
    """The classes of data that a thing reaches or holds, sorted."""
    kind, name = key
    if kind == "agent":
        return sorted(graph.classes_of_agent(name))
    if kind == "tool":
        return sorted(graph.classes_of_tool(name))
    return sorted(set(graph.classes_of_source(name))) if kind == "data" else []


def seen_json(graph: Graph, key: Key, sighting: Sighting | None) -> Json:
    """How often a thing was seen and what it cost; what costs nothing by itself has no cost."""
    if sighting is not None:
        return {
            "runs": sighting.runs,
            "steps": sighting.steps,
            "errors": sighting.errors,
            "cost_nano_usd": None if sighting.cost_gaps else sighting.cost_nano,
            "cost_known_nano_usd": sighting.cost_nano,
            "cost_gaps": sighting.cost_gaps,
            "first": time_text(sighting.first),
            "last": time_text(sighting.last),
        }
    first, last = graph.seen_at.get(key, (None, None))
    costs = key[0] in ("agent", "tool", "model", "workflow")
    return {
        "runs": 0, "steps": 0, "errors": 0, "cost_nano_usd": 0 if costs else None, "cost_known_nano_usd": 0,
        "cost_gaps": 0, "first": time_text(first), "last": time_text(last),
    }  # fmt: skip


def version_json(one: Version, current: str | None) -> Json:
    """One version of an object; ``current``: the digest of its newest version."""
    return {
        "digest": one.digest,
        "version": one.label,
        "at": time_text(one.at),
        "by": one.by,
        "because": one.because,
        "current": one.digest == current,
        "body": dict(one.body),
    }


def alias_json(one: Alias, labels: dict[str, str | None]) -> Json:
    """One alias; ``labels``: the label of each version by digest."""
    return {
        "alias": one.alias,
        "digest": one.digest,
        "version": labels.get(one.digest),
        "at": time_text(one.at),
        "by": one.by,
        "because": one.because,
    }


def use_json(one: Use) -> Json:
    """What an agent was seen using."""
    return {
        "agent": one.agent,
        "type": one.type,
        "name": one.name,
        "detail": one.detail,
        "first": time_text(one.first),
        "last": time_text(one.last),
        "runs": one.runs,
        "steps": one.steps,
        "errors": one.errors,
        "run": one.run or None,
        "step": one.step or None,
    }


def difference_json(one: Difference) -> Json:
    """Where what was observed is not what is declared."""
    return {
        "what": one.what,
        "name": one.name,
        "declared": one.declared,
        "observed": one.observed,
        "text": one.text,
        "first": time_text(one.first),
        "last": time_text(one.last),
        "run": one.run,
        "step": one.step,
    }


def shown_json(control: ControlStore, one: Shown) -> Json:
    """A definition that a tool showed, with what it says and what was accepted before."""
    return {
        "tool": one.tool,
        "channel": one.channel.value,
        "definition": one.definition,
        "trust": one.trust.value,
        "why": one.why,
        "differs": list(one.differs),
        "against": one.against,
        "server": one.server,
        "first": time_text(one.first),
        "decided": time_text(one.decided),
        "by": one.by,
        "before": _definition(control, one.against),
        "after": _definition(control, one.definition),
    }


def _definition(control: ControlStore, digest: str | None) -> Any:
    """A definition's JSON; None where the journal does not have it."""
    if digest is None:
        return None
    try:
        return json.loads(control.text(digest))
    except (UnknownThing, ValueError):
        return None


def reach_json(graph: Graph, found: Reach, *, now: int) -> Json:
    """A part of the graph; the id of a node is its type and name."""
    return {
        "nodes": [
            {
                "id": _id(key), "type": key[0], "name": key[1],
                "standing": None if key[0] == "class" else standing_of(graph, key, now),
                "effect": graph.effect_of_tool(key[1]) if key[0] == "tool" else None,
            }
            for key in found.nodes
        ],
        "edges": [
            {"from": _id(edge.source), "to": _id(edge.target), "how": edge.how, "used": time_text(edge.used)}
            for edge in found.edges
        ],
        "more": found.more,
    }  # fmt: skip


def _id(key: Key) -> str:
    return f"{key[0]}:{key[1]}"
