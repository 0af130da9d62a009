"""One object of the registry: what it is, where it differs from what was seen, its versions, and who uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.model.errors import TallystickError
from tallystick.web import changes, compare, graph_svg, signals, wholeness
from tallystick.web.registry import NOUNS, TITLES
from tallystick.web.site import Site, View, asked
from tallystick.web.wording import safe_link, term

RUNS: Final = 20
ROWS: Final = 200
IN_RUNS: Final = ("agent", "tool", "model", "workflow")  # what a query of runs can name


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/object?type=…&name=…`` (for an agent also ``/agent?name=…``) and ``/diff``, each also ``.json``."""
    made: list[HTTPRouteHandler] = []
    for suffix in ("", ".json"):
        made += [
            _object_handler(site, "object", suffix),
            _object_handler(site, "agent", suffix),
            _diff_handler(site, suffix),
        ]
    return made


def _object_handler(site: Site, place: str, suffix: str) -> HTTPRouteHandler:
    @get(f"/{place}{suffix}", name=f"web.{place}{suffix}", sync_to_thread=True)
    def object_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """One object."""
        kind = "agent" if place == "agent" else asked(request, "type")
        found = object_view(site, kind, asked(request, "name"), by=asked(request, "by", "version"))
        return site.respond(request, found, as_json=bool(suffix))

    return object_page


def _diff_handler(site: Site, suffix: str) -> HTTPRouteHandler:
    @get(f"/diff{suffix}", name=f"web.diff{suffix}", sync_to_thread=True)
    def diff_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """What changed between two versions, or what differs between two runs."""
        if asked(request, "a") or asked(request, "b"):
            every = asked(request, "all") not in ("", "0")
            shown = compare.diff_view(site, asked(request, "a"), asked(request, "b"), every=every)
            return site.respond(request, shown, as_json=bool(suffix))
        kind, name = asked(request, "type"), asked(request, "name")
        found = site.registry.catalog.diff(kind, name, asked(request, "from"), asked(request, "to"))
        noun = NOUNS[kind]
        extra = {"here": noun, "type": kind, "name": name, "noun": noun}
        return site.respond(request, View("diff.html", found, extra), as_json=bool(suffix))

    return diff_page


def object_view(site: Site, kind: str, ref: str, *, by: str = "version") -> View:
    """Everything that is known of one object. Raises BadInput and UnknownThing."""
    catalog = site.registry.catalog
    thing = catalog.object(kind, ref)
    name = thing["name"]
    runs: Mapping[str, Any] = {"runs": [], "total": 0}
    if kind in IN_RUNS:
        runs = site.reader.runs(term(kind, name), limit=RUNS)
    query = reach_query(kind, name)
    reach = graph_svg.through(catalog.reach(query), kind, name) if query else None
    access = catalog.access(name) if kind == "data" else None
    ready = _readiness(site, ref) if kind == "agent" else None
    data = {
        "agent" if kind == "agent" else "object": thing, "runs": runs["runs"], "total_runs": runs["total"],
        "reach": reach, "access": access, "ready": ready,
    }  # fmt: skip
    noun = NOUNS[kind]
    extra = {
        "here": noun, "noun": noun, "title": TITLES.get(noun, noun.capitalize()), "type": kind, "thing": thing,
        "links": _links(thing["links"]), "query": term(kind, name), "can_accept": site.registry.accept is not None,
        "definitions": [changes.of_definition(one) for one in thing["definitions"]],
        "waiting": _waiting(site, kind, name),
        "graph": graph_svg.draw(reach, name=f"What is reached through {name}") if reach and reach["edges"] else None,
        "using": [one for one in thing["uses"] if kind == "agent" and one["agent"] == name],
        "seen_by": [one for one in thing["uses"] if kind != "agent" or one["agent"] != name],
        "named": _named(thing), "graph_query": query, "signals": _signals(thing["signals"]), "rows": ROWS,
        "over": signals.of_agent(site, name, by) if kind == "agent" else None,
        "grades": catalog.grades(name) if kind == "agent" else None,
        "days": _days(site, name) if kind == "agent" else None,
        "longest": max((run["duration_ns"] or 0 for run in runs["runs"]), default=0),
    }  # fmt: skip
    return View("object.html", data, extra)


def _days(site: Site, agent: str) -> Any:
    """How completely its runs were recorded over the last days, as a strip; None where no run is here."""
    rows = site.reader.completeness("day", f"{term('agent', agent)} since:{wholeness.DAYS}d")["rows"]
    return wholeness.strip(rows, site.settings.now(), height=30, width=24) if rows else None


def reach_query(kind: str, name: str) -> str:
    """The query for the agents that reach this object; empty where the graph has no such node."""
    asked_for = {"agent": "name", "tool": "tool", "data": "touches"}.get(kind)
    return term(asked_for, name) if asked_for else ""


def _readiness(site: Site, ref: str) -> Mapping[str, Any] | None:
    """What an agent needs before it is released; where that cannot be told, the page says why."""
    if site.registry.ready is None:
        return None
    try:
        return site.registry.ready(ref)
    except TallystickError as error:
        return {"error": error.message}


def _links(links: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Addresses by what they lead to; only http and https become links, everything else stays text."""
    return [
        {"what": what, "address": str(address), "href": safe_link(str(address))} for what, address in links.items()
    ]  # fmt: skip


def _waiting(site: Site, kind: str, name: str) -> set[str]:
    """The definitions of a tool that wait for a person: one that another took the place of does not."""
    shown = site.registry.catalog.quarantine()["definitions"] if kind == "tool" else ()
    return {one["definition"] for one in shown if one["tool"] == name}


def _named(thing: Mapping[str, Any]) -> dict[str, list[str]]:
    """Which aliases stand at each version, by digest."""
    found: dict[str, list[str]] = {}
    for alias in thing["aliases"]:
        found.setdefault(alias["digest"], []).append(alias["alias"])
    return found


def _signals(found: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The signals in their order: ``{"name", "kind", "value", "n"}``; value None was not measured."""
    if found is None:
        return []
    return [{"name": name, "kind": kind, **found[key]} for key, name, kind in signals.SIGNALS]
