"""POST /v1/traces and /v1/logs: the hot routes, plain ASGI. A 200 is sent only after the commit that holds what came.

What is refused comes back in ``partial_success`` with the reason; a request that cannot be taken at all gets a
``google.rpc.Status`` in the encoding it came in. Answers of 503 carry Retry-After: the sender keeps what it has.
Metrics are taken and not kept: the answer says how many data points were refused, which ends the sender's retries.

Spec: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from tallystick.api.claims import held
from tallystick.api.otlp import (
    Batch,
    count_metrics,
    read_json,
    read_json_logs,
    read_protobuf,
    read_protobuf_logs,
)
from tallystick.api.problems import (
    JSON,
    PROTOBUF,
    Headers,
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
from tallystick.app.recording.record import Rejection
from tallystick.model.errors import BadInput, StoreFault, TallystickError, TooLarge
from tallystick.model.identity import Grant
from tallystick.ports import Counts, Tidings

COMMITTED: Final = (
    b"tallystick-committed"  # only who committed the spans gives this header (sdk/recalling.py)
)
_NAMED: Final = 20  # rejections told with their reason in one answer; the rest are counted
_COME_BACK: Final = (429, 502, 503, 504)  # the sender keeps what it has
NO_METRICS: Final = (
    "metrics are not kept by this server, only traces and logs are: switch the metrics exporter off"
)


@dataclass(frozen=True, slots=True)
class Signal:
    """One kind of telemetry: how its requests are read, and what OTLP JSON calls its rejections."""

    protobuf: Callable[[bytes], Batch]
    json: Callable[[bytes], Batch]
    rejected: str


TRACES: Final = Signal(read_protobuf, read_json, "rejectedSpans")
LOGS: Final = Signal(read_protobuf_logs, read_json_logs, "rejectedLogRecords")
_SIGNALS: Final = {"/v1/traces": TRACES, "/v1/logs": LOGS}
_METRICS: Final = "/v1/metrics"
_PATHS: Final = "send traces to /v1/traces and logs to /v1/logs"


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
            body, encoding = await self._body(headers, receive, as_json)
            grant = getattr(scope.get("state", {}).get("caller"), "grant", None)
            body_of_answer, vouched = await self._take(scope["path"], body, encoding, as_json, grant)
        except Refusal as refusal:
            await self._refuse(send, refusal.error, refusal.status, as_json)
        except StoreFault as error:
            await self._refuse(send, error, 503, as_json)  # the sender must keep what we could not store
        except TallystickError as error:
            await self._refuse(send, error, error.http_status, as_json)
        else:
            self.tally.requests += 1
            await respond(send, 200, body_of_answer, JSON if as_json else PROTOBUF, vouched)

    def _check(self, scope: Scope) -> None:
        path, method = scope["path"], scope["method"]
        if path not in _SIGNALS and path != _METRICS:
            raise Refusal(BadInput(f"there is nothing at {path[:200]}", hint=_PATHS), 404)
        if method != "POST":
            raise Refusal(BadInput(f"{method} is not answered here", hint=f"POST to {path}"), 405)

    async def _body(
        self, headers: Mapping[bytes, bytes], receive: Receive, as_json: bool
    ) -> tuple[bytes, str]:
        """The body as it was sent, and its encoding."""
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if not as_json and kind != PROTOBUF:
            told = kind.decode("latin-1")[:80] or "nothing"
            hint = "send application/x-protobuf or application/json"
            raise Refusal(BadInput(f"Content-Type says {told!r}", hint=hint), 415)
        encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()[:80]
        return await read_body(headers, receive, self._settings.max_body), encoding

    async def _take(
        self, path: str, body: bytes, encoding: str, as_json: bool, grant: Grant | None
    ) -> tuple[bytes, Headers]:
        """Store what a body holds; the serialised answer, and the header that vouches for the commit."""
        limit = self._settings.unpacked_limit
        signal = _SIGNALS.get(path)
        if signal is None:
            count = await asyncio.to_thread(_count, body, encoding, limit, as_json)
            return partial_success("rejectedDataPoints", count, NO_METRICS, as_json=as_json), ()
        read = signal.json if as_json else signal.protobuf
        answer = await self._writer.take(len(body), partial(unpacked, read, body, encoding, limit, grant))
        self.tally.rejected += len(answer.rejected)
        return success(answer, signal, as_json=as_json), [(COMMITTED, b"%d" % answer.accepted)]

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


def unpacked(
    read: Callable[[bytes], Batch], body: bytes, encoding: str, limit: int, grant: Grant | None = None
) -> Batch:
    """A body as spans; runs in the writer's thread. Raises BadInput and TooLarge."""
    batch = read(unpack(body, encoding, limit=limit))
    return batch if grant is None else held(batch, grant)


def _count(body: bytes, encoding: str, limit: int, as_json: bool) -> int:
    return count_metrics(unpack(body, encoding, limit=limit), as_json=as_json)


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


def success(answer: Answer, signal: Signal, *, as_json: bool) -> bytes:
    """A serialised ``Export…ServiceResponse``, with ``partial_success`` when something was rejected."""
    rejected = answer.rejected
    return partial_success(
        signal.rejected, len(rejected), reasons(rejected) if rejected else "", as_json=as_json
    )


def partial_success(name: str, count: int, text: str, *, as_json: bool) -> bytes:
    """A serialised response that refuses ``count`` things, called ``name`` in JSON; empty when there are none."""
    if not count:
        return b"{}" if as_json else b""
    if as_json:
        return msgspec.json.encode({"partialSuccess": {name: str(count), "errorMessage": text}})
    told = b"\x08" + protobuf_varint(count) + protobuf_field(0x12, text.encode("utf-8", "replace"))
    return protobuf_field(0x0A, told)


def reasons(rejected: Sequence[Rejection]) -> str:
    """Rejections as one text for the sender's log."""
    named = [
        f"trace {each.trace or '?'} span {each.span or '?'}: {each.reason}" for each in rejected[:_NAMED]
    ]
    if len(rejected) > _NAMED:
        named.append(f"and {len(rejected) - _NAMED} more")
    return f"{len(rejected)} rejected; " + "; ".join(named)
