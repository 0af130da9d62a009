"""OTLP over gRPC: the services that exporters call on port 4317, in front of the same writer as OTLP over HTTP.

Same token, same limits, same promise: OK is sent only after the commit. A server that has too much waiting answers
RESOURCE_EXHAUSTED with RetryInfo, which tells the sender to keep what it has. Needs the extra ``tallystick[grpc]``.

The handlers run in threads of gRPC's own; whatever touches the server runs on its event loop.

Spec: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import grpc

from tallystick.api.auth import Gate
from tallystick.api.claims import held
from tallystick.api.ingest import LOGS, NO_METRICS, TRACES, Signal, partial_success, success
from tallystick.api.otlp import count_metrics
from tallystick.api.otlp.batch import Batch
from tallystick.api.problems import RETRY_AFTER_S, Refusal, protobuf_field, protobuf_varint
from tallystick.api.settings import ServerSettings
from tallystick.api.writer import Writer
from tallystick.model.errors import (
    BadInput,
    ConfigError,
    Denied,
    NotSignedIn,
    StoreFault,
    StoreFull,
    TallystickError,
    Unreachable,
)
from tallystick.model.identity import Grant
from tallystick.model.people import Caller

_PACKAGE: Final = "opentelemetry.proto.collector"
_SERVICES: Final[dict[str, Signal]] = {
    f"/{_PACKAGE}.trace.v1.TraceService/Export": TRACES,
    f"/{_PACKAGE}.logs.v1.LogsService/Export": LOGS,
}
_METRICS: Final = f"/{_PACKAGE}.metrics.v1.MetricsService/Export"
_THREADS: Final = 16  # requests that wait for a commit at one time; they are joined into one
_GRACE_S: Final = 5.0
_DETAILS: Final = "grpc-status-details-bin"
_CODES: Final = {
    BadInput: grpc.StatusCode.INVALID_ARGUMENT,
    NotSignedIn: grpc.StatusCode.UNAUTHENTICATED,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    StoreFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unreachable: grpc.StatusCode.RESOURCE_EXHAUSTED,
    StoreFault: grpc.StatusCode.UNAVAILABLE,
}


class GrpcDoor(grpc.GenericRpcHandler):  # type: ignore[misc]
    """The gRPC listener of one server. ``open`` takes the port, ``start`` and ``stop`` belong on the event loop."""

    def __init__(self, writer: Writer, gate: Gate, settings: ServerSettings) -> None:
        self._writer = writer
        self._gate = gate
        self._settings = settings
        self._server: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, host: str, port: int) -> int:
        """Take a port (0: any free one) and return it. Raises ConfigError when it cannot be had."""
        _check_free(host.strip("[]"), port)
        options = (
            ("grpc.max_receive_message_length", self._settings.max_body),  # also after decompression
            ("grpc.so_reuseport", 0),  # two servers on one port would share requests at random
        )
        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="tallystick-grpc"),
            handlers=(self,),
            options=options,
        )
        shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
        try:
            taken = self._server.add_insecure_port(f"{shown}:{port}")
        except RuntimeError as error:
            raise _unusable(port, "is taken") from error
        return int(taken)

    def start(self) -> None:
        """Answer from now on; call from the event loop that the writer belongs to."""
        self._loop = asyncio.get_running_loop()
        if self._server is not None:
            self._server.start()

    async def stop(self) -> None:
        """Take no more requests and finish those under way."""
        if self._server is not None:
            stopped = self._server.stop(_GRACE_S)
            await asyncio.to_thread(stopped.wait)

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method; None for methods that are not known (gRPC answers UNIMPLEMENTED)."""
        method = handler_call_details.method
        if method == _METRICS:
            return grpc.unary_unary_rpc_method_handler(partial(self._answer, self._metrics))
        signal = _SERVICES.get(method)
        if signal is None:
            return None
        return grpc.unary_unary_rpc_method_handler(partial(self._answer, partial(self._export, signal)))

    def _answer(self, work: Callable[[bytes, str, str], Any], body: bytes, context: Any) -> bytes:
        """Run a request on the event loop and wait; in a thread of gRPC's."""
        assert self._loop is not None
        given = next((value for key, value in context.invocation_metadata() if key == "authorization"), "")
        address = str(context.peer()).rpartition(":")[0]  # without the port: ipv4:127.0.0.1
        waiting = asyncio.run_coroutine_threadsafe(
            work(body, given if isinstance(given, str) else "", address), self._loop
        )
        try:
            answer: bytes = waiting.result()
        except Refusal as refusal:
            self._refuse(context, refusal.error)
        except TallystickError as error:
            self._refuse(context, error)
        except CancelledError:
            self._refuse(
                context, Unreachable("the server is stopping", hint="send it again in a few seconds")
            )
        else:
            return answer
        raise AssertionError("refusing a call ends it")

    async def _export(self, signal: Signal, body: bytes, given: str, address: str) -> bytes:
        """Commit one request; the serialised answer."""
        grant = self._admit(given, address).grant
        tally = self._writer.tally
        answer = await self._writer.take(len(body), partial(_read, signal, body, grant))
        tally.requests += 1
        tally.rejected += len(answer.rejected)
        return success(answer, signal, as_json=False)

    async def _metrics(self, body: bytes, given: str, address: str) -> bytes:
        self._admit(given, address)
        count = await asyncio.to_thread(count_metrics, body, as_json=False)
        self._writer.tally.requests += 1
        return partial_success("", count, NO_METRICS, as_json=False)

    def _admit(self, given: str, address: str) -> Caller:
        try:
            return self._gate.admit_program(given, address)
        except Refusal:
            self._writer.tally.requests += 1
            self._writer.tally.refused_requests += 1
            raise

    def _refuse(self, context: Any, error: TallystickError) -> None:
        """End the call with the error's status; raises whatever gRPC ends a call with."""
        code = next(
            (_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), grpc.StatusCode.INTERNAL
        )
        text = f"{error.message}. {error.hint}" if error.hint else error.message
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            context.set_trailing_metadata(((_DETAILS, retry_info(code.value[0], text)),))
        context.abort(code, text)


def _read(signal: Signal, body: bytes, grant: Grant | None) -> Batch:
    batch = signal.protobuf(body)
    return batch if grant is None else held(batch, grant)


def _check_free(host: str, port: int) -> None:
    """Raises ConfigError for a port that cannot be had: gRPC itself would print a line of its own before it says so."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)  # two sockets may have one address until one of them listens
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise _unusable(
                port, "is taken" if taken else f"cannot be used on {host}: {error.strerror}"
            ) from error


def _unusable(port: int, why: str) -> ConfigError:
    return ConfigError(
        f"port {port} {why}", hint="choose one with grpc_port; 0 switches OTLP over gRPC off", port=port
    )


def retry_info(code: int, text: str) -> bytes:
    """A serialised ``google.rpc.Status`` with ``RetryInfo``: the sender may come back after some seconds."""
    delay = b"\x08" + protobuf_varint(RETRY_AFTER_S)  # Duration.seconds
    info = protobuf_field(0x0A, delay)
    packed = protobuf_field(0x0A, b"type.googleapis.com/google.rpc.RetryInfo") + protobuf_field(0x12, info)
    return (
        bytes((0x08, code))
        + protobuf_field(0x12, text.encode("utf-8", "replace"))
        + protobuf_field(0x1A, packed)
    )
