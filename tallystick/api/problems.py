"""How an error leaves by HTTP: the one JSON shape, and OTLP's ``google.rpc.Status`` for senders of traces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, TypeAlias

import msgspec

from tallystick.model.errors import NotSignedIn, TallystickError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

JSON: Final = b"application/json"
PROTOBUF: Final = b"application/x-protobuf"

# HTTP status -> google.rpc.Code (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto)
_RPC_CODES: Final = {400: 3, 401: 16, 403: 7, 404: 12, 405: 12, 409: 9, 413: 8, 415: 3, 429: 8, 503: 14}
_INTERNAL: Final = 13
RETRY_AFTER_S: Final = 5


class Refusal(Exception):
    """Carries an error of the one tree, with the HTTP status where the protocol has a finer one (405, 415)."""

    def __init__(self, error: TallystickError, status: int | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status or error.http_status


def headers_of(error: TallystickError, status: int) -> list[tuple[bytes, bytes]]:
    """Headers that belong to an error: when to come back, how to sign in."""
    found: list[tuple[bytes, bytes]] = []
    if status == 503:
        found.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    if isinstance(error, NotSignedIn):
        found.append((b"www-authenticate", b'Bearer realm="tallystick"'))
    return found


def otlp_status(error: TallystickError, status: int, *, as_json: bool) -> bytes:
    """A serialised ``google.rpc.Status`` with the error's message and hint."""
    code = _RPC_CODES.get(status, _INTERNAL)
    text = f"{error.message}. {error.hint}" if error.hint else error.message
    if as_json:
        return msgspec.json.encode({"code": code, "message": text})
    return bytes((0x08, code)) + protobuf_field(0x12, text.encode("utf-8", "replace"))


def protobuf_field(tag: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes((tag,)) + protobuf_varint(len(content)) + content


def protobuf_varint(number: int) -> bytes:
    """A non-negative number as a protobuf varint."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


async def respond(
    send: Send, status: int, body: bytes, content_type: bytes = JSON, headers: Headers = ()
) -> None:
    """Send one complete response."""
    fixed = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})


async def respond_error(send: Send, error: TallystickError, status: int | None = None) -> None:
    """Send an error in the one JSON shape."""
    code = status or error.http_status
    await respond(send, code, msgspec.json.encode(error.as_json()), JSON, headers_of(error, code))
