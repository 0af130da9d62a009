"""One small POST over HTTP(S), for checkpoints and alarms: short timeout, no redirect, a bounded answer."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from tallystick.model.errors import Unreachable

TIMEOUT_S: Final = 5.0
IN_ALL_S: Final = 15.0  # an answer that comes byte by byte keeps every read short, and would never end
_MOST_ANSWER: Final = 65_536
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, content type without parameters, and at most 64 KiB of the body."""

    status: int
    content_type: str
    body: bytes


def post(
    url: str, body: bytes, content_type: str, *, timeout: float = TIMEOUT_S, in_all: float = IN_ALL_S,
    headers: Mapping[str, str] = NO_HEADERS, check_peer: Callable[[str], None] | None = None,
) -> Answer:  # fmt: skip
    """Send ``body`` and return the answer, whatever its status; a redirect is an answer like any other.

    ``timeout`` seconds are for each read, ``in_all`` for the whole answer. ``check_peer`` is given the address that the
    connection leads to, before anything is sent, and raises what it raises. Raises Unreachable when none comes in time.
    """
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=timeout, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    timer: threading.Timer | None = None
    late = threading.Event()
    try:
        connection.connect()
        timer = threading.Timer(in_all, _cut_off, (connection.sock, late))
        timer.daemon = True
        timer.start()
        if check_peer is not None:
            check_peer(connection.sock.getpeername()[0])
        own = {"content-type": content_type, "user-agent": "tallystick"}
        connection.request("POST", path, body, {**headers, **own})
        response = connection.getresponse()
        kind = (response.getheader("content-type") or "").partition(";")[0].strip().lower()
        answer = Answer(response.status, kind, response.read(_MOST_ANSWER))
        if late.is_set():
            raise TimeoutError(f"not done after {in_all:g} seconds")
        return answer
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        raise Unreachable(
            f"no answer from {shown(url)} ({why})", hint="is it up, and the address right?"
        ) from error
    finally:
        if timer is not None:
            timer.cancel()
        connection.close()


def _cut_off(opened: socket.socket, late: threading.Event) -> None:
    """End a conversation that takes too long, from another thread."""
    late.set()
    with suppress(OSError):  # it ended by itself just now
        opened.shutdown(socket.SHUT_RDWR)


def shown(url: str) -> str:
    """An address without its query, which may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
