"""Who can reach what, drawn; the access question; what was granted and never used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.model.errors import BadInput
from tallystick.model.query import REGISTRY
from tallystick.web import graph_svg
from tallystick.web.site import Site, View, asked

SPANS: Final = (("24h", "last day"), ("7d", "last week"), ("30d", "last 30 days"), ("90d", "last 90 days"))
SINCE: Final = "30d"
ROWS: Final = 500


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/reach``, ``/access`` and ``/unused``, each also ``.json``."""
    views = {"reach": reach_view, "access": access_view, "unused": unused_view}
    return [_handler(site, place, view, suffix) for place, view in views.items() for suffix in ("", ".json")]


def _handler(site: Site, place: str, view: Any, suffix: str) -> HTTPRouteHandler:
    @get(f"/{place}{suffix}", name=f"web.{place}{suffix}", sync_to_thread=True)
    def question_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """One of the questions."""
        found: View = view(site, request)
        if suffix and found.extra["error"]:
            raise found.extra["error"]
        return site.respond(request, found, as_json=bool(suffix))

    return question_page


def reach_view(site: Site, request: Request[Any, Any, Any]) -> View:
    """The agents that match a query, with the tools and the data they reach."""
    query = " ".join(asked(request, "q").split())
    error: BadInput | None = None
    found: Mapping[str, Any] = {"nodes": [], "edges": [], "more": 0}
    try:
        found = site.registry.catalog.reach(query)
    except BadInput as problem:
        error = problem
    drawn = graph_svg.draw(found, name="Who can reach what") if found["nodes"] else None
    extra = {"here": "reach", "query": query, "error": error, "graph": drawn, "fields": REGISTRY.fields,
             "names": graph_svg.names(found), "rows": ROWS}  # fmt: skip
    return View("reach.html", found, extra, 400 if error else 200)


def access_view(site: Site, request: Request[Any, Any, Any]) -> View:
    """Which agents can reach a class or a data source, by which tool, under which policy, and did they."""
    what, since = asked(request, "what"), asked(request, "since", SINCE)
    error: BadInput | None = None
    found: Mapping[str, Any] = {"what": what, "since": since, "agents": 0, "rows": []}
    if what:
        try:
            found = site.registry.catalog.access(what, since)
        except BadInput as problem:
            error = problem
    known = [] if what else _known_classes(site)
    extra = {"here": "access", "what": what, "since": since, "spans": SPANS, "error": error, "known": known,
             "rows": ROWS}  # fmt: skip
    return View("access.html", found, extra, 400 if error else 200)


def unused_view(site: Site, request: Request[Any, Any, Any]) -> View:
    """What agents were granted and never used, for all agents or one."""
    agent, since = asked(request, "agent"), asked(request, "since", SINCE)
    error: BadInput | None = None
    found: Mapping[str, Any] = {"since": since, "rows": []}
    try:
        found = site.registry.catalog.unused(agent or None, since)
    except BadInput as problem:
        error = problem
    extra = {"here": "unused", "agent": agent, "since": since, "spans": SPANS, "error": error, "rows": ROWS}
    return View("unused.html", found, extra, 400 if error else 200)


def _known_classes(site: Site) -> list[str]:
    """Every class of data that the registry knows, for a page that was asked nothing yet."""
    catalog = site.registry.catalog
    sources = [*catalog.objects("data")["objects"], *catalog.objects("tool")["objects"]]
    return sorted({name for source in sources for name in source.get("classes") or ()})[:100]
