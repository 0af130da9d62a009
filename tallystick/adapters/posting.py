"""One small POST over HTTP(S), for checkpoints and alarms: short timeout, no redirect, a bounded answer."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tallystick.model.errors import Unreachable

TIMEOUT_S: Final = 5.0
_MOST_ANSWER: Final = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, content type without parameters, and at most 64 KiB of the body."""

    status: int
    content_type: str
    body: bytes


def post(url: str, body: bytes, content_type: str, *, timeout: float = TIMEOUT_S) -> Answer:
    """Send ``body`` and return the answer, whatever its status; a redirect is an answer like any other.

    Raises Unreachable when none comes in time.
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
    try:
        connection.request("POST", path, body, {"content-type": content_type, "user-agent": "tallystick"})
        response = connection.getresponse()
        kind = (response.getheader("content-type") or "").partition(";")[0].strip().lower()
        return Answer(response.status, kind, response.read(_MOST_ANSWER))
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        raise Unreachable(
            f"no answer from {shown(url)} ({why})", hint="is it up, and the address right?"
        ) from error
    finally:
        connection.close()


def shown(url: str) -> str:
    """An address without its query, which may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
