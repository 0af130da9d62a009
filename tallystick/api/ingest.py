"""POST /v1/traces: the hot route, plain ASGI. A 200 is sent only after the commit that holds the request's spans.

What is refused comes back in ``partial_success`` with the reason; a request that cannot be taken at all gets a
``google.rpc.Status`` in the encoding it came in. Answers of 503 carry Retry-After: the sender keeps what it has.

Spec: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from tallystick.api.otlp import Batch, read_json, read_protobuf
from tallystick.api.problems import (
    JSON,
    PROTOBUF,
    Receive,
    Refusal,
    Scope,
    Send,
    headers_of,
    otlp_status,
    protobuf_field,
    protobuf_varint,
    respond,
)
from tallystick.api.settings import ServerSettings
from tallystick.api.unpack import unpack
from tallystick.api.writer import Answer, Tally, Writer
from tallystick.app.record import Rejection
from tallystick.model.errors import BadInput, StoreFault, TallystickError, TooLarge
from tallystick.ports import Counts, Tidings

COMMITTED: Final = (
    b"tallystick-committed"  # only who committed the spans gives this header (sdk/recalling.py)
)
_NAMED: Final = 20  # rejections told with their reason in one answer; the rest are counted
_COME_BACK: Final = (429, 502, 503, 504)  # the sender keeps what it has
_NOT_TAKEN: Final = {"/v1/logs": "logs", "/v1/metrics": "metrics", "/v1development/profiles": "profiles"}


class Ingest:
    """The OTLP door, as an ASGI application for ``/v1/…``."""

    def __init__(self, writer: Writer, settings: ServerSettings, counts: Counts | None = None) -> None:
        self._counts = counts
        self._writer = writer
        self._settings = settings

    @property
    def tally(self) -> Tally:
        """The counts since the start."""
        return self._writer.tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        as_json = headers.get(b"content-type", b"").split(b";")[0].strip().lower() == JSON
        try:
            self._check(scope)
            answer = await self._take(headers, receive, as_json)
        except Refusal as refusal:
            await self._refuse(send, refusal.error, refusal.status, as_json)
        except StoreFault as error:
            await self._refuse(send, error, 503, as_json)  # the sender must keep what we could not store
        except TallystickError as error:
            await self._refuse(send, error, error.http_status, as_json)
        else:
            self.tally.requests += 1
            self.tally.rejected += len(answer.rejected)
            told = JSON if as_json else PROTOBUF
            vouched = [(COMMITTED, b"%d" % answer.accepted)]
            await respond(send, 200, success(answer, as_json=as_json), told, vouched)

    def _check(self, scope: Scope) -> None:
        path, method = scope["path"], scope["method"]
        if path in _NOT_TAKEN:
            what = _NOT_TAKEN[path]
            error = BadInput(
                f"{what} are not taken by this server, only traces are",
                hint=f"switch the {what} exporter off",
            )
            raise Refusal(error, 404)
        if path != "/v1/traces":
            raise Refusal(BadInput(f"there is nothing at {path}", hint="send traces to /v1/traces"), 404)
        if method != "POST":
            raise Refusal(BadInput(f"{method} is not answered here", hint="POST traces to /v1/traces"), 405)

    async def _take(self, headers: Mapping[bytes, bytes], receive: Receive, as_json: bool) -> Answer:
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if not as_json and kind != PROTOBUF:
            told = kind.decode("latin-1")[:80] or "nothing"
            hint = "send application/x-protobuf or application/json"
            raise Refusal(BadInput(f"Content-Type says {told!r}", hint=hint), 415)
        encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()[:80]
        body = await read_body(headers, receive, self._settings.max_body)
        limit = self._settings.unpacked_limit
        return await self._writer.take(len(body), partial(_read, body, encoding, limit, as_json))

    async def _refuse(self, send: Send, error: TallystickError, status: int, as_json: bool) -> None:
        self.tally.requests += 1
        self.tally.refused_requests += 1
        if self._counts is not None and status not in _COME_BACK:
            self._counts.add(Tidings(dropped={("door", f"a request was refused: {error.message}"): 1}))
        extra = headers_of(error, status)
        if status == 405:
            extra.append((b"allow", b"POST"))
        await respond(
            send, status, otlp_status(error, status, as_json=as_json), JSON if as_json else PROTOBUF, extra
        )


def _read(body: bytes, encoding: str, limit: int, as_json: bool) -> Batch:
    """A body as spans; runs in the writer's thread. Raises BadInput and TooLarge."""
    plain = unpack(body, encoding, limit=limit)
    return read_json(plain) if as_json else read_protobuf(plain)


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body, at most ``limit`` bytes. Raises TooLarge, and BadInput when the sender hung up before its end."""
    told = headers.get(b"content-length", b"")
    if told.isdigit() and int(told) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadInput("the body ended before its time")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes", hint="send smaller batches", limit=limit)


def success(answer: Answer, *, as_json: bool) -> bytes:
    """A serialised ``ExportTraceServiceResponse``, with ``partial_success`` when spans were rejected."""
    if not answer.rejected:
        return b"{}" if as_json else b""
    text = reasons(answer.rejected)
    count = len(answer.rejected)
    if as_json:
        return msgspec.json.encode({"partialSuccess": {"rejectedSpans": str(count), "errorMessage": text}})
    partial_success = b"\x08" + protobuf_varint(count) + protobuf_field(0x12, text.encode("utf-8", "replace"))
    return protobuf_field(0x0A, partial_success)


def reasons(rejected: Sequence[Rejection]) -> str:
    """Rejections as one text for the sender's log."""
    named = [
        f"trace {each.trace or '?'} span {each.span or '?'}: {each.reason}" for each in rejected[:_NAMED]
    ]
    if len(rejected) > _NAMED:
        named.append(f"and {len(rejected) - _NAMED} more")
    return f"{len(rejected)} rejected; " + "; ".join(named)
