"""A sink over OTLP/HTTP: finished records to a server, on the standard library's HTTP client."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tallystick.model.errors import BadInput, ConfigError, NotSignedIn, TooLarge, Unreachable
from tallystick.model.span import Span
from tallystick.sdk.otlp import encode
from tallystick.sdk.recalling import COMMITTED, EXPORTS, Recalled

_BUSY = (429, 502, 503, 504)
_WAIT_MAX = 30.0
_TRIES = 4


class ServerSink:
    """Delivers batches to ``<endpoint>/v1/traces``; ``deliver`` returns only after the server committed them.

    ``refused`` counts spans that the server took note of and refused (partial_success), ``reason`` says why; they are
    handed to ``on_refused`` one by one where the server's answer concerns a single span (the shipper sets them aside).
    """

    def __init__(
        self, endpoint: str, *, token: str | None = None, timeout: float = 10.0,
        on_refused: Callable[[Span, str], None] | None = None, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        """``endpoint``: http(s)://host[:port][/prefix]. Raises ConfigError for anything else. ``timeout``: seconds."""
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"{endpoint!r} is not a server address", hint="for example http://127.0.0.1:4777"
            )
        self._parts = parts
        self._path = parts.path.rstrip("/") + "/v1/traces"
        self._token = token
        self._timeout = timeout
        self.on_refused = on_refused
        self._sleep = sleep
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()
        self._recalled = Recalled()
        self.refused = 0
        self.reason: str | None = None

    def deliver(self, spans: Sequence[Span]) -> None:
        """Send a batch; see Sink. A batch that is too large for the server is sent in halves.

        Raises Unreachable (no answer, or busy for too long), NotSignedIn, or BadInput for a single span that the server
        can never take.
        """
        if not spans:
            return
        try:
            self._send(spans)
        except BadInput:
            if self._recalled.forget():  # what was sent again must not be the reason why this is refused
                self.deliver(spans)
                return
            if len(spans) == 1:
                raise
            middle = len(spans) // 2
            self._deliver_part(spans[:middle])
            self._deliver_part(spans[middle:])
            return
        if (
            self._recalled.fresh
        ):  # at once too, as a part of the delivery: until this is answered, the spool keeps all
            with contextlib.suppress(BadInput):
                self._send(())

    def _deliver_part(self, spans: Sequence[Span]) -> None:
        """A part of a batch of which another part was refused: a single bad span must not stop the rest."""
        try:
            self.deliver(spans)
        except BadInput as error:
            self._refuse(spans[0], error.message)

    def _refuse(self, span: Span, reason: str) -> None:
        self.refused += 1
        self.reason = reason
        if self.on_refused is not None:
            self.on_refused(span, reason)

    def _send(self, spans: Sequence[Span]) -> None:
        ends = self._recalled.ends()
        body = gzip.compress(encode([*ends, *spans]), 1)
        waited = 0.0
        for attempt in range(_TRIES):
            status, headers, answer = self._post(body)
            if status == 200:
                self._recalled.sent(spans, committed=COMMITTED in headers)
                self._read_answer(answer, spans)
                return
            pause = _retry_after(headers.get("retry-after"), attempt)
            if status not in _BUSY:
                raise _refusal(status, answer)
            if attempt + 1 == _TRIES or waited + pause > _WAIT_MAX:
                break
            waited += pause
            self._sleep(pause)
        raise Unreachable(
            f"the server is busy (HTTP {status})", hint="the spool keeps the records and tries again"
        )

    def _post(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {
            "content-type": "application/x-protobuf",
            "content-encoding": "gzip",
            "user-agent": "tallystick",
        }
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        with self._lock:
            reused = self._connection is not None
            try:
                return self._exchange(body, headers)
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                if not reused:
                    raise self._unreachable(error) from error
            try:  # an idle connection that the server had closed: once more on a fresh one
                return self._exchange(body, headers)
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                raise self._unreachable(error) from error

    def _exchange(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect()
        connection.request("POST", self._path, body, headers)
        response = connection.getresponse()
        answer = response.read(1_000_000)
        if response.will_close or not response.isclosed():
            self._drop()
        return response.status, {key.lower(): value for key, value in response.getheaders()}, answer

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(host, port, timeout=self._timeout)

    def _unreachable(self, error: Exception) -> Unreachable:
        where = f"{self._parts.scheme}://{self._parts.netloc.rsplit('@', 1)[-1]}"
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        return Unreachable(
            f"no answer from {where} ({why})", hint="is the server up? start it with: tally up"
        )

    def _read_answer(self, answer: bytes, spans: Sequence[Span]) -> None:
        try:
            partial = ExportTraceServiceResponse.FromString(answer).partial_success
        except DecodeError:
            return  # a proxy that answers 200 with a page of its own; OTLP says to treat it as success
        if not partial.rejected_spans:
            return
        if len(spans) == 1:
            self._refuse(spans[0], partial.error_message)
        else:
            self.refused += int(partial.rejected_spans)
            self.reason = partial.error_message

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Send the ends of runs once more where nobody vouched for them, and close the connection."""
        for _ in range(EXPORTS):
            if self._recalled.ends():
                with contextlib.suppress(BadInput, NotSignedIn, Unreachable):  # they were delivered twice
                    self._send(())
        with self._lock:
            self._drop()


def _refusal(status: int, answer: bytes) -> Exception:
    text = answer[:300].decode("utf-8", "replace").strip()
    if status == 413:
        return TooLarge("the server does not take a batch of this size", hint="it is sent in halves")
    if status in (401, 403):
        return NotSignedIn(f"the server wants a token (HTTP {status})", hint="set TALLYSTICK_TOKEN")
    if status in (400, 415, 422):
        return BadInput(f"the server cannot read a record (HTTP {status}): {text}")
    return Unreachable(
        f"the server answered HTTP {status}: {text}", hint="is this the address of a Tallystick server?"
    )


def _retry_after(value: str | None, attempt: int) -> float:
    """Seconds to wait: what the server asks for (a number or a date), else 0.5, 1, 2, …"""
    if value is None:
        return float(0.5 * 2**attempt)
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return float(0.5 * 2**attempt)
