"""People: who there is and what they may do; one person, and what they did."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.model.errors import UnknownThing
from tallystick.web.site import JSON_SUFFIX, Site, View
from tallystick.web.sources import People

LOG: Final = 200


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """``/people`` and ``/people/{person}``, both also ``.json``."""

    @get("/people", sync_to_thread=True)
    def people_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Everybody, and what is delegated."""
        return site.respond(request, _list(site))

    @get("/people.json", sync_to_thread=True)
    def people_json(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The same as JSON."""
        return site.respond(request, _list(site), as_json=True)

    @get("/people/{person:str}", sync_to_thread=True)
    def person_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """One person, their tokens and what they did, newest first."""
        name, as_json = str(request.path_params["person"]), False
        if name.endswith(JSON_SUFFIX) and name not in _desk(site).people().persons:
            name, as_json = name.removesuffix(JSON_SUFFIX), True
        found = _desk(site).show(name, log=LOG)
        return site.respond(
            request, View("person.html", found, {"here": "people", "most": LOG}), as_json=as_json
        )

    return [people_page, people_json, person_page]


def _desk(site: Site) -> People:
    if site.people is None:
        raise UnknownThing("this server knows no people")
    return site.people


def _list(site: Site) -> View:
    return View("people.html", _desk(site).list(), {"here": "people"})
