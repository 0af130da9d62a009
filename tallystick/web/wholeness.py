"""Completeness: were all steps recorded, by agent and by day; and what the server knows of loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.model.errors import BadInput
from tallystick.web import svg
from tallystick.web.site import Site, View, asked
from tallystick.web.wording import NANO, term

DAYS: Final = 30
AGENTS: Final = 12  # agents that get a strip of days
ROWS: Final = 200
VERDICTS: Final = ("complete", "lossy", "open", "crashed")


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/completeness``, also ``.json``."""
    return [_handler(site, suffix) for suffix in ("", ".json")]


def _handler(site: Site, suffix: str) -> HTTPRouteHandler:
    @get(f"/completeness{suffix}", name=f"web.completeness{suffix}", sync_to_thread=True)
    def completeness_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """How many runs were recorded whole."""
        found = view(site, asked(request, "q"))
        if suffix and found.extra["error"]:
            raise found.extra["error"]
        return site.respond(request, found, as_json=bool(suffix))

    return completeness_page


def view(site: Site, query: str) -> View:
    """Verdicts by agent with a strip of days, and what is known of loss. A bad query gives its error."""
    query = " ".join(query.split())
    error: BadInput | None = None
    agents: Sequence[Mapping[str, Any]] = ()
    days: Sequence[Mapping[str, Any]] = ()
    try:
        agents = site.reader.completeness("agent", query)["rows"]
        days = site.reader.completeness("day", query)["rows"]
    except BadInput as problem:
        error = problem
    agents = sorted(agents, key=lambda row: -row["runs"])
    now = site.settings.now()
    shown = [
        {**row, "strip": _agent_strip(site, row["key"], query, now) if place < AGENTS else None,
         "query": None if row["key"] is None else f"{query} {term('agent', row['key'])}".strip()}
        for place, row in enumerate(agents[:ROWS])
    ]  # fmt: skip
    loss = site.settings.losses() if site.settings.losses is not None else None
    data = {"agents": list(agents), "days": list(days), "loss": loss}
    extra = {
        "here": "completeness", "query": query, "error": error, "shown": shown, "verdicts": VERDICTS,
        "total": {name: sum(row[name] for row in agents) for name in (*VERDICTS, "runs", "missing", "missing_unknown")},
        "strip": strip(days, now, height=46, width=24), "day_span": DAYS, "rows_of_loss": ROWS,
    }  # fmt: skip
    return View("completeness.html", data, extra, 400 if error else 200)


def _agent_strip(site: Site, agent: str | None, query: str, now: int) -> Any:
    if agent is None:
        return None
    asked_for = f"{query} {term('agent', agent)} since:{DAYS}d".strip()
    return strip(site.reader.completeness("day", asked_for)["rows"], now)


def strip(rows: Sequence[Mapping[str, Any]], now: int, *, height: int = 22, width: int = 8) -> Any:
    """The last days as stacked columns, a day without runs an empty place."""
    by_day = {row["key"]: row for row in rows}
    today = datetime.fromtimestamp(now // NANO, UTC).date()
    days = [(today - timedelta(days=back)).isoformat() for back in reversed(range(DAYS))]
    columns = [
        (day, [(name, by_day[day][name] if day in by_day else 0) for name in reversed(VERDICTS)])
        for day in days
    ]
    return svg.columns(columns, width, height)
