"""Cost: where the money went, by agent, tool, run and so on, a page at a time; what has no price stays in sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.model.errors import BadInput
from tallystick.web.site import Site, View, asked

BY: Final = ("agent", "tool", "workflow", "run", "model", "version", "subject", "conversation")


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/cost`` and ``/cost.json``, both with ``by``, ``q`` and ``after``."""

    @get("/cost", sync_to_thread=True)
    def cost_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The cost page."""
        return site.respond(request, _asked_for(site, request))

    @get("/cost.json", sync_to_thread=True)
    def cost_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The same as JSON."""
        return site.respond(request, _asked_for(site, request), as_json=True)

    return [cost_page, cost_json]


def _asked_for(site: Site, request: Request[Any, Any, Any]) -> View:
    return view(site, asked(request, "by", "agent"), asked(request, "q"), asked(request, "after"))


def view(site: Site, by: str, query: str, after: str = "") -> View:
    """A page of spend by one key, dearest first, behind the first ``after`` rows. Raises BadInput for a key or a query
    that does not exist, and for an ``after`` that is no number."""
    if by not in BY:
        raise BadInput(f"cost cannot be split by {by!r}", hint="one of " + ", ".join(BY))
    if not (len(after) < 16 and after.isascii() and (not after or after.isdigit())):
        raise BadInput(f"after is a number of rows, not {after[:40]!r}", hint="for example after=100")
    first = int(after or 0)
    spend = site.reader.cost(by, query, after=first)
    table = spend["rows"]
    dearest = max((row["cost_known_nano_usd"] or 0 for row in table), default=0)
    whole = spend["known_nano_usd"] or 0
    extra = {"here": "cost", "by": by, "query": query, "keys": BY, "dearest": dearest, "whole": whole,
             "first": first, "shares": _shares(table, whole)}  # fmt: skip
    return View("cost.html", spend, extra)


def _shares(table: Sequence[Mapping[str, Any]], whole: int) -> list[tuple[str, int]]:
    """The dearest five parts in alternating tones, and all others together, of other pages too."""
    amounts = [row["cost_known_nano_usd"] or 0 for row in table]
    parts = [(f"t{index % 2}", amount) for index, amount in enumerate(amounts[:5])]
    return [*parts, ("rest", max(0, whole - sum(amounts[:5])))]
