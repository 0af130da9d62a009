"""Definitions that tools showed and nobody accepted yet; a person accepts one by an ordinary form."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body
from litestar.response import Redirect

from tallystick.model.errors import BadInput, UnknownThing
from tallystick.web.changes import of_definition
from tallystick.web.site import Site, View, asked, same_origin
from tallystick.web.wording import path

WHY_LIMIT: Final = 2_000


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/quarantine``, also ``.json``; a POST accepts one definition."""

    @get("/quarantine", sync_to_thread=True)
    def quarantine_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """What waits for a person."""
        return site.respond(request, view(site, asked(request, "accepted")))

    @get("/quarantine.json", sync_to_thread=True)
    def quarantine_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The same as JSON."""
        return site.respond(request, view(site, ""), as_json=True)

    @post("/quarantine", sync_to_thread=True)
    def accept_definition(
        request: Request[Any, Any, Any],
        data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Redirect:
        """Accept one definition, then show what still waits."""
        same_origin(request, "the quarantine page")
        if site.registry.accept is None:
            raise UnknownThing("definitions cannot be accepted on this server")
        tool, definition = str(data.get("tool") or ""), str(data.get("definition") or "")
        because = str(data.get("because") or "").strip()
        if not tool or not definition:
            raise BadInput("a definition is accepted by its tool and its digest")
        if len(because) > WHY_LIMIT:
            raise BadInput(f"the reason is longer than {WHY_LIMIT} characters")
        site.registry.accept(tool, definition, by=site.settings.caller(request).name, because=because or None)
        return Redirect(f"/quarantine?accepted={path(tool)}", status_code=303)

    return [quarantine_page, quarantine_json, accept_definition]


def view(site: Site, accepted: str) -> View:
    """The definitions that wait, each with what it changes."""
    found = site.registry.catalog.quarantine()
    extra = {
        "here": "quarantine", "definitions": [of_definition(one) for one in found["definitions"]],
        "accepted": accepted, "can_accept": site.registry.accept is not None, "why_limit": WHY_LIMIT,
    }  # fmt: skip
    return View("quarantine.html", found, extra)
