"""Agents, tools and models: what is declared against what was seen, and one agent's page.

A name is free text, so it travels in the query string: browsers would eat a path segment such as ``..``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.web.site import Site, View, asked, rows
from tallystick.web.wording import term

_LISTS = ("agents", "tools", "models")


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/agents``, ``/tools``, ``/models``, ``/agent?name=…``, each also ``.json``."""
    made: list[HTTPRouteHandler] = []
    for noun in _LISTS:
        made.extend((_list_handler(site, noun, ""), _list_handler(site, noun, ".json")))

    @get("/agent", sync_to_thread=True)
    def agent_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """One agent."""
        return site.respond(request, agent_view(site, asked(request, "name")))

    @get("/agent.json", sync_to_thread=True)
    def agent_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """One agent as JSON."""
        return site.respond(request, agent_view(site, asked(request, "name")), as_json=True)

    return [*made, agent_page, agent_json]


def _list_handler(site: Site, noun: str, suffix: str) -> HTTPRouteHandler:
    @get(f"/{noun}{suffix}", name=f"web.{noun}{suffix}", sync_to_thread=True)
    def names_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """One of the lists."""
        return site.respond(request, list_view(site, noun), as_json=bool(suffix))

    return names_page


def list_view(site: Site, noun: str) -> View:
    """A list of things with how each stands: declared and seen, only declared, or only seen."""
    things = rows(getattr(site.reader, noun)(), noun)
    dearest = max((thing["cost_known_nano_usd"] or 0 for thing in things), default=0)
    counts = {"both": 0, "declared": 0, "shadow": 0}
    for thing in things:
        counts[standing(thing)] += 1
    extra = {"here": noun, "noun": noun, "things": things, "dearest": dearest, "counts": counts,
             "standing": standing}  # fmt: skip
    return View("names.html", {noun: things}, extra)


def agent_view(site: Site, name: str) -> View:
    """An agent's facts and its newest runs."""
    agent = site.reader.thing("agent", name)
    found = site.reader.runs(term("agent", name), limit=20)
    longest = max((run["duration_ns"] or 0 for run in found["runs"]), default=0)
    data = {"agent": agent, "runs": found["runs"], "total_runs": found["total"]}
    extra = {"here": "agents", "agent": agent, "standing": standing(agent), "longest": longest,
             "query": term("agent", name)}  # fmt: skip
    return View("agent.html", data, extra)


def standing(thing: Mapping[str, Any]) -> str:
    """ "both" halves match, "declared" was never seen, "shadow" was seen and never declared."""
    if thing["declared"]:
        return "both" if thing["observed"] else "declared"
    return "shadow"
