"""/events: what changed, as server-sent events.

Each event carries the store's cursor as its id, so a browser that reconnects sends Last-Event-ID and gets what it
missed; when that is too much, or the id is not of this store, it gets one ``resync`` and reads the page anew. The
store is asked every 250 ms, and only while somebody listens. A client that reads too slowly loses its backlog, and is
told so by a ``resync``: memory is bounded, and nothing is silent. With ``?run=`` only the changes of one run are told,
and instead of a heartbeat the cursor, so that who comes back later does not ask for all that was left out. Without it
``approvals`` events tell that what waits for an answer changed; each listener gets the newest one at once.

Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from tallystick.api.problems import Receive, Scope, Send, respond_error
from tallystick.api.settings import ReadsRuns, ServerSettings
from tallystick.model.errors import BadInput, TallystickError, UnknownThing
from tallystick.ports import Change

_log = logging.getLogger("tallystick.api")

MOST_BEHIND: Final = 5_000  # changes; a client further back reads the page anew, which is cheaper for both
_FULL_PAGE: Final = 500  # changes that the store gives at once (ports.TraceStore.changes)
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy that buffers would hold events back
    (b"x-content-type-options", b"nosniff"),
]


class _Client:
    """One listener: what is waiting for it, in bytes, never more than its bound. ``run``: it hears of no other."""

    def __init__(self, bound: int, run: str | None = None) -> None:
        self.run = run
        self.cursor = -1
        self.waiting: list[bytes] = []
        self.size = 0
        self.bound = bound
        self.ready = asyncio.Event()

    def tell(self, changes: Sequence[Change], cursor: int) -> None:
        """Queue what of some changes concerns this listener."""
        if self.run is None:
            self.put(render(changes, cursor), cursor)
            return
        own = [change for change in changes if change.run == self.run]
        self.cursor = cursor
        if own:
            self.put(render(own, own[-1].cursor), cursor)

    def put(self, message: bytes, cursor: int) -> None:
        """Queue a message; over the bound everything that waits becomes one ``resync``."""
        self.cursor = cursor
        if self.size + len(message) > self.bound:
            message = resync(cursor)
            self.waiting.clear()
            self.size = 0
        self.waiting.append(message)
        self.size += len(message)
        self.ready.set()

    def take(self) -> bytes:
        """Everything that waits, as one piece."""
        piece = b"".join(self.waiting)
        self.waiting.clear()
        self.size = 0
        self.ready.clear()
        return piece


class Events:
    """The live stream, as an ASGI application for ``/events``."""

    def __init__(self, reader: ReadsRuns, settings: ServerSettings) -> None:
        self._reader = reader
        self._settings = settings
        self._clients: set[_Client] = set()
        self._poller: asyncio.Task[None] | None = None
        self._cursor: int | None = None
        self._mark: str | None = None  # of what waits for an answer
        self._closed = False

    @property
    def clients(self) -> int:
        """How many listen."""
        return len(self._clients)

    @property
    def polling(self) -> bool:
        """Whether the store is being asked for changes."""
        return self._poller is not None and not self._poller.done()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one listener until it hangs up or the server stops."""
        if self._closed:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"5")]})
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            run = await self._one_run(scope)
        except TallystickError as error:
            await respond_error(send, error)
            return
        first, cursor = await self._catch_up(_last_seen(scope), run)
        client = _Client(self._settings.max_queue, run)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        client.put(b"retry: 2000\n\n" + first, cursor)
        if run is None:
            client.put(waiting(await asyncio.to_thread(self._reader.asking)), cursor)
        self._clients.add(client)
        if not self.polling:
            self._cursor = cursor
            self._poller = asyncio.create_task(self._poll())
        elif self._cursor is not None and self._cursor > cursor:
            client.put(resync(self._cursor), self._cursor)
        gone = asyncio.create_task(_hang_up(receive))
        try:
            await self._serve(client, gone, send, scope.get("state", {}).get("still"))
        finally:
            gone.cancel()
            self._clients.discard(client)

    def close(self) -> None:
        """End every stream; call from the event loop when the server begins to stop."""
        self._closed = True
        for client in self._clients:
            client.ready.set()
        if self._poller is not None:
            self._poller.cancel()

    async def _serve(
        self, client: _Client, gone: asyncio.Task[None], send: Send, still: Callable[[], bool] | None
    ) -> None:
        while True:
            ready = asyncio.create_task(client.ready.wait())
            await asyncio.wait(
                {ready, gone}, timeout=self._settings.heartbeat_s, return_when=asyncio.FIRST_COMPLETED
            )
            ready.cancel()
            if gone.done():
                return
            if self._closed or (
                still is not None and not still()
            ):  # whoever may not hear more hears nothing more
                await send({"type": "http.response.body", "body": b""})
                return
            beat = b": heartbeat\n\n" if client.run is None else hello(client.cursor)
            piece = client.take() or beat
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _one_run(self, scope: Scope) -> str | None:
        """The whole id of the run in ``?run=``. Raises UnknownThing and BadInput."""
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("run", [""])[0]
        if not asked:
            return None
        if '"' in asked or "\\" in asked:
            raise BadInput(f"{asked[:80]!r} is no id of a run", hint="tally runs ls shows ids")
        found = await asyncio.to_thread(self._reader.runs, f'run:"{asked}"', limit=2)
        if len(found["runs"]) != 1:
            which = "several runs start" if found["runs"] else "no run starts"
            raise UnknownThing(f"{which} with {asked[:80]!r}", hint="tally runs ls shows ids")
        return str(found["runs"][0]["run"])

    async def _catch_up(self, after: int | None, run: str | None = None) -> tuple[bytes, int]:
        """What a client that last saw ``after`` missed, and the cursor it then stands at."""
        newest = max((await asyncio.to_thread(self._reader.events, -1))[1], 0)  # -1: the store is empty
        if after is None:
            return hello(newest), newest
        if after > newest or newest - after > MOST_BEHIND:
            return resync(newest), newest
        pieces: list[bytes] = []
        cursor = after
        while cursor < newest:
            changes, reached = await asyncio.to_thread(self._reader.events, cursor)
            if reached <= cursor:
                break
            cursor = reached
            pieces.append(render([one for one in changes if run in (None, one.run)], reached))
        return b"".join(pieces) or hello(cursor), cursor

    async def _poll(self) -> None:
        """Ask the store while anybody listens, and hand each change to all."""
        more = False
        while self._clients and not self._closed:
            await asyncio.sleep(0 if more else self._settings.poll_s)
            after = self._cursor if self._cursor is not None else -1
            try:
                changes, reached = await asyncio.to_thread(self._reader.events, after)
                self._tell_mark(await asyncio.to_thread(self._reader.asking))
            except TallystickError as error:
                _log.warning("the store does not tell what changed: %s", error)
                continue
            more = len(changes) >= _FULL_PAGE  # the store has further changes: ask again at once
            if reached == after:
                continue
            self._cursor = reached
            for client in self._clients:
                if reached > after:
                    client.tell(changes, reached)
                else:
                    client.put(resync(reached), reached)

    def _tell_mark(self, mark: str) -> None:
        """Tell whoever hears of everything that other approvals wait now."""
        if mark == self._mark:
            return
        self._mark = mark
        for client in self._clients:
            if client.run is None:
                client.put(waiting(mark), client.cursor)


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _last_seen(scope: Scope) -> int | None:
    """The cursor in Last-Event-ID (a browser that reconnects) or ``?after=`` (a page that knows what it shows)."""
    told = dict(scope["headers"]).get(b"last-event-id", b"").decode("latin-1")
    told = told or parse_qs(scope.get("query_string", b"").decode("latin-1")).get("after", [""])[0]
    return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else None


def render(changes: Sequence[Change], cursor: int) -> bytes:
    """Changes as events of type ``change``; without any, only where the store stands now."""
    if not changes or changes[-1].cursor != cursor:
        return b"".join(_change(change) for change in changes) + hello(cursor)
    return b"".join(_change(change) for change in changes)


def _change(change: Change) -> bytes:
    return _event(b"change", change.cursor, {"cursor": change.cursor, "run": change.run})


def waiting(mark: str) -> bytes:
    """Tells that what waits for an answer changed; without an id, since the store's cursor stands where it was."""
    return b"event: approvals\ndata: " + msgspec.json.encode({"mark": mark}) + b"\n\n"


def hello(cursor: int) -> bytes:
    """Tells a client where it stands."""
    return _event(b"cursor", cursor, {"cursor": cursor})


def resync(cursor: int) -> bytes:
    """Tells a client that it missed too much and must read the page anew."""
    return _event(b"resync", cursor, {"cursor": cursor})


def _event(name: bytes, cursor: int, data: dict[str, Any]) -> bytes:
    """One event; JSON has no raw line breaks, so stored text cannot forge another."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (cursor, name, msgspec.json.encode(data))
