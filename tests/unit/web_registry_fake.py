"""A registry over the invented world, which answers in the catalog's shapes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import web_registry_world as world
from web_poison import poison
from web_world import NOW, Row, stamp

from tallystick.app.reading.questions import Registry
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.query import REGISTRY, parse_query
from tallystick.model.registry import TYPES


class FakeCatalog:
    """Answers like the catalog; ``taint`` is applied to every text, ``agents`` adds so many more of them."""

    def __init__(
        self, *, empty: bool = False, taint: Callable[[str], str] | None = None, agents: int = 0
    ) -> None:
        self._taint = taint
        self._empty = empty
        self.things: dict[str, list[Row]] = {kind: [] for kind in TYPES} if empty else world.objects()
        more = [world.thing("agent", f"agent-{number:04}", classes=["public"]) for number in range(agents)]
        self.things["agent"] += more
        self.waiting: list[Row] = [] if empty else [world.shown()]
        self.accepted: list[tuple[str, str, str, str | None]] = []
        if taint:
            poison(self.things, taint)
            poison(self.waiting, taint)

    def _tell(self, answer: Row) -> Row:
        found = copy.deepcopy(answer)
        return poison(found, self._taint) if self._taint else found

    def grades(self, agent: str, since: str = "30d") -> Row:
        empty = {"observed": 0, "decided": 0, "enforced": 0, "declared": True}
        rows = [
            {**empty, "tool": "refund", "grade": "enforced before execution", "calls": 12, "enforced": 12},
            {**empty, "tool": "search", "grade": "observed only", "calls": 3, "observed": 1, "enforced": 2},
            {**empty, "tool": "wire", "grade": "not measured", "calls": 0},
        ]
        return self._tell({"agent": agent, "since": since, "runs": 15, "more": False, "tools": rows})

    def objects(self, type: str, query: str = "") -> Row:
        if type not in self.things:
            raise BadInput(f"the registry has no {type!r}")
        terms = parse_query(query, REGISTRY).terms
        found = [row for row in self.things[type] if all(_holds(row, term) for term in terms)]
        return {"total": len(found), "objects": found, "warnings": []}

    def find(self, query: str) -> Row:
        parse_query(query, REGISTRY)
        found = [row for kind in self.things for row in self.objects(kind, query)["objects"]]
        return {"total": len(found), "query": query, "objects": found, "warnings": []}

    def object(self, type: str, ref: str) -> Row:
        if type not in self.things:
            raise BadInput(f"the registry has no {type!r}", hint="types: " + ", ".join(TYPES))
        for row in self.things[type]:
            if row["name"] == ref or (self._taint and ref):
                return row | self._more(type, row)
        raise UnknownThing(f"no {type} is called {ref!r}", hint=f"tally {type}s ls")

    def _more(self, type: str, row: Row) -> Row:
        name = row["name"]
        agent = type == "agent"
        versions = world.versions(type, name) if row["declared"] else []
        digest = versions[0]["digest"] if versions else ""
        aliases = [{"alias": "production", "digest": digest, "version": "1.4.0", "at": stamp(NOW), "by": "maria",
                    "because": None}] if versions else []  # fmt: skip
        return self._tell(
            {
                "versions": versions,
                "aliases": aliases,
                "uses": world.uses() if agent else [],
                "used_by": [] if agent else [{"type": "agent", "name": "refunds"}],
                "definitions": [one for one in self.waiting if one["tool"] == name] if type == "tool" else [],
                "differences": world.differences() if row["standing"] == "drifted" or self._taint else [],
                "signals": world.signals() if agent else None,
                "text": world.TEXTS.get(type) if row["declared"] else None,
            }
        )

    def access(self, what: str, since: str = "30d") -> Row:
        parse_query(f"since:{since}", REGISTRY)
        found = self._tell(world.access(what, since))
        return found if not self._empty and what != "nobody" else found | {"agents": 0, "rows": []}

    def unused(self, agent: str | None = None, since: str = "30d") -> Row:
        parse_query(f"since:{since}", REGISTRY)
        found = self._tell(world.unused(since))
        rows = [row for row in found["rows"] if agent in (None, row["agent"])]
        return {"since": since, "rows": [] if self._empty else rows}

    def reach(self, query: str = "") -> Row:
        parse_query(query, REGISTRY)
        return self._tell(world.reach(self.things if not self._taint else world.objects()))

    def diff(self, type: str, name: str, a: str, b: str) -> Row:
        self.object(type, name)
        return self._tell(world.diff(type, name, a, b))

    def quarantine(self) -> Row:
        return {"definitions": self.waiting}

    def ready(self, ref: str) -> Row:
        return self._tell(world.ready(ref))

    def accept(self, tool: str, definition: str, *, by: str, because: str | None) -> Row:
        for one in self.waiting:
            if one["tool"] == tool and one["definition"].startswith(definition):
                self.waiting.remove(one)
                self.accepted.append((tool, one["definition"], by, because))
                return one | {
                    "trust": "accepted",
                    "why": because or "accepted",
                    "by": by,
                    "decided": stamp(NOW),
                }
        raise UnknownThing(f"no definition of {tool!r} waits", hint="tally tools quarantine")

    def registry(self) -> Registry:
        return Registry(self, self.ready, self.accept)


def _holds(row: Row, term: Any) -> bool:
    if term.field == "flag":
        held = {"shadow": row["standing"] == "observed only", "drifted": row["standing"] == "drifted"}
        answer = held.get(str(term.value), bool(row.get(str(term.value))))
    elif term.field == "touches":
        answer = term.value in row["classes"]
    elif term.field == "missing":
        answer = not row.get(str(term.value))
    elif term.field == "text":
        answer = str(term.value) in f"{row['name']} {row['purpose']}"
    elif term.field == "kind":
        answer = row["type"] == term.value
    else:
        answer = row.get(term.field) == term.value
    return bool(answer) is not term.negated
