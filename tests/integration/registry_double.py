"""A registry behind the doors of the API: one of everything, so that every shape is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick.app.reading.questions import Registry
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.query import REGISTRY, parse_query
from tallystick.model.registry import TYPES

TIME = "2026-11-22T10:00:00.000000Z"
THING: dict[str, Any] = {
    "type": "agent", "name": "refunds", "standing": "drifted", "declared": True, "observed": True, "version": "1.0.0",
    "digest": "d" * 64, "owner": None, "purpose": "<script>alert(1)</script>", "lifecycle": "active",
    "autonomy": "acts", "links": {"repository": "javascript:alert(1)"}, "aliases": {"production": "1.0.0"},
    "effect": None, "classes": ["payment"], "declaration": {"tools": ["refund"]}, "differences": 1,
    "quarantined": False, "runs": 1, "steps": 1, "errors": 0, "cost_nano_usd": None, "cost_known_nano_usd": 0,
    "cost_gaps": 1, "first": None, "last": TIME,
}  # fmt: skip
SHOWN: dict[str, Any] = {
    "tool": "refund", "channel": "mcp", "definition": "e" * 64, "trust": "quarantined", "why": "changed",
    "differs": ["description"], "against": "f" * 64, "server": "crm", "first": TIME, "decided": None, "by": None,
    "before": None, "after": {"name": "refund", "description": "Pays back."},
}  # fmt: skip
SIGNAL = {"value": None, "low": None, "high": None, "n": 0, "unmeasured": 0}
MORE: dict[str, Any] = {
    "aliases": [{"alias": "production", "digest": "d" * 64, "version": "1.0.0", "at": TIME, "by": "ann",
                 "because": None}],
    "versions": [{"digest": "d" * 64, "version": "1.0.0", "at": TIME, "by": "ann", "because": None, "current": True,
                  "body": {}}],
    "uses": [{"agent": "refunds", "type": "tool", "name": "refund", "detail": "", "first": TIME, "last": TIME,
              "runs": 1, "steps": 1, "errors": 0, "run": "a" * 32, "step": "b" * 16}],
    "used_by": [{"type": "suite", "name": "cases"}], "definitions": [],
    "differences": [{"what": "tool", "name": "wire", "declared": None, "observed": "wire", "text": "calls wire",
                     "first": TIME, "last": TIME, "run": None, "step": None}],
    "signals": {"since": "30d", "runs": 0, "took_part": False, "completion": SIGNAL, "tool_calls": SIGNAL,
                "adherence": SIGNAL, "cost_per_run_nano_usd": SIGNAL, "cost_per_success_nano_usd": SIGNAL},
    "text": None,
}  # fmt: skip
ROW: dict[str, Any] = {
    "agent": "refunds", "standing": "drifted", "chain": ["refunds"], "tool": "refund", "effect": "irreversible",
    "sources": ["ledger"], "classes": ["payment"],
    "policies": [{"policy": "money", "rules": ["large"], "says": "hold"}], "verdict": "after approval",
    "granted": True, "used": None, "runs": 0, "errors": 0, "run": None,
}  # fmt: skip


class CannedCatalog:
    """One agent that differs; every other list is empty."""

    def objects(self, type: str, query: str = "") -> Mapping[str, Any]:
        parse_query(query, REGISTRY)
        found = [THING] if type == "agent" else []
        return {"total": len(found), "objects": found, "warnings": []}

    def find(self, query: str) -> Mapping[str, Any]:
        return {**self.objects("agent", query), "query": query}

    def object(self, type: str, ref: str) -> Mapping[str, Any]:
        self._known(type, ref)
        return THING | MORE

    def signals_over(self, agent: str, by: str, since: str | None = None) -> Mapping[str, Any]:
        names = (
            "completion",
            "tool_calls",
            "adherence",
            "cost_per_run_nano_usd",
            "cost_per_success_nano_usd",
        )
        row = {"version": None, "from": TIME, "to": TIME, "runs": 1, **dict.fromkeys(names, SIGNAL)}
        return {"agent": agent, "since": since, "by": by, "rows": [row]}

    def access(self, what: str, since: str = "30d") -> Mapping[str, Any]:
        parse_query(f"since:{since}", REGISTRY)
        return {"what": what, "since": since, "agents": 1, "rows": [ROW], "warnings": []}

    def unused(self, agent: str | None = None, since: str = "30d") -> Mapping[str, Any]:
        parse_query(f"since:{since}", REGISTRY)
        row = {key: ROW[key] for key in ("agent", "tool", "effect", "classes")}
        more = {"type": "tool", "granted_since": TIME, "last_used": None, "claimed": None}
        return {"since": since, "rows": [row | more]}

    def reach(self, query: str = "") -> Mapping[str, Any]:
        parse_query(query, REGISTRY)
        node = {
            "id": "agent:refunds",
            "type": "agent",
            "name": "refunds",
            "standing": "drifted",
            "effect": None,
        }
        other = node | {"id": "tool:refund", "type": "tool", "name": "refund"}
        edge = {"from": "agent:refunds", "to": "tool:refund", "how": "granted", "used": None}
        return {"nodes": [node, other], "edges": [edge], "more": 0, "warnings": []}

    def diff(self, type: str, name: str, a: str, b: str) -> Mapping[str, Any]:
        self._known(type, name)
        change = {"path": "tools", "how": "added", "before": None, "after": ["refund"]}
        text = {"path": "text", "lines": [" a", "-b", "+c"]}
        return {"type": type, "name": name, "from": a, "to": b, "changes": [change], "texts": [text]}

    def quarantine(self) -> Mapping[str, Any]:
        return {"definitions": [SHOWN]}

    def _known(self, type: str, ref: str) -> None:
        if type not in TYPES:
            raise BadInput(f"the registry has no type {type!r}", hint="types: " + ", ".join(TYPES))
        if (type, ref) != ("agent", "refunds"):
            raise UnknownThing(f"no {type} is called {ref!r}")


def ready(agent: str) -> Mapping[str, Any]:
    """What one agent needs."""
    if agent != "refunds":
        raise UnknownThing(f"no agent is called {agent!r}")
    gap = {"what": "no owner", "fix": "owner = in agents/refunds.toml"}
    layer = {
        "layer": "registry",
        "needed": True,
        "why": "it has tools",
        "has": ["declared"],
        "missing": [gap],
    }
    return {"agent": agent, "version": None, "needed": True, "sentence": "It moves money.", "ready": False,
            "layers": [layer]}  # fmt: skip


def accept(tool: str, definition: str, *, by: str, because: str | None) -> Mapping[str, Any]:
    """Accept the one definition that waits."""
    if tool != "refund" or not SHOWN["definition"].startswith(definition):
        raise UnknownThing(f"no definition of {tool!r} waits")
    return SHOWN | {"trust": "accepted", "why": because or "accepted", "by": by, "decided": TIME}


def canned_registry() -> Registry:
    """The registry as a door shows it."""
    return Registry(CannedCatalog(), ready, accept)
