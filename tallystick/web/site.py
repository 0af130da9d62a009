"""What all pages share: the reader they show, how a view becomes a page or JSON, and how errors look.

Nothing here trusts stored text: templates escape by default, and every answer carries a content security
policy that allows no inline script, no inline style and nothing from another origin.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import jinja2
import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Stream

from tallystick import __version__
from tallystick.app.reading.questions import Registry
from tallystick.model.errors import Denied, Fault, TallystickError
from tallystick.model.people import Caller, Role, covers, unnamed
from tallystick.web import assets, changes, facets, graph_svg, svg, wording
from tallystick.web.sources import Answerer, Evidence, Journal, PageReader, People
from tallystick.web.stream import sent

JSON_SUFFIX: Final = ".json"
PARTIAL: Final = "part"

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

NAVIGATION: Final = (
    ("home", "/", "Home"),
    ("runs", "/runs", "Runs"),
    ("registry", "/agents", "Registry"),
    ("cost", "/cost", "Cost"),
    ("approvals", "/approvals", "Approvals"),
    ("journal", "/journal", "Journal"),
    ("people", "/people", "People"),
)

# Pages beside the list of runs.
RUNS_PAGES: Final = (("runs", "/runs", "List"), ("completeness", "/completeness", "Completeness"))

# The pages of the registry, in the bar below the first one.
REGISTRY: Final = (
    ("agents", "/agents", "Agents"),
    ("tools", "/tools", "Tools"),
    ("models", "/models", "Models"),
    ("data", "/data", "Data"),
    ("prompts", "/prompts", "Prompts"),
    ("policies", "/policies", "Policies"),
    ("budgets", "/budgets", "Budgets"),
    ("suites", "/suites", "Suites"),
    ("workflows", "/workflows", "Workflows"),
    ("find", "/find", "Find"),
    ("access", "/access", "Access"),
    ("reach", "/reach", "Reach"),
    ("unused", "/unused", "Unused grants"),
    ("quarantine", "/quarantine", "Quarantine"),
)

# Types of which nothing is ever seen in a run by itself: for them "never seen" would say nothing.
UNSEEN: Final = ("policy", "budget", "suite")

# Addresses that programs use: whatever goes wrong there is answered in JSON.
_MACHINES: Final = ("/api/", "/v1/", "/access/", "/events")

_log = logging.getLogger("tallystick.web")


def caller_here(request: Request[Any, Any, Any]) -> Caller:
    """Who asks, as the server's gate found out; whoever sits at this machine where there is no gate."""
    caller = request.scope.get("state", {}).get("caller")
    return caller if isinstance(caller, Caller) else unnamed("local")


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What the pages must be told: clock (nanoseconds), store's place, server's address, who asks."""

    now: Callable[[], int]
    store: str = ""
    address: str = "http://127.0.0.1:4777"
    caller: Callable[[Request[Any, Any, Any]], Caller] = caller_here
    losses: Callable[[], Mapping[str, Any]] | None = None  # what is known of loss, as the doctor tells it


@dataclass(frozen=True, slots=True)
class View:
    """One page before it is rendered: ``data`` is what ``.json`` gives, ``extra`` is for the template."""

    template: str
    data: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


class Site:
    """The pages' surroundings: reader, answerer, journal, registry, evidence, settings and templates."""

    headers = HEADERS

    def __init__(
        self,
        reader: PageReader,
        answer: Answerer,
        settings: PageSettings,
        journal: Journal,
        registry: Registry,
        evidence: Evidence | None = None,
        people: People | None = None,
    ) -> None:
        self.reader = reader
        self.registry = registry
        self.answer = answer
        self.settings = settings
        self.journal = journal
        self.evidence = evidence
        self.people = people
        self.assets = assets.load()
        self._templates = _environment(self)

    def respond(
        self, request: Request[Any, Any, Any], view: View, *, as_json: bool = False
    ) -> Response[bytes]:
        """The view as a whole page, as a part (``?part=1``), or as JSON."""
        if as_json:
            body = _json(view.data)
            return Response(body, media_type="application/json", status_code=view.status, headers=HEADERS)
        template = self._templates.get_template(view.template)
        page = template.render(
            data=view.data, path=request.url.path, is_part=PARTIAL in request.query_params,
            me=self.settings.caller(request), **view.extra,
        )  # fmt: skip
        return Response(
            page.encode("utf-8", "replace"),
            media_type="text/html",
            status_code=view.status,
            headers=HEADERS,
        )

    def stream(self, request: Request[Any, Any, Any], view: View) -> Stream:
        """The view as a page that is sent while it is rendered: what its template iterates over may take time."""
        template = self._templates.get_template(view.template)
        me = self.settings.caller(request)
        parts = template.generate(data=view.data, path=request.url.path, is_part=False, me=me, **view.extra)
        encoded = (part.encode("utf-8", "replace") for part in parts if part)
        return Stream(sent(encoded), media_type="text/html", status_code=view.status, headers=HEADERS)

    def failure(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """The one error page, or the one JSON error shape when JSON was asked for."""
        known = _as_known(error)
        status = error.status_code if isinstance(error, HTTPException) else known.http_status
        if status >= 500 and known is not error:
            _log.error("a page failed: %s", request.url.path, exc_info=error)
        view = View("error.html", known.as_json(), {"error": known, "status": status, "here": ""}, status)
        wants_json = request.url.path.endswith(JSON_SUFFIX) or request.url.path.startswith(_MACHINES)
        response = self.respond(request, view, as_json=wants_json)
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        return response


def asked(request: Request[Any, Any, Any], name: str, default: str = "") -> str:
    """A value from the address's query; an absent or empty one gives the default."""
    return request.query_params.get(name) or default


def refuse_foreign(request: Request[Any, Any, Any]) -> None:
    """Refuse what another site's page makes this browser fetch; following a link from elsewhere is allowed.

    For addresses that make the server work. Raises Denied.
    """
    headers = request.headers
    if headers.get("sec-fetch-site") in ("cross-site", "same-site") and (
        headers.get("sec-fetch-mode") != "navigate" or headers.get("sec-fetch-dest") != "document"
    ):
        raise Denied("another site asked for this", hint="open it from Tallystick's own pages")


def same_origin(request: Request[Any, Any, Any], place: str) -> None:
    """Refuse an answer that another site's page makes this browser send. Raises Denied."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") or (
        origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    ):
        raise Denied("the answer came from another site", hint=f"answer on {place} itself")


def rows(value: Any, key: str) -> list[Mapping[str, Any]]:
    """The list in an answer that is either the list or ``{key: list}``."""
    found = value.get(key, []) if isinstance(value, Mapping) else value
    return list(found)


def _json(data: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(data)
    except UnicodeEncodeError:  # half a surrogate pair: only the slow encoder can write it (as an escape)
        return json.dumps(data, default=str).encode()


def object_address(type: str, name: str) -> str:
    """Where one object of the registry is shown; an agent has a shorter address of its own."""
    if type == "agent":
        return f"/agent?name={wording.path(name)}"
    return f"/object?type={wording.path(type)}&name={wording.path(name)}"


def _as_known(error: Exception) -> TallystickError:
    if isinstance(error, TallystickError):
        return error
    if isinstance(error, HTTPException):
        return _Refused(error.detail or "The request was refused.", hint="Start again from the home page.")
    return Fault(
        "Something of ours went wrong while this page was made.",
        hint="The server's log has the details; tally doctor shows what is known to be wrong.",
    )


class _Refused(TallystickError):
    code = "http"


def _environment(site: Site) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tallystick.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=wording.visible,
        line=wording.one_line,
        count=wording.count,
        plural=wording.plural,
        usd=wording.usd,
        cost=wording.cost,
        duration=wording.duration,
        exact=wording.exact,
        clock=wording.clock,
        tokens=wording.tokens,
        status_class=wording.status_class,
        payload=wording.payload,
        share=wording.share,
        span=wording.span,
        safe_link=wording.safe_link,
        signed=changes.signed,
        segment=wording.path,
        urlencode=wording.path,  # the built-in one fails on half a surrogate pair
        ago=lambda text: wording.ago(text, site.settings.now()),
    )
    environment.globals.update(
        bar=svg.bar,
        covers=lambda role, least: covers(role, Role(least)),
        stacked=svg.stacked,
        term=wording.term,
        toggled=facets.toggled,
        has=facets.has,
        holds=facets.holds,
        navigation=NAVIGATION,
        registry_pages=REGISTRY,
        runs_pages=RUNS_PAGES,
        unseen=UNSEEN,
        edge_words=graph_svg.words,
        object_address=object_address,
        static=site.assets.url,
        version=__version__,
        settings=site.settings,
    )
    return environment
