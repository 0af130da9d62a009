"""Listening and running: sockets, the uvicorn server, start and stop.

Sockets are opened before the server is built, so a port that is taken is told at once, and port 0 tells its number.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Final, Protocol

import uvicorn

from tallystick.api.auth import check_bind
from tallystick.api.problems import Receive, Scope, Send
from tallystick.model.errors import ConfigError, Unreachable

STOP_WITHIN_S: Final = 10


class Application(Protocol):
    """What can be served: an ASGI application that is told when the server begins to stop."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...

    def stopping(self) -> None:
        """End what would never end by itself."""
        ...


def listen(host: str, port: int, *, token: str | None, to_all: bool = False) -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises ConfigError for an address that may not or cannot be had.

    ``to_all``: what is served may be called by anybody, so an address beyond loopback needs no token.
    """
    if not to_all:
        check_bind(host, token)
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[
            0
        ]
        opened = socket.socket(family, kind, proto)
    except OSError as error:
        raise ConfigError(f"{host} is no address of this machine: {error.strerror}", host=host) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(1024)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            hint = "another server listens there; choose one with --port, or --port 0 for any free one"
            raise ConfigError(f"port {port} is taken", hint=hint, port=port) from error
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}", host=host, port=port
        ) from error
    return opened


def listen_otlp(
    host: str, port: int | None, *, token: str | None, say: Callable[[str], None]
) -> socket.socket | None:
    """The second listener, where exporters look by default. None when it is switched off or the port is taken.

    A taken port is told through ``say`` and is no error: it often means that a collector runs here.
    """
    if not port:
        return None
    try:
        return listen(host, port, token=token)
    except ConfigError as error:
        say(f"OTLP is not served on port {port} ({error.message}); senders can use the main port")
        return None


def address_of(opened: socket.socket) -> str:
    """The URL of a listening socket; an address of all interfaces is told as this machine's own."""
    host, port = opened.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Uvicorn(uvicorn.Server):
    """uvicorn that ends live streams when it stops, and leaves the process to its caller afterwards."""

    def __init__(self, config: uvicorn.Config, app: Application, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what would never end by itself, then stop as uvicorn does: finish requests, commit, close."""
        self._app.stopping()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM, and give them back without raising them again: the stores must be closed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._told_to_stop) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.handle_exit(number, frame)


def _build(app: Application, on_ready: Callable[[], None]) -> _Uvicorn:
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    return _Uvicorn(config, app, on_ready)


def run(app: Application, sockets: Sequence[socket.socket], *, on_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; returns when everything taken was committed and answered. Main thread only."""

    def ready() -> None:
        """Settle the garbage collector, then say that the server answers."""
        # What was loaded until now lives as long as the process: the collector need not look at it again, and spans
        # (many small objects, no cycles) should not make it run every 700 of them.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        on_ready()

    server = _build(app, ready)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=list(sockets)))


class ServerThread:
    """A server in a thread of its own, for a demo or a test: ``start`` returns when it answers."""

    def __init__(self, app: Application, sockets: Sequence[socket.socket]) -> None:
        self._ready = threading.Event()
        self._server = _build(app, self._ready.set)
        self._sockets = list(sockets)
        self._thread = threading.Thread(target=self._run, name="tallystick-server", daemon=True)

    def start(self, *, within_s: float = 10.0) -> None:
        """Start serving. Raises Unreachable when the server does not come up in time."""
        self._thread.start()
        if not self._ready.wait(within_s):
            raise Unreachable(f"the server did not start within {within_s:g} s")

    def stop(self) -> None:
        """Finish requests, commit, close. Stopping twice is allowed."""
        self._server.should_exit = True
        self._thread.join(STOP_WITHIN_S + 5)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            runner.run(self._server.serve(sockets=self._sockets))
