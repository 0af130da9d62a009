"""The pages' front: ``routes`` gives the handlers that a server mounts beside its API.

Every page answers under its path, and as JSON under the same path with ``.json``. Pages work without scripts;
scripts add live updates, keys and the run page's tree.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get
from litestar.exceptions import HTTPException

from tallystick.app.reading.questions import Registry
from tallystick.model.errors import TallystickError, UnknownThing
from tallystick.web import (
    approvals,
    assets,
    compare,
    cost,
    effects,
    evidence,
    home,
    journal,
    people,
    quarantine,
    reach,
    registry,
    run,
    runs,
    thing,
    wholeness,
)
from tallystick.web.site import PageSettings, Site
from tallystick.web.sources import Answerer, Evidence, Journal, PageReader, People

__all__ = ["Answerer", "Evidence", "Journal", "PageReader", "PageSettings", "routes"]


def routes(
    reader: PageReader,
    control_answer: Answerer,
    settings: PageSettings,
    book: Journal,
    known: Registry,
    make_evidence: Evidence | None = None,
    desk: People | None = None,
    effect_desk: effects.Desk | None = None,
) -> list[Router]:
    """All page handlers, as one router at the root. Handlers run the reader in worker threads.

    ``book`` tells of the journal, ``known`` of the registry, ``desk`` of people;
    without ``make_evidence`` run pages offer no evidence to download, without ``effect_desk`` there
    is no page of effects.
    """
    site = Site(reader, control_answer, settings, book, known, make_evidence, desk)

    def failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return site.failure(request, error)

    handlers = [
        assets.handler(site.assets),
        *home.handlers(site),
        *runs.handlers(site),
        *run.handlers(site),
        *compare.handlers(site),
        *wholeness.handlers(site),
        *evidence.handlers(site),
        *registry.handlers(site),
        *thing.handlers(site),
        *reach.handlers(site),
        *quarantine.handlers(site),
        *cost.handlers(site),
        *approvals.handlers(site),
        *journal.handlers(site),
        *people.handlers(site),
        *(effects.handlers(site, effect_desk) if effect_desk is not None else ()),
    ]

    @get("/{rest:path}", sync_to_thread=False)
    def nothing_here(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Addresses that nothing has: pages get the error page, the API's keep the API's JSON."""
        raise UnknownThing(
            "there is no page at this address", hint="start from the home page", path=request.url.path
        )

    handlers.append(nothing_here)
    kinds: dict[int | type[Exception], Any] = {
        TallystickError: failed,
        HTTPException: failed,
        Exception: failed,
    }
    return [Router(path="/", route_handlers=handlers, exception_handlers=kinds, include_in_schema=False)]
