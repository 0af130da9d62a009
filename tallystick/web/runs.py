"""Runs: one query box, facets, dense rows, paging, and a pill that says when there is something new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.model.errors import BadInput
from tallystick.model.query import RUNS
from tallystick.web.facets import toggled, without
from tallystick.web.site import Site, View, asked

PAGE: Final = 50
STATUSES: Final = ("running", "ok", "failed", "stopped", "crashed", "unknown")
SPANS: Final = (("1h", "last hour"), ("24h", "last day"), ("7d", "last week"))
AGENTS_SHOWN: Final = 8
NAMES: Final = 40  # values that are suggested of one field
NAME_LENGTH: Final = 120


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/runs`` and ``/runs.json``."""

    @get("/runs", sync_to_thread=True)
    def runs_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """A page of runs."""
        return site.respond(request, view(site, asked(request, "q"), asked(request, "before")))

    @get("/runs.json", sync_to_thread=True)
    def runs_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The same page of runs as JSON."""
        found = view(site, asked(request, "q"), asked(request, "before"))
        if found.extra["error"]:
            raise found.extra["error"]
        return site.respond(request, found, as_json=True)

    return [runs_page, runs_json]


def view(site: Site, query: str, before: str) -> View:
    """One page of runs. A query that cannot be read gives the page with its error instead of a list."""
    query = " ".join(query.split())
    error: BadInput | None = None
    page: dict[str, Any] = {"total": 0, "at_least": False, "runs": []}
    try:
        page |= site.reader.runs(query, limit=PAGE, before=before or None)
    except BadInput as problem:
        error = problem
    shown = page["runs"]
    longest = max((run["duration_ns"] or 0 for run in shown), default=0)
    extra = {
        "here": "runs",
        "query": query,
        "before": before,
        "error": error,
        "longest": longest,
        "older": shown[-1]["run"] if len(shown) == PAGE and page["total"] > PAGE else None,
        "facets": [] if error else _facets(site, query),
        "fields": RUNS.fields,
        "known": known_words(site, shown),
        "live": error is None and not before,
    }
    return View("runs.html", page, extra, 400 if error else 200)


def known_words(site: Site, shown: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What the query box suggests: fields, and the values that are known of some of them."""
    found: dict[str, list[str]] = {"": list(RUNS.fields)}
    for kind in ("agent", "tool", "model", "workflow"):
        rows = sorted(site.registry.catalog.objects(kind)["objects"], key=lambda row: -(row["runs"] or 0))
        found[kind] = [str(row["name"])[:NAME_LENGTH] for row in rows[:NAMES]]
    for field in ("environment", "version"):
        seen = dict.fromkeys(str(run[field])[:NAME_LENGTH] for run in shown if run.get(field))
        found[field] = list(seen)[:NAMES]
    return found | {
        "status": list(STATUSES), "completeness": ["complete", "lossy", "open", "crashed"],
        "since": [age for age, _ in SPANS],
    }  # fmt: skip


def _facets(site: Site, query: str) -> list[dict[str, Any]]:
    """Links that put one term into the query or take it out; statuses with the number they would show."""
    rest = without(query, "status")
    statuses = []
    counted = site.reader.statuses(rest)
    for status in STATUSES:
        if counted is not None:
            total = counted.get(status, 0)
        else:
            total = site.reader.runs(f"{rest} status:{status}".strip(), limit=1)["total"]
        if total or toggled(query, "status", status) == rest:
            statuses.append({"value": status, "total": total, "label": status})
    seen = [row for row in site.registry.catalog.objects("agent")["objects"] if row["observed"]]
    agents = sorted(seen, key=lambda row: -row["runs"])
    named = [{"value": row["name"], "total": None, "label": row["name"]} for row in agents[:AGENTS_SHOWN]]
    times = [{"value": age, "total": None, "label": label} for age, label in SPANS]
    return [
        {"field": "status", "items": statuses, "more": 0},
        {"field": "agent", "items": named, "more": max(0, len(agents) - AGENTS_SHOWN)},
        {"field": "since", "items": times, "more": 0},
        {
            "field": "completeness",
            "items": [{"value": one, "total": None, "label": one} for one in ("lossy", "crashed")],
            "more": 0,
        },
    ]
