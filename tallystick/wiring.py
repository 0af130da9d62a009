"""The fuse box: picks adapters and puts rooms, doors and drains together (``wiring_journal`` is the journal's part).

Everything is imported when it is asked for, so that ``tally --help`` and an agent's import load nothing they do not
use.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick import wiring_journal
from tallystick.adapters.clock import SystemClock
from tallystick.adapters.ids import TimeIds
from tallystick.config import Settings, load
from tallystick.config.place import find_store as find_store
from tallystick.model.errors import StoreFault, TallystickError, UnknownThing
from tallystick.ports import Clock, ControlStore, Ids, Traces

if TYPE_CHECKING:
    from tallystick.api.app import App
    from tallystick.app.guard import RunGuard
    from tallystick.app.notary import Notary
    from tallystick.app.read import Reader
    from tallystick.app.record import Recorder
    from tallystick.app.signins import SignIns
    from tallystick.cost.rates import RateCard
    from tallystick.sdk.runtime import Sink

TRACES, CONTROL, SPOOL = "traces.db", "control.db", "spool"
_KEEP_UP_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Stores:
    """Both stores of one folder, open."""

    traces: Traces
    control: ControlStore
    path: Path
    doubt: StoreFault | None = None  # the journal may only be read: it does not lead on from its checkpoints

    def close(self) -> None:
        """Release both. Closing twice is allowed."""
        self.traces.close()
        self.control.close()


# ── time, identity, prices ──────────────────────────────────────────────────────────────────────────────────────


def clock() -> Clock:
    """The machine's clock."""
    return SystemClock()


@cache
def ids() -> Ids:
    """Ids that sort by time."""
    return TimeIds()


@cache
def rate_card() -> RateCard:
    """The rate card that ships with this release."""
    from importlib.resources import files

    import msgspec

    from tallystick.cost.rates import load_card

    return load_card(msgspec.json.decode(files("tallystick.cost").joinpath("card.json").read_bytes()))


# ── stores ──────────────────────────────────────────────────────────────────────────────────────────────────────


def open_stores(
    path: Path, *, create: bool = True, silent_after_s: int | None = None, writing: bool = True
) -> Stores:
    """Open a store folder.

    Raises UnknownThing when it is not there and ``create`` is false, StoreTooNew and StoreFault; the latter also for a
    journal that does not lead on from its last checkpoint, unless ``writing`` is false: then ``doubt`` has it.
    """
    from tallystick.adapters.sqlite import SqliteControl

    if not create and not (path / TRACES).exists():
        raise UnknownThing(
            f"there is no store in {path}",
            hint="tally demo fills one; tallystick.init() and tally up make one",
        )
    path.mkdir(parents=True, exist_ok=True)
    traces = _open_traces(path, silent_after_s)
    try:
        control = SqliteControl(path / CONTROL, clock=clock(), ids=ids())
    except BaseException:
        traces.close()
        raise
    stores = Stores(traces, control, path)
    try:
        wiring_journal.guard(control, path)
    except StoreFault as doubt:
        if writing:
            stores.close()
            raise
        return replace(stores, doubt=doubt)
    return stores


def _open_traces(path: Path, silent_after_s: int | None = None) -> Traces:
    from tallystick.adapters.sqlite import SqliteTraces

    if silent_after_s is None:
        return SqliteTraces(path / TRACES)
    return SqliteTraces(path / TRACES, silent_after=silent_after_s * 1_000_000_000)


def reader(stores: Stores) -> Reader:
    """The read model over open stores; what dead processes left is taken in and attested first."""
    from tallystick.app.read import Reader

    adopt(stores)
    _attest(stores)
    return Reader(stores.traces, stores.control, clock())


def recorder(stores: Stores) -> Recorder:
    """The way into an open trace store."""
    from tallystick.app.pricing import CardNotice
    from tallystick.app.record import Recorder

    return Recorder(stores.traces, rate_card(), clock(), notice=CardNotice(stores.control, rate_card()))


def _notary(stores: Stores) -> Notary:
    return wiring_journal.notary(stores.traces, stores.control, clock())


def _attest(stores: Stores) -> None:
    """Bring the journal up to the trace store. Where that fails it is said, and reading goes on."""
    try:
        _notary(stores).attest()
    except TallystickError as error:
        _say(f"records could not be attested: {error.message}")


def adopt(stores: Stores) -> int:
    """Take in what processes that died left in the store's spool; returns the number of spans."""
    spool = stores.path / SPOOL
    if not spool.is_dir():
        return 0
    from tallystick.sdk.adoption import adopt as take_over
    from tallystick.sdk.local import StoreSink

    return take_over(spool, StoreSink(recorder(stores), _nothing)).spans


def _nothing() -> None:
    """The stores belong to the caller."""


# ── projects ────────────────────────────────────────────────────────────────────────────────────────────────────


def apply(
    stores: Stores, project: Path, *, dry_run: bool = False, actor: str = "tally apply"
) -> Mapping[str, Any]:
    """Declare a project's agents and tools in the registry. Raises ConfigError with file and line."""
    from tallystick.adapters.project import read_project
    from tallystick.app.registrar import declare

    found = read_project(project)
    return declare(stores.control, found.agents, found.tools, actor=actor, dry_run=dry_run)


def check_policies(settings: Settings) -> Mapping[str, Any]:
    """Check a project's policies against its tools. Raises ConfigError naming the first mistake."""
    from tallystick.adapters.project import read_project
    from tallystick.app.policies import check_policies as check

    found = read_project(settings.project or Path.cwd(), policies=settings.policies)
    return check(found.policies or (), found.declarations)


# ── an agent's process ──────────────────────────────────────────────────────────────────────────────────────────

_started: list[Callable[[], None]] = []
_at_exit: list[int] = []  # the processes that have registered shutdown


def init(
    agent: str | None = None, *, version: str = "", workflow: str | None = None, store: str | Path | None = None,
    server: str | None = None, project: str | Path | None = None, instrument: bool = True,
) -> None:  # fmt: skip
    """Switch recording and the guard on in this process.

    Nothing is needed: records go to the local store, settings come from the environment and the nearest
    ``tallystick.toml``, installed instrumentors are switched on. ``agent`` and ``workflow`` name runs that do not name
    themselves, ``server`` sends records there instead, ``project`` is the folder with agents/, tools/ and policies/.
    Calling it again starts anew. Raises ConfigError for settings that cannot be read and StoreFault, StoreTooNew for a
    store that cannot be used: an agent that believes it is governed must not run ungoverned.
    """
    from tallystick.sdk.edge import raise_faults
    from tallystick.sdk.install import install
    from tallystick.sdk.tools import declared_tools, tell_tools

    shutdown()
    if os.getpid() not in _at_exit:  # a program that ends without a word loses no decision
        _at_exit.append(os.getpid())
        atexit.register(shutdown)
    flags = {"store": None if store is None else str(store), "server": server}
    settings = load(flags, os.environ, Path(project) if project else Path.cwd())
    folder = Path(project) if project else settings.project
    stores = open_stores(find_store(settings.store, project=folder), silent_after_s=settings.crash_after_s)
    guard = _guard(stores, folder, settings)
    _started.append(stores.close)
    _started.append(wiring_journal.at_exit(stores.control, stores.path, settings, _say))
    _started.append(guard.close)
    tell_tools(guard, declared_tools())
    raise_faults(settings.telemetry_fail == "raise")
    install(
        spool_dir=stores.path / SPOOL, clock=clock(), ids=ids(), sink=_sink(stores, settings), guard=guard,
        agent=agent or settings.agent, workflow=workflow, version=version,
        contents=settings.capture_content == "full", instrument=instrument,
        spool_limit=settings.spool_limit_mb * 1_048_576,
    )  # fmt: skip


def flush(timeout: float = 5.0) -> bool:
    """Wait until everything recorded so far is in the store or at the server; False when something is left."""
    from tallystick.sdk.install import flush as flush_records

    return flush_records(timeout)


def shutdown(timeout: float = 5.0) -> bool:
    """Switch recording off; what cannot be delivered in time stays in the spool for the next process."""
    from tallystick.sdk.install import uninstall

    done = uninstall(flush=timeout)
    while _started:
        _started.pop()()
    return done


def run_env(settings: Settings) -> Mapping[str, str]:
    """Environment for a child process that records itself (``tally run``)."""
    from tallystick.sdk.autostart import autostart_env

    told = {"TALLYSTICK_STORE": str(find_store(settings.store, project=settings.project).resolve())}
    if settings.server is not None:
        told["TALLYSTICK_SERVER"] = settings.server
    if settings.agent is not None:
        told["TALLYSTICK_AGENT"] = settings.agent
    return autostart_env({**os.environ, **told})


def _sink(stores: Stores, settings: Settings) -> Callable[[], Sink]:
    server, token, silent = settings.server, settings.token, settings.crash_after_s

    def to_server() -> Sink:
        from tallystick.sdk.transport import ServerSink

        assert server is not None
        return ServerSink(server, token=token)

    def to_store() -> Sink:
        from tallystick.sdk.local import StoreSink

        own = Stores(_open_traces(stores.path, silent), stores.control, stores.path)
        return StoreSink(recorder(own), own.traces.close, _notary(own).attest)

    return to_store if server is None else to_server


def _guard(stores: Stores, folder: Path | None, settings: Settings) -> RunGuard:
    import time

    from tallystick.adapters.project import open_book
    from tallystick.app.guard import GuardSettings, RunGuard
    from tallystick.app.registrar import known_tools
    from tallystick.cost.loops import LoopLimits

    if folder is not None:
        try:
            apply(stores, folder, actor="tallystick.init")
        except TallystickError as error:  # the book below refuses every effect and says why; reads go on
            sys.stderr.write(f"tallystick: {error.message}" + (f" ({error.hint})\n" if error.hint else "\n"))
    policies = settings.policies if folder is None or settings.origins["policies"] != "default" else None
    book = open_book(
        folder, policies=policies if policies is not None and policies.is_dir() else None,
        permissive=settings.policy_mode == "permissive", also=known_tools(stores.control),
    )  # fmt: skip
    return RunGuard(
        stores.control, clock(), ids(), book, rate_card(),
        waiter=lambda nanoseconds: time.sleep(nanoseconds / 1e9),
        settings=GuardSettings(
            run_budget_nano=settings.run_budget_nano,
            approval_timeout_ns=settings.approval_timeout_s * 1_000_000_000,
            loops=LoopLimits(calls=settings.run_tool_calls),
        ),
    )  # fmt: skip


# ── the server ──────────────────────────────────────────────────────────────────────────────────────────────────


def build_app(
    stores: Stores, settings: Settings, *, address: str, otlp_port: int | None = None,
    signins: SignIns | None = None,
) -> App:  # fmt: skip
    """The server's ASGI application over open stores; ``signins`` hears who signs in."""
    from tallystick.api.app import create_app
    from tallystick.api.settings import ServerSettings
    from tallystick.app.approvals import answer as give
    from tallystick.web.pages import routes
    from tallystick.web.site import PageSettings

    sign = wiring_journal.sign_answers(stores.path, settings)

    def answer(approval: str, answer: str, *, by: str, note: str | None) -> Mapping[str, Any]:
        return give(stores.control, clock(), ids(), approval, answer, by, note, sign=sign)

    operator = wiring_journal.operator()
    read = reader(stores)
    journal = wiring_journal.book(stores.control, stores.path, settings)
    return create_app(
        read, recorder(stores), answer,
        ServerSettings(
            token=settings.token, operator=operator, otlp_port=otlp_port, max_body=settings.max_body_mb * 1_048_576
        ),
        clock=clock(),
        journal=journal,
        signins=signins,
        extra_routes=routes(
            read, answer, PageSettings(clock().now, store=str(stores.path), address=address), journal,
            wiring_journal.evidence_maker(stores.traces, stores.control, stores.path, settings, rate_card(), _say),
        ),
    )  # fmt: skip


def serve(path: Path, settings: Settings) -> None:
    """Serve a store folder until interrupted. Raises ConfigError for an address that may not or cannot be had."""
    from tallystick.api import server
    from tallystick.app.signins import SignIns

    main = server.listen(settings.host, settings.port, token=settings.token)
    otlp = server.listen_otlp(settings.host, settings.otlp_port, token=settings.token, say=_say)
    stores = open_stores(path, silent_after_s=settings.crash_after_s)
    stopping = threading.Event()
    signins = SignIns(stores.control, clock(), _say)
    keeper = wiring_journal.keeper(stores.control, stores.path, settings, _say)
    checkpoints = wiring_journal.Schedule(keeper, settings.checkpoint_every_s, _say)
    try:
        address = server.address_of(main)
        otlp_port = otlp.getsockname()[1] if otlp is not None else None
        app = build_app(stores, settings, address=address, otlp_port=otlp_port, signins=signins)
        catching_up = threading.Thread(target=_keep_up, args=(stores, stopping), daemon=True)
        catching_up.start()
        sockets = [main] if otlp is None else [main, otlp]
        server.run(app, sockets, on_ready=lambda: _announce(app, stores, settings, address, otlp_port))
        stopping.set()
        catching_up.join()
        _attest(stores)
    finally:
        stopping.set()
        signins.close()
        checkpoints.stop()
        stores.close()


def _keep_up(stores: Stores, stopping: threading.Event) -> None:
    """Every few seconds: take in what dead processes left, and bring the journal up to the trace store."""
    while not stopping.wait(_KEEP_UP_EVERY_S):
        try:
            adopt(stores)
        except TallystickError as error:
            _say(f"the spool could not be taken in: {error.message}")
        _attest(stores)


def _announce(app: App, stores: Stores, settings: Settings, address: str, otlp_port: int | None) -> None:
    link = address + (app.gate.sign_in_path() if settings.token else "")
    _say(f"Tallystick serves {stores.path}")
    _say(f"  pages   {link}")
    _say(f"  OTLP    {address}/v1/traces" + (f" and port {otlp_port}" if otlp_port else ""))
    _say("  stop    Ctrl-C")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
