"""The fuse box, the server: doors over open stores, and what runs beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.config import Settings
from tallystick.model.errors import ConfigError, TallystickError
from tallystick.model.people import Caller
from tallystick.wiring import access, identity, journal, keeping, loss, notifying, people, release, texts
from tallystick.wiring.deeds import effect_desk
from tallystick.wiring.feed import store_feed
from tallystick.wiring.machine import clock, ids, rate_card, say
from tallystick.wiring.stores import (
    Stores,
    adopt,
    attest,
    catalog,
    list_uses,
    lister,
    open_stores,
    reader,
    recorder,
)

if TYPE_CHECKING:
    from tallystick.api.app import App
    from tallystick.app.acting.access import Access
    from tallystick.app.reading.questions import Registry
    from tallystick.app.signins import SignIns

_KEEP_UP_EVERY_S = 5.0
_MOST_TOLD = 1_000  # different faults that this process tells of


def build_app(
    stores: Stores, settings: Settings, *, address: str, otlp_port: int | None = None,
    signins: SignIns | None = None,
) -> App:  # fmt: skip
    """The server's ASGI application over open stores; ``signins`` hears who signs in."""
    from tallystick.adapters.session_key import session_key
    from tallystick.api.app import create_app
    from tallystick.api.settings import ServerSettings
    from tallystick.app.acting.approvals import reply
    from tallystick.web.pages import routes
    from tallystick.web.site import PageSettings

    sign = journal.sign_answers(stores.path, settings)
    read = reader(stores, served=True)
    book = journal.book(stores, settings)

    def answer(
        approval: str, answer: str, /, *, by: Caller, note: str | None, **more: Any
    ) -> Mapping[str, Any]:
        return reply(stores.control, clock(), ids(), approval, answer, by, note, sign=sign, **more)

    losses = loss.loss_book(stores, settings).state
    shown = PageSettings(clock().now, store=str(stores.path), address=address, losses=losses)
    prove = journal.evidence_maker(stores, settings, rate_card(), say)
    told = ServerSettings(
        token=settings.token, operator=journal.operator(), otlp_port=otlp_port,
        max_body=settings.max_body_mb * 1_048_576, session_key=session_key(stores.path),
    )  # fmt: skip
    known = _registry(stores)
    desk = people.desk(stores)
    pages = routes(read, answer, shown, book, known, prove, desk, effect_desk(stores))
    return create_app(
        read, recorder(stores, settings, believed=settings.token is not None), answer, told, clock=clock(),
        journal=book, registry=known, signins=signins, people=desk, feed=store_feed(stores, every_ns=0),
        access=access.access(stores, settings), loss=losses, counts=loss.counts(stores.path),
        effects=effect_desk(stores), extra_routes=pages, agents=identity.bearers(stores, settings),
    )  # fmt: skip


def _registry(stores: Stores) -> Registry:
    """The registry as the doors show it: its answers, who is ready, and what a person may accept."""
    from tallystick.app.reading.questions import Registry as TheRegistry
    from tallystick.app.registry.accept import accept as take
    from tallystick.app.registry.catalog_shapes import shown_json

    def accept(tool: str, definition: str, /, *, by: str, because: str | None) -> Mapping[str, Any]:
        done = take(stores.control, tool, definition, by=by, because=because)
        rows = (row for row in stores.control.shown(tool) if row.definition == done.definition)
        return shown_json(stores.control, next(row for row in rows if row.channel.value == done.channel))

    known = catalog(stores)
    return TheRegistry(known, release.ready(stores, known), accept)


def serve(path: Path, settings: Settings) -> None:
    """Serve a store folder until interrupted. Raises ConfigError for an address that may not or cannot be had."""
    from tallystick.api import server
    from tallystick.app.signins import SignIns

    main = server.listen(settings.host, settings.port, token=settings.token)
    otlp = server.listen_otlp(settings.host, settings.otlp_port, token=settings.token, say=say)
    stores = open_stores(path, silent_after_s=settings.crash_after_s)
    stopping = threading.Event()
    signins = SignIns(stores.control, clock(), say)
    keeper = journal.keeper(stores.control, stores.path, settings, say)
    checkpoints = journal.Schedule(keeper, settings.checkpoint_every_s, say)
    try:
        address = server.address_of(main)
        otlp_port = otlp.getsockname()[1] if otlp is not None else None
        app = build_app(stores, settings, address=address, otlp_port=otlp_port, signins=signins)
        grpc_port = _listen_grpc(app, settings)
        catching_up = threading.Thread(target=_keep_up, args=(stores, stopping, app.access), daemon=True)
        catching_up.start()
        aging = threading.Thread(target=keeping.keep_aging, args=(stores, settings, stopping), daemon=True)
        aging.start()
        told = notifying.notifying(stores, settings, address)
        telling = threading.Thread(target=notifying.keep_notifying, args=(told, stopping), daemon=True)
        telling.start()
        sockets = [main] if otlp is None else [main, otlp]
        server.run(
            app, sockets, on_ready=lambda: _announce(app, stores, settings, address, otlp_port, grpc_port)
        )
        stopping.set()
        catching_up.join()
        aging.join()
        attest(stores)
        loss.counts(stores.path).flush()
    finally:
        stopping.set()
        signins.close()
        checkpoints.stop()
        stores.close()


def _keep_up(stores: Stores, stopping: threading.Event, deciding: Access | None = None) -> None:
    """Every few seconds: take in what dead processes left, bring the journal up to the trace store, list uses, index
    what runs said, and write down what enforcement points never told."""
    by, tell = lister(stores), _anew()
    while not stopping.wait(_KEEP_UP_EVERY_S):
        try:
            adopt(stores)
        except Exception as error:  # noqa: BLE001 - this thread keeps up with what comes later
            said = error.message if isinstance(error, TallystickError) else repr(error)
            tell(f"the spool could not be taken in: {said}")
        attest(stores, tell)
        list_uses(by, tell=tell)
        texts.index_due(stores.traces, clock(), stopping)
        if deciding is not None:
            _told_or_lost(deciding, tell)
        loss.counts(stores.path).flush()


def _told_or_lost(deciding: Access, tell: Callable[[str], None]) -> None:
    try:
        deciding.keep_up()
    except TallystickError as error:  # the next time tries again
        tell(f"decisions could not be written: {error.message}")


def _anew() -> Callable[[str], None]:
    """Says each thing once: what stays wrong would be said again every few seconds."""
    told: set[str] = set()

    def tell(text: str) -> None:
        if text not in told and len(told) < _MOST_TOLD:
            told.add(text)
            say(text)

    return tell


def _listen_grpc(app: App, settings: Settings) -> int | None:
    """The port of OTLP over gRPC. None when it is switched off, the extra is missing or the port is taken."""
    if not settings.grpc_port:
        return None
    try:
        return app.listen_grpc(settings.host, settings.grpc_port)
    except ImportError:
        if settings.origins["grpc_port"] != "default":  # somebody asked for it
            say("OTLP over gRPC is not served: it needs pip install 'tallystick[grpc]'")
    except ConfigError as error:
        say(f"OTLP over gRPC is not served: {error.message}\n  hint: {error.hint}")
    return None


def _announce(
    app: App, stores: Stores, settings: Settings, address: str, otlp_port: int | None, grpc_port: int | None
) -> None:
    alone = not people.desk(stores).people().exist
    link = address + (app.gate.sign_in_path() if settings.token or not alone else "")
    say(f"Tallystick serves {stores.path}")
    say(f"  pages   {link}")
    say(f"  OTLP    {address}/v1/traces" + (f" and port {otlp_port}" if otlp_port else ""))
    if grpc_port:
        say(f"  gRPC    {settings.host}:{grpc_port}")
    if not alone:
        say("  people  sign in with their own tokens; the server's token lets in programs only")
    elif settings.token:
        say(
            "  people  nobody was added yet: whoever has the token is admin (tally users add NAME --role admin)"
        )
    say("  stop    Ctrl-C")
