"""Effects: the operator's queue of calls of which nobody knows whether they happened, and a word on each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body
from litestar.response import Redirect

from tallystick.web.site import JSON_SUFFIX, Site, View, asked, rows, same_origin
from tallystick.web.wording import path


class Desk(Protocol):
    """``app.acting.effect_desk.EffectDesk``."""

    def effects(
        self, *, in_doubt: bool = False, run: str | None = None, limit: int = 200
    ) -> Mapping[str, Any]:
        """``{"effects": [effect]}``, newest first."""
        ...

    def effect(self, effect: str) -> Mapping[str, Any]:
        """One effect. Raises UnknownThing."""
        ...

    def settle(self, effect: str, answer: str, *, by: str, because: str) -> Mapping[str, Any]:
        """Settle one. Raises Conflict where it is settled, or still runs."""
        ...


def handlers(site: Site, desk: Desk) -> list[HTTPRouteHandler]:
    """``/effects`` and ``/effects/{effect}``, both also ``.json``; a POST to the latter settles."""

    @get("/effects", sync_to_thread=True)
    def effects_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The queue, with the first effect opened."""
        return site.respond(request, view(desk, asked(request, "show", "in-doubt"), None))

    @get("/effects.json", sync_to_thread=True)
    def effects_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The queue as JSON."""
        return site.respond(request, view(desk, asked(request, "show", "in-doubt"), None), as_json=True)

    @get("/effects/{effect:str}", sync_to_thread=True)
    def effect_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The queue, with one effect opened."""
        effect = request.path_params["effect"]
        if effect.endswith(JSON_SUFFIX):
            found = View("", desk.effect(effect.removesuffix(JSON_SUFFIX)))
            return site.respond(request, found, as_json=True)
        return site.respond(request, view(desk, asked(request, "show", "in-doubt"), effect))

    @post("/effects/{effect:str}", sync_to_thread=True)
    def settle_effect(
        request: Request[Any, Any, Any],
        data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Redirect:
        """Write what became of it, then show it."""
        same_origin(request, "the effects page")
        effect = request.path_params["effect"]
        answer, because = str(data.get("answer", "")), str(data.get("because") or "")
        desk.settle(effect, answer, by=site.settings.caller(request).name, because=because)
        return Redirect(f"/effects/{path(effect)}", status_code=303)

    return [effects_page, effects_json, effect_page, settle_effect]


def view(desk: Desk, show: str, chosen: str | None) -> View:
    """The queue (or all effects) and one of them."""
    in_doubt = show != "all"
    data = desk.effects(in_doubt=in_doubt)
    listed = rows(data, "effects")
    opened = (
        desk.effect(chosen) if chosen is not None else desk.effect(listed[0]["effect"]) if listed else None
    )
    extra = {
        "here": "approvals", "show": "in-doubt" if in_doubt else "all", "listed": listed, "opened": opened,
        "asked_for": chosen is not None,
    }  # fmt: skip
    return View("effects.html", data, extra)
