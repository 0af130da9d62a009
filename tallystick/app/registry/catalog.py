"""The catalog: the registry as command line, API and pages read it."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tallystick.app.reading.shapes import Json
from tallystick.app.reading.signals import signals_of, signals_over
from tallystick.app.registry.access import Coverages, Rulings, access_rows, unused_rows
from tallystick.app.registry.catalog_shapes import (
    alias_json,
    difference_json,
    reach_json,
    shown_json,
    thing_json,
    use_json,
    version_json,
)
from tallystick.app.registry.facts import StoreFacts
from tallystick.model.errors import BadInput, UnknownThing
from tallystick.model.query import REGISTRY, Query, Term, moment, parse_query
from tallystick.model.registry import TYPES, Version
from tallystick.observe.uses import is_claimed, with_claims
from tallystick.ports import Clock, ControlStore, Sighting, Traces
from tallystick.registry.access import MOST_LINKS, access_to
from tallystick.registry.diff import diff_versions
from tallystick.registry.graph import Graph, Key
from tallystick.registry.knowing import unknown_values
from tallystick.registry.reach import reach_of
from tallystick.registry.search import Found, find
from tallystick.registry.snapshot import Snapshot
from tallystick.registry.standing import differences_of
from tallystick.registry.version_refs import SHORT, version_of

SINCE: Final = "30d"
MOST_NODES: Final = 40  # of a layer of the graph
WRITTEN: Final = ("prompt", "policy")  # what they say is a text of the journal
SIGHTED: Final = ("agent", "tool", "model", "workflow")
FRESH_NS: Final = 2_000_000_000


class _At(NamedTuple):
    """How far both stores were."""

    registry: int
    uses: int
    cursor: int


class _Built(NamedTuple):
    """A graph, what it was made of, and when, in nanoseconds since the epoch."""

    at: _At
    made: int
    snapshot: Snapshot
    graph: Graph


class Catalog:
    """Reads the registry from both stores. Every method returns plain dicts and lists; see catalog_shapes.py."""

    def __init__(self, control: ControlStore, traces: Traces, clock: Clock) -> None:
        self._control = control
        self._traces = traces
        self._clock = clock
        self._coverages = Coverages(control)
        self._facts = StoreFacts(control, traces)
        self._reading = threading.Lock()
        self._built: _Built | None = None

    def graph(self) -> Graph:
        """The registry as it stands.

        Read anew when an entry changed it or a run was listed; a run that only goes on is heard of two seconds later,
        so that a busy server does not build a graph for every page.
        """
        with self._reading:
            at = _At(
                self._control.registry_revision(),
                self._traces.uses_revision(),
                self._traces.changes(-1)[0].cursor,
            )
            built, now = self._built, self._clock.now()
            if built is None or built.at[:2] != at[:2] or (
                built.at.cursor != at.cursor and not 0 <= now - built.made < FRESH_NS
            ):  # fmt: skip
                snapshot = self._snapshot(at, built)
                built = self._built = _Built(at, now, snapshot, Graph(snapshot, self._facts))
            return built.graph

    def _snapshot(self, at: _At, built: _Built | None) -> Snapshot:
        """Both halves of the registry; what has not changed since the last time is not read again."""
        declared = built.snapshot if built is not None and built.at.registry == at.registry else None
        observed = built.snapshot if built is not None and built.at.uses == at.uses else None
        control, traces = self._control, self._traces
        uses = traces.uses() if observed is None else ()
        return Snapshot(
            objects=tuple(control.declared(retired=True)) if declared is None else declared.objects,
            aliases=tuple(control.aliases()) if declared is None else declared.aliases,
            shown=tuple(control.shown()) if declared is None else declared.shown,
            uses=tuple(with_claims(uses)) if observed is None else observed.uses,
            believed=tuple(use for use in uses if not is_claimed(use))
            if observed is None
            else observed.believed,
            budgets=tuple(one.scope for one in control.budgets()),
            seen=tuple(traces.seen()),
        )

    def objects(self, type: str, query: str = "") -> Json:
        """``{"total", "objects", "warnings"}``: the things of one type that match, undeclared ones first.

        Raises BadInput for a type that does not exist and for a query that cannot be read.
        """
        _check_type(type)
        graph, asked = self.graph(), parse_query(query, REGISTRY)
        found = [one for one in self._find(graph, asked) if one.type == type]
        found.sort(key=lambda one: (graph.declared(one), one.name))
        return {
            "total": len(found),
            "objects": self._things(graph, found),
            "warnings": unknown_values(graph, asked),
        }

    def find(self, query: str) -> Json:
        """``{"total", "query", "objects", "warnings"}``: the things of every type that match. Raises BadInput."""
        graph, asked = self.graph(), parse_query(query, REGISTRY)
        found = self._find(graph, asked)
        return {
            "total": len(found), "query": query, "objects": self._things(graph, found),
            "warnings": unknown_values(graph, asked),
        }  # fmt: skip

    def object(self, type: str, ref: str) -> Json:
        """One thing with versions, aliases, uses, who uses it, definitions and differences.

        ``ref``: NAME, NAME@ALIAS, NAME@LABEL or NAME@DIGESTPREFIX; with a version, ``version``, ``digest`` and
        ``declaration`` are that version's. Raises UnknownThing.
        """
        _check_type(type)
        graph = self.graph()
        name, wanted = self.resolve(type, ref)
        key = (type, name)
        versions = self._control.versions(type, name)
        current = graph.objects.get(key) or graph.retired.get(key)
        differences = differences_of(graph, key, self._clock.now())
        thing = self._thing(graph, key, self._sightings(type))
        if wanted is not None:
            thing |= {"version": wanted.label, "digest": wanted.digest, "declaration": dict(wanted.body)}
        labels = {one.digest: one.label for one in versions}
        return thing | {
            "versions": [version_json(one, current.digest if current else None) for one in versions],
            "aliases": [alias_json(one, labels) for one in graph.aliases.get(key, ())],
            "uses": [
                use_json(one) for one in graph.snapshot.uses if _concerns(one.agent, one.type, one.name, key)
            ],
            "used_by": _used_by(graph, key),
            "definitions": [
                shown_json(self._control, one) for one in graph.shown.get(name, ()) if type == "tool"
            ],
            "differences": [difference_json(one) for one in differences],
            "signals": self.signals(name) if type == "agent" else None,
            "text": self._text_of(thing["declaration"]) if type in WRITTEN else None,
        }

    def resolve(self, type: str, ref: str) -> tuple[str, Version | None]:
        """The name that a reference means, and the version where it names one. Raises UnknownThing."""
        graph = self.graph()
        if ref in graph.names[type] or (type, ref) in graph.retired:
            return ref, None
        name, at, which = ref.rpartition("@")
        if at and (name in graph.names[type] or (type, name) in graph.retired):
            return name, self._version(graph, type, name, which)
        known = graph.names[type]
        near = difflib.get_close_matches(name or ref, known, 1)
        hint = (
            f"did you mean {near[0]}?" if near else "tally find shows what there is: tally find kind:" + type
        )
        raise UnknownThing(f"no {_spoken(type)} is called {ref!r}", hint=hint, name=ref)

    def _version(self, graph: Graph, type: str, name: str, which: str) -> Version:
        return version_of(
            name, self._control.versions(type, name), graph.aliases.get((type, name), ()), which
        )

    def quarantine(self) -> Json:
        """``{"definitions"}``: the definitions that wait for a person."""
        waiting = [one for _, shown in sorted(self.graph().waiting.items()) for one in shown]
        return {"definitions": [shown_json(self._control, one) for one in waiting]}

    def access(self, what: str, since: str = SINCE) -> Json:
        """``{"what", "since", "agents", "rows", "warnings"}``: who reaches a class, data source or tool, and did they.

        ``since`` is an age or a date. Raises BadInput for any other.
        """
        now = self._clock.now()
        graph, start = self.graph(), moment(since, now=now)
        found = access_to(graph, what)
        rows = access_rows(graph, self._coverages, found, since=start, now=now)
        touches = Query((Term("touches", "=", what),))
        warnings = [] if rows else list(unknown_values(graph, touches))
        if found.beyond:
            warnings.append(
                f"not listed: {found.beyond} more that reach it over more than {MOST_LINKS} delegations"
            )
        agents = len({row["agent"] for row in rows})
        return {"what": what, "since": since, "agents": agents, "rows": rows, "warnings": warnings}

    def unused(self, agent: str | None = None, since: str = SINCE) -> Json:
        """``{"since", "rows"}``: what agents are declared with and did not use. Raises BadInput, UnknownThing."""
        graph, start = self.graph(), moment(since, now=self._clock.now())
        agents = graph.names["agent"] if agent is None else [self.resolve("agent", agent)[0]]
        return {"since": since, "rows": list(unused_rows(graph, self._control, agents, since=start))}

    def diff(self, type: str, name: str, a: str, b: str | None = None) -> Json:
        """``{"type", "name", "from", "to", "changes", "texts"}``; ``b`` None: the newest version. Raises UnknownThing.

        A version is meant by its label, an alias, or the start of its digest.
        """
        _check_type(type)
        graph = self.graph()
        name, _ = self.resolve(type, name)
        before = self._version(graph, type, name, a)
        after = self._control.versions(type, name)[0] if b is None else self._version(graph, type, name, b)
        found = diff_versions(before.body, after.body, self._text)
        return {"type": type, "name": name, "from": before.digest, "to": after.digest, **found.as_json()}

    def _text_of(self, body: Mapping[str, Any] | None) -> str | None:
        """The text that a body names by its digest; None where the journal does not have it."""
        named = (body or {}).get("text")
        return self._text(named) if isinstance(named, str) else None

    def _text(self, digest: str) -> str | None:
        try:
            return self._control.text(digest)
        except UnknownThing:
            return None

    def reach(self, query: str = "") -> Json:
        """``{"nodes", "edges", "more", "warnings"}``: who reaches what, around the things that match."""
        graph, asked = self.graph(), parse_query(query, REGISTRY)
        found = reach_of(graph, self._find(graph, asked), most=MOST_NODES)
        return reach_json(graph, found, now=self._clock.now()) | {"warnings": unknown_values(graph, asked)}

    def signals(self, agent: str, since: str = SINCE) -> Json:
        """The four signals of an agent since an age or a date; see ``signals``. Raises UnknownThing, BadInput."""
        name, _ = self.resolve("agent", agent)
        moment(since, now=self._clock.now())
        return signals_of(self._traces, name, since, now=self._clock.now())

    def signals_over(self, agent: str, by: str, since: str | None = None) -> Json:
        """The four signals by version, day or week; see ``app.reading.signals``. Raises UnknownThing, BadInput."""
        name, _ = self.resolve("agent", agent)
        return signals_over(self._traces, name, since, by, now=self._clock.now())

    def _find(self, graph: Graph, query: Query) -> list[Found]:
        return find(graph, query, now=self._clock.now(), rules=Rulings(graph, self._coverages))

    def _things(self, graph: Graph, found: Sequence[Key]) -> list[Json]:
        sightings = {kind: self._sightings(kind) for kind in {one[0] for one in found}}
        return [self._thing(graph, (kind, name), sightings[kind]) for kind, name in found]

    def _thing(self, graph: Graph, key: Key, sightings: Mapping[str, Sighting]) -> Json:
        found = differences_of(graph, key, self._clock.now())
        sighting = sightings.get(key[1])
        return thing_json(graph, key, sighting, self._aliases(graph, key), differences=found)

    def _aliases(self, graph: Graph, key: Key) -> dict[str, str]:
        """The aliases of a thing with the label of the version each names, else the start of its digest."""
        aliases = graph.aliases.get(key)
        if not aliases:
            return {}
        newest = graph.objects.get(key)
        labels = {newest.digest: newest.version} if newest is not None else {}
        if any(one.digest not in labels for one in aliases):
            labels = {one.digest: one.label for one in self._control.versions(*key)}
        return {one.alias: labels.get(one.digest) or one.digest[:SHORT] for one in aliases}

    def _sightings(self, type: str) -> Mapping[str, Sighting]:
        return {one.name: one for one in self._traces.sightings(type)} if type in SIGHTED else {}


def _check_type(type: str) -> None:
    if type not in TYPES:
        raise BadInput(f"the registry has no type {type!r}", hint="types: " + ", ".join(TYPES))


def _spoken(type: str) -> str:
    return "data source" if type == "data" else type


def _concerns(agent: str, kind: str, used: str, key: Key) -> bool:
    if key[0] == "agent":
        return agent == key[1] or (kind == "delegate" and used == key[1])
    return kind == key[0] and used == key[1]


def _used_by(graph: Graph, key: Key) -> list[Json]:
    """The things that are declared with a thing or were seen using it, themselves and not through others."""
    kind, name = key
    found: set[Key] = set()
    if kind == "tool":
        found = {("agent", agent) for agent in graph.holders.get(name, ())}
    elif kind == "data":
        found = {
            ("tool", tool) for tool in graph.touched.get(name, ()) if name in graph.sources_of_tool(tool)
        }
    elif kind == "agent":
        found = {("agent", agent) for agent in graph.principals.get(name, ())}
        found |= {("suite", suite) for suite in graph.suites.get(name, ())}
    else:
        found = {("agent", agent) for agent in graph.users(kind, name)}
    return [{"type": one, "name": by} for one, by in sorted(found)]
