"""What tools an MCP server offers, asked by the official client, with a limit on everything.

The server is hostile until a person accepted it: it may never answer, answer without end, page without end, write
noise, or hand out a gigabyte in one line. Bytes, lines, pages, tools and time are bounded here; what its answers say is
judged by ``registry.offered``. Needs the extra ``mcp``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tallystick.model.errors import BadInput, TallystickError, TooLarge, Unreachable
from tallystick.registry.offered import Offer

if TYPE_CHECKING:
    import httpx2
    from mcp.client import Transport

INSTALL: Final = "pip install 'tallystick[mcp]'"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one visit. ``seconds`` covers all of it, ``bytes`` all that the server sends."""

    seconds: float = 30.0
    bytes: int = 16_000_000
    line: int = 4_000_000
    pages: int = 100
    tools: int = 1_000


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is: a command to start (``env``: variables it gets besides the usual few), or an address.

    ``token`` is sent as a bearer token.
    """

    command: tuple[str, ...] = ()
    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    token: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Visit:
    """What happened: how much came, how many lines were no messages, the end of its stderr, the limit that it broke."""

    limits: Limits
    received: int = 0
    broke: TallystickError | None = None
    unread: int = 0
    stderr: bytes = b""

    def take(self, count: int, what: str) -> None:
        """Count bytes. Raises TooLarge beyond the limit, and remembers it."""
        self.received += count
        if self.received > self.limits.bytes:
            self.fail(f"the server sent more than {self.limits.bytes:,} bytes in {what}")

    def fail(self, message: str) -> None:
        """Remember the limit that was broken and raise it."""
        self.broke = TooLarge(message, hint="a server with so much to say is not imported")
        raise self.broke


def list_tools(server: Server, limits: Limits | None = None) -> list[Offer]:
    """Ask a server for all its tools; a server that was started for it is ended again.

    Raises BadInput where there is no such program or address (or the extra is not installed), Unreachable where it does
    not answer in time or does not speak MCP, TooLarge where it breaks a limit.
    """
    try:
        import anyio
        import mcp  # noqa: F401 - the extra, asked for before anything is started
    except ImportError as error:
        raise BadInput("importing tools needs the MCP client", hint=INSTALL) from error
    _check(server)
    visit = _Visit(limits or Limits())
    with _quiet():
        try:
            return anyio.run(_ask, server, visit)
        except Exception as error:  # whatever a server makes the client raise becomes one designed error
            raise _said(error, server, visit) from error


async def _ask(server: Server, visit: _Visit) -> list[Offer]:
    import anyio
    from mcp import Client

    transport = _web(server, visit) if server.url is not None else _stdio(server, visit)
    with anyio.fail_after(visit.limits.seconds):
        async with Client(transport, read_timeout_seconds=visit.limits.seconds / 3, cache=None) as client:
            return await _pages(client, visit)


async def _pages(client: Any, visit: _Visit) -> list[Offer]:
    offers: list[Offer] = []
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(visit.limits.pages):
        page = await client.list_tools(cursor=cursor)
        offers += [_offer(tool) for tool in page.tools]
        if len(offers) > visit.limits.tools:
            visit.fail(f"the server offers more than {visit.limits.tools:,} tools")
        cursor = page.next_cursor
        if cursor is None:
            return offers
        if cursor in seen:
            visit.fail("the server's pages of tools go round in a circle")
        seen.add(cursor)
    visit.fail(f"the server's tools fill more than {visit.limits.pages} pages")
    return offers


def _offer(tool: Any) -> Offer:
    notes: dict[str, Any] = {}
    if tool.annotations is not None:
        notes = tool.annotations.model_dump(mode="json", by_alias=True, exclude_none=True)
    if tool.title is not None:
        notes["tool.title"] = tool.title
    return Offer(tool.name, tool.description or "", dict(tool.input_schema), tool.output_schema, notes)


def _web(server: Server, visit: _Visit) -> Transport:
    """Streamable HTTP, with every body counted and none compressed."""
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async def count(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            visit.fail("the server compressed its answer, though it was asked not to")
        response.stream = _counted(response.stream, visit)

    headers = {"accept-encoding": "identity"}
    if server.token:
        headers["authorization"] = f"Bearer {server.token}"

    @asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        async with (
            httpx2.AsyncClient(
                headers=headers, timeout=visit.limits.seconds, event_hooks={"response": [count]}
            ) as client,
            streamable_http_client(
                server.url or "", http_client=client, max_sse_event_size=visit.limits.line
            ) as streams,
        ):
            yield streams

    return connect()


def _counted(stream: Any, visit: _Visit) -> Any:
    import httpx2

    class Counted(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in stream:
                visit.take(len(chunk), "its answers")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Counted()


def _stdio(server: Server, visit: _Visit) -> AbstractAsyncContextManager[Any]:
    from tallystick.adapters.mcp_process import Started

    return Started(server.command, server.env, visit).streams()


def _check(server: Server) -> None:
    if server.url is None:
        if not server.command or not server.command[0]:
            raise BadInput("no command and no address was given", hint="tally tools import mcp -- COMMAND…")
        return
    try:
        parts = urlsplit(server.url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits:
        raise BadInput("this is not an http address", hint="for example http://127.0.0.1:8000/mcp")
    if server.token and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise BadInput("a token is not sent over plain http to another machine", hint="use the https address")


@contextmanager
def _quiet() -> Iterator[None]:
    """The client's own log would print what the server sent, with tracebacks, into the terminal."""
    loggers = [logging.getLogger(name) for name in ("mcp", "client", "httpx2", "httpcore2")]
    before = [(one.propagate, list(one.handlers)) for one in loggers]
    for one in loggers:
        one.propagate, one.handlers = False, [logging.NullHandler()]
    try:
        yield
    finally:
        for one, (propagate, handlers) in zip(loggers, before, strict=True):
            one.propagate, one.handlers = propagate, handlers


def _said(error: BaseException, server: Server, visit: _Visit) -> TallystickError:
    """One designed error for whatever went wrong, the limit that was broken before everything else."""
    if visit.broke is not None:
        return visit.broke
    causes = list(_leaves(error))
    ours = next((one for one in causes if isinstance(one, TallystickError)), None)
    if ours is not None:
        return ours
    if any(isinstance(one, FileNotFoundError | PermissionError) for one in causes) and server.url is None:
        return BadInput(f"{server.command[0]!r} cannot be started", hint="write the command behind --")
    late = "timed out" in str(causes[0]) or any(isinstance(one, TimeoutError) for one in causes)
    if late:
        message = f"the server did not list its tools within {visit.limits.seconds:g} seconds"
    else:
        message = f"the server did not list its tools: {_short(causes[0])}"
    if visit.unread:
        message += f", and sent {visit.unread:,} lines that are no messages"
    told = visit.stderr.decode("utf-8", "replace").strip().splitlines()
    hint = f"its last line on stderr: {told[-1][:200]}" if told else "is it an MCP server, and is it running?"
    return Unreachable(message, hint=hint)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """What a started server sees: the few variables every program needs, and those it was given."""
    names: Sequence[str] = (
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "SHELL",
        "SYSTEMROOT",
        "TERM",
        "TMPDIR",
        "USER",
    )
    return {name: os.environ[name] for name in names if name in os.environ} | dict(extra)
