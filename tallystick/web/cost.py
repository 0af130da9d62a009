"""Cost: where the money went, by agent, tool, workflow, run or model; what has no price stays in sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.model.errors import BadInput
from tallystick.web.site import Site, View, asked

BY: Final = ("agent", "tool", "workflow", "run", "model")


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/cost`` and ``/cost.json``, both with ``by`` and ``q``."""

    @get("/cost", sync_to_thread=True)
    def cost_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The cost page."""
        return site.respond(request, view(site, asked(request, "by", "agent"), asked(request, "q")))

    @get("/cost.json", sync_to_thread=True)
    def cost_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The same as JSON."""
        return site.respond(
            request, view(site, asked(request, "by", "agent"), asked(request, "q")), as_json=True
        )

    return [cost_page, cost_json]


def view(site: Site, by: str, query: str) -> View:
    """Spend by one key, dearest first. Raises BadInput for a key or a query that does not exist."""
    if by not in BY:
        raise BadInput(f"cost cannot be split by {by!r}", hint="one of " + ", ".join(BY))
    spend = site.reader.cost(by, query)
    table = spend["rows"]
    dearest = max((row["cost_known_nano_usd"] or 0 for row in table), default=0)
    whole = spend["known_nano_usd"] or 0
    extra = {"here": "cost", "by": by, "query": query, "keys": BY, "dearest": dearest, "whole": whole,
             "shares": _shares(table)}  # fmt: skip
    return View("cost.html", spend, extra)


def _shares(table: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """The dearest five parts in alternating tones, and all others together."""
    amounts = [row["cost_known_nano_usd"] or 0 for row in table]
    parts = [(f"t{index % 2}", amount) for index, amount in enumerate(amounts[:5])]
    return [*parts, ("rest", sum(amounts[5:]))]
