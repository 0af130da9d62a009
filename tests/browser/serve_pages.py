"""Serve the pages from an invented world, to look at them: ``python tests/browser/serve_pages.py``."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

import msgspec
import uvicorn
from litestar import Litestar, Request, Response, get
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage
from web_fake import FakeEvidence, FakeJournal, FakeReader
from web_sets_fake import LOSS
from web_world import NOW_NS

from tallystick.web.pages import PageSettings, routes


class Served:
    """A running server: its address, its reader, and a way to send an event to open pages."""

    def __init__(self, url: str, reader: FakeReader, journal: FakeJournal, queue: list[str]) -> None:
        self.url = url
        self.reader = reader
        self.journal = journal
        self._queue = queue

    def announce(self, run: str) -> None:
        self._queue.append(run)


def make_app(
    reader: FakeReader, journal: FakeJournal, queue: list[str], stopping: threading.Event
) -> Litestar:
    """The pages, with the two doors of the API that their scripts use."""

    @get("/api/runs/{run:str}/find", sync_to_thread=True)
    def find(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = request.query_params
        found = reader.find(
            request.path_params["run"], asked["q"], limit=int(asked["limit"]), after=asked.get("after")
        )
        return Response(msgspec.json.encode(found), media_type="application/json")

    @get("/events", sync_to_thread=False)
    def events() -> ServerSentEvent:
        async def stream() -> AsyncGenerator[ServerSentEventMessage, None]:
            sent = len(queue)
            yield ServerSentEventMessage(comment="open")
            while not stopping.is_set():
                for run in queue[sent:]:
                    body = msgspec.json.encode({"run": run}).decode()
                    yield ServerSentEventMessage(event="change", id=str(sent), data=body)
                sent = len(queue)
                await asyncio.sleep(0.05)

        return ServerSentEvent(stream())

    settings = PageSettings(now=lambda: NOW_NS, store="~/desk/.tallystick", losses=lambda: LOSS)
    handlers: list[Any] = [
        find,
        events,
        *routes(reader, reader.answer, settings, journal, reader.catalog.registry(), FakeEvidence()),
    ]
    return Litestar(handlers, openapi_config=None)


@contextmanager
def serving(reader: FakeReader, port: int = 0) -> Iterator[Served]:
    """Run the server in a thread until the block ends."""
    queue: list[str] = []
    journal = FakeJournal(reader)
    stopping = threading.Event()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)  # connections wait in the queue until the server takes them
    config = uvicorn.Config(
        make_app(reader, journal, queue, stopping),
        log_level="warning",
        timeout_graceful_shutdown=1,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", reader, journal, queue)
    finally:
        stopping.set()
        server.should_exit = True
        thread.join(10)
        listener.close()


if __name__ == "__main__":
    with serving(FakeReader(), int(sys.argv[1]) if len(sys.argv) > 1 else 0) as served:
        print(served.url)
        threading.Event().wait()
