"""The server's ASGI application: gate, OTLP, events, and the JSON API with whatever pages are mounted beside it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin

from tallystick import __version__
from tallystick.api import json, standing_shapes
from tallystick.api.access import echoing
from tallystick.api.auth import Gate
from tallystick.api.claims import KnowsAgents
from tallystick.api.doors import OPEN, SIGN_IN, SIGN_OUT, check
from tallystick.api.effects import KnowsEffects
from tallystick.api.events import Events
from tallystick.api.ingest import Ingest
from tallystick.api.problems import (
    JSON,
    PROTOBUF,
    Message,
    Receive,
    Refusal,
    Scope,
    Send,
    headers_of,
    otlp_status,
    respond,
    respond_error,
)
from tallystick.api.settings import (
    AnswersApprovals,
    HearsSignIns,
    KnowsPeople,
    ReadsJournal,
    ReadsRuns,
    RecordsSpans,
    ServerSettings,
)
from tallystick.api.signin import STYLE_PATH, SignIn, ask, style
from tallystick.api.writer import Writer
from tallystick.app.acting.access import Access
from tallystick.app.acting.feed import Feed
from tallystick.app.people.desk import PeopleDesk
from tallystick.app.reading.questions import Registry
from tallystick.model.errors import BadInput, Fault, NotSignedIn, TallystickError, UnknownThing
from tallystick.model.people import Caller, Role
from tallystick.ports import Clock, Counts

if TYPE_CHECKING:
    from tallystick.api.otlp_grpc import GrpcDoor

_log = logging.getLogger("tallystick.api")
_EVENTS: Final = "/events"
_LITESTAR_DOCS: Final = "/api/openapi"  # where litestar would put pages of its own; nothing is served there


class _Litestar(Litestar):
    """Litestar without its plugins for pydantic and attrs: it loads them wherever they are installed (an agent's
    environment often has them), which costs a tenth of a second and ten megabytes for types that no handler uses.
    """

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


class App:
    """One server as an ASGI application. ``gate`` makes sign-in links, ``stopping`` ends the live streams."""

    def __init__(
        self,
        inner: Litestar,
        gate: Gate,
        ingest: Ingest,
        events: Events,
        writer: Writer,
        settings: ServerSettings,
        people: KnowsPeople | None = None,
    ) -> None:
        self.gate = gate
        self.events = events
        self._inner = inner
        self._ingest = ingest
        self._writer = writer
        self._sign_in = SignIn(gate, people)
        self._settings = settings
        self._grpc: GrpcDoor | None = None
        self.otlp_port: int | None = None
        self.access: Access | None = None  # whoever runs the server lets it keep up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or carry the server's start and stop to the application inside."""
        if scope["type"] == "lifespan":
            await self._inner(scope, self._lifespan(receive), send)  # type: ignore[arg-type]
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path: str = scope["path"]
        if path.startswith("/access/"):
            send = echoing(scope, send)
        try:
            self._check_port(scope)
            if path == STYLE_PATH:
                await style(send)
                return
            caller = self._let_in(scope)
        except Refusal as refusal:
            await self._refuse(scope, send, refusal)
            return
        if path.startswith("/v1/"):
            await self._ingest(scope, receive, send)
        elif path == _EVENTS and scope["method"] == "GET":
            await self.events(scope, receive, send)
        elif path == SIGN_IN:
            await self._sign_in(scope, receive, send)
        elif path == SIGN_OUT:
            await self._sign_in.out(caller, scope, send)
        elif path == _LITESTAR_DOCS or path.startswith(_LITESTAR_DOCS + "/"):
            await respond_error(
                send, UnknownThing(f"there is nothing at {path[:200]}", hint="see /api/openapi.json")
            )
        else:
            await self._inner(scope, receive, _with_headers(send))  # type: ignore[arg-type]

    def _let_in(self, scope: Scope) -> Caller:
        """Who calls, where this class answers itself with the role that is asked for. Raises Refusal."""
        path = scope["path"]
        caller = self.gate.admit(scope)
        state = scope.setdefault("state", {})
        state["caller"] = caller
        state["person"] = caller.name
        state["still"] = partial(self.gate.still, scope, caller)
        try:
            if path.startswith("/v1/"):
                check(caller, "POST", "/v1/traces")
            elif path in (_EVENTS, SIGN_OUT):
                check(caller, "POST" if path == SIGN_OUT else "GET", path)
            elif path not in OPEN and caller.role is Role.PROGRAM and _wants_page(scope):
                check(caller, "GET", "/")  # people who are not signed in are asked to
        except TallystickError as error:
            raise Refusal(error) from error
        return caller

    def listen_grpc(self, host: str, port: int) -> int:
        """Take a port for OTLP over gRPC (0: any free one) and return it; served once the server starts.

        Raises ConfigError when the port cannot be had, ImportError where the extra is missing.
        """
        from tallystick.api.otlp_grpc import GrpcDoor as Door

        self._grpc = Door(self._writer, self.gate, self._settings)
        return self._grpc.open(host, port)

    def _lifespan(self, receive: Receive) -> Receive:
        """The server's start and stop, with gRPC started before and stopped before everything else."""

        async def receiving() -> Message:
            """Pass a message on."""
            message = await receive()
            if self._grpc is not None and message["type"] == "lifespan.startup":
                self._grpc.start()
            elif self._grpc is not None and message["type"] == "lifespan.shutdown":
                await self._grpc.stop()
            return message

        return receiving

    def stopping(self) -> None:
        """The server begins to stop: streams that would never end are ended. Call from the event loop."""
        self.events.close()

    def _check_port(self, scope: Scope) -> None:
        server = scope.get("server")
        if self.otlp_port and server and server[1] == self.otlp_port and not scope["path"].startswith("/v1/"):
            raise Refusal(UnknownThing("this port takes OTLP only", hint="POST traces to /v1/traces"))

    async def _refuse(self, scope: Scope, send: Send, refusal: Refusal) -> None:
        """Answer in the language of the door: OTLP's status, a sign-in page, or the one JSON shape."""
        error, status = refusal.error, refusal.status
        if scope["path"].startswith("/v1/"):
            headers = dict(scope["headers"])
            as_json = headers.get(b"content-type", b"").startswith(JSON)
            body = otlp_status(error, status, as_json=as_json)
            await respond(send, status, body, JSON if as_json else PROTOBUF, headers_of(error, status))
        elif isinstance(error, NotSignedIn) and status == 401 and _wants_page(scope):
            await ask(scope, send, error)
        else:
            await respond_error(send, error, status)


def create_app(
    reader: ReadsRuns,
    recorder: RecordsSpans,
    answer: AnswersApprovals | None,
    settings: ServerSettings,
    *,
    clock: Clock,
    journal: ReadsJournal,
    registry: Registry,
    signins: HearsSignIns | None = None,
    people: PeopleDesk | None = None,
    feed: Feed | None = None,
    access: Access | None = None,
    loss: Callable[[], Mapping[str, Any]] | None = None,
    counts: Counts | None = None,
    effects: KnowsEffects | None = None,
    extra_routes: Sequence[Any] = (),
    agents: KnowsAgents | None = None,
) -> App:
    """Put the doors together. ``extra_routes`` are litestar handlers or routers (the pages).

    ``loss`` tells what came in and what was lost, ``counts`` hears of it. ``answer`` writes answers to approvals,
    ``signins`` hears who signs in, ``people`` are those who may, ``feed`` is what guards are told, ``effects``
    settles what is in doubt, ``access`` answers enforcement points elsewhere. The writer's thread starts with the first
    request and ends, with all that was taken committed, when the server stops.
    """
    writer = Writer(recorder, max_pending=settings.max_pending, counts=counts)
    events = Events(reader, settings)

    def facts() -> standing_shapes.DoctorShape:
        """How the server stands now."""
        _, watermark = reader.events(-1)
        return {
            "version": __version__,
            "ingest": standing_shapes.IngestShape(**writer.tally.as_json()),  # type: ignore[typeddict-item]
            "pending": {"requests": writer.pending_requests, "bytes": writer.pending_bytes},
            "watermark": max(watermark, 0),
            "listeners": events.clients,
            "loss": cast(standing_shapes.LossShape, loss()) if loss is not None else None,
        }

    routes = json.handlers(reader, answer, journal, registry, facts, feed, people, effects, access)
    inner = _Litestar(
        route_handlers=[*routes, *extra_routes],
        guards=[_check_role],
        on_shutdown=[_finishing(writer, access)],
        exception_handlers=_failures(),
        openapi_config=_openapi(),
        logging_config=None,
        debug=False,
    )
    app = App(
        inner, Gate(settings, clock, signins, people, agents), Ingest(writer, settings, counts), events, writer,
        settings, people,
    )  # fmt: skip
    app.otlp_port = settings.otlp_port
    app.access = access
    return app


def _finishing(writer: Writer, access: Access | None) -> Callable[[], Awaitable[None]]:
    """What is done last: commit what was taken. Both block, so they may not run on the loop."""

    async def finish() -> None:
        """The server has stopped."""
        await asyncio.to_thread(writer.close)
        if access is not None:
            await asyncio.to_thread(access.close)

    return finish


def _failures() -> dict[int | type[Exception], Any]:
    """How each kind of error is answered."""
    return {TallystickError: _known, HTTPException: _http, RecursionError: _deep, Exception: _unknown}


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Tallystick", version=__version__, path=_LITESTAR_DOCS, render_plugins=[JsonRenderPlugin()],
        use_handler_docstrings=True,
    )  # fmt: skip


def _check_role(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Every route of the framework, by its template: see doors.py."""
    scope: Scope = connection.scope  # type: ignore[assignment]
    check(scope["state"]["caller"], scope["method"], scope["path_template"])


def _wants_page(scope: Scope) -> bool:
    return b"text/html" in dict(scope["headers"]).get(b"accept", b"")


def _known(_request: Request[Any, Any, Any], error: TallystickError) -> Response[dict[str, Any]]:
    headers = {name.decode(): value.decode() for name, value in headers_of(error, error.http_status)}
    return Response(
        error.as_json(), status_code=error.http_status, media_type="application/json", headers=headers
    )


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    """What litestar refuses (no such path, wrong method, parameters that do not fit) in the one shape."""
    known: TallystickError
    if error.status_code == 404:
        known = UnknownThing(f"there is nothing at {request.url.path[:200]}", hint="see /api/openapi.json")
    elif error.status_code == 405:
        known = BadInput(
            f"{request.method} is not answered at {request.url.path[:200]}", hint="see /api/openapi.json"
        )
    elif error.status_code >= 500:
        return _unknown(request, error)
    else:
        extra = error.extra if isinstance(error.extra, list) else []
        fields = [
            {"field": str(item.get("key", ""))[:100], "reason": str(item.get("message", ""))[:300]}
            for item in extra
            if isinstance(item, dict)
        ]
        reason = "; ".join(f"{item['field']}: {item['reason']}" for item in fields) or error.detail
        known = BadInput(f"the request cannot be read: {reason}", hint="see /api/openapi.json", fields=fields)
    headers = {key: value for key, value in (error.headers or {}).items() if key.lower() == "allow"}
    return Response(
        known.as_json(), status_code=error.status_code, media_type="application/json", headers=headers
    )


def _deep(request: Request[Any, Any, Any], error: RecursionError) -> Response[dict[str, Any]]:
    """A body that is nested so deep that no reader gets to its end; without a body it is a fault of ours."""
    if request.method in ("GET", "HEAD"):
        return _unknown(request, error)
    return _known(request, BadInput("the request cannot be read: it is nested too deep"))


def _unknown(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """A fault of ours: the log has it whole, the caller only that it is."""
    _log.error("answering %s failed", request.url.path, exc_info=error)
    fault = Fault("something of ours went wrong", hint="the server's log has the details")
    return Response(fault.as_json(), status_code=500, media_type="application/json")


def _with_headers(send: Send) -> Send:
    """Add what every answer must carry, where the handler did not say otherwise."""
    always = (
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"same-origin"),
    )

    async def sending(message: Message) -> None:
        """Pass a message on, its headers completed."""
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {name.lower() for name, _ in headers}
            message["headers"] = [*headers, *(pair for pair in always if pair[0] not in names)]
        await send(message)

    return sending
