"""Makes light spans (lightspan.py), wherever they are as good as the SDK's own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tallystick.sdk.lightspan import LightSpan, Origin

_SAMPLED = TraceFlags.SAMPLED
_RANDOM = 2  # W3C trace context level 2: the trace id is random


class LightTracer(trace.Tracer):
    """A tracer for a provider that samples everything, has OpenTelemetry's own limits, and tells one listener.

    ``sdk`` is the SDK's tracer of the same scope: it makes the spans that need its care, those with links and those
    below a span that was not sampled.
    """

    def __init__(self, sdk: trace.Tracer, origin: Origin, ids: IdGenerator) -> None:
        self._sdk = sdk
        self._origin = origin
        self._ids = ids
        random = getattr(ids, "is_trace_id_random", None)  # the newer SDKs say so in the flags
        self._root_flags = TraceFlags(_SAMPLED | (_RANDOM if random is not None and random() else 0))

    def start_span(
        self, name: str, context: Context | None = None, kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None, links: Sequence[Link] | None = None, start_time: int | None = None,
        record_exception: bool = True, set_status_on_exception: bool = True,
    ) -> trace.Span:  # fmt: skip
        """See ``opentelemetry.trace.Tracer``."""
        parent: SpanContext | None = trace.get_current_span(context).get_span_context()
        if links or not (record_exception and set_status_on_exception):
            return self._sdk.start_span(
                name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
            )
        if parent is not None and parent.is_valid:
            flags = parent.trace_flags
            if flags != _SAMPLED and flags != _SAMPLED | _RANDOM:
                return self._sdk.start_span(name, context, kind, attributes, None, start_time)
            ids = SpanContext(parent.trace_id, self._ids.generate_span_id(), False, flags, parent.trace_state)
        else:
            parent = None
            ids = SpanContext(
                self._ids.generate_trace_id(), self._ids.generate_span_id(), False, self._root_flags
            )
        span = LightSpan(name, ids, parent, self._origin, kind, attributes)
        span.start(start_time, context)
        return span

    def start_as_current_span(self, *args: Any, end_on_exit: bool = True, **kwargs: Any) -> Any:
        """See ``opentelemetry.trace.Tracer``; a context manager, and a decorator for functions and coroutines."""
        if len(args) > 8:
            args, end_on_exit = args[:8], args[8]
        return Current(self, args, kwargs, end_on_exit)


class Current:
    """One span that is the current one for as long as the block runs."""

    __slots__ = ("_args", "_end", "_kwargs", "_span", "_token", "_tracer")

    def __init__(self, tracer: LightTracer, args: tuple[Any, ...], kwargs: dict[str, Any], end: bool) -> None:
        self._tracer = tracer
        self._args = args
        self._kwargs = kwargs
        self._end = end

    def __enter__(self) -> trace.Span:
        span = self._span = self._tracer.start_span(*self._args, **self._kwargs)
        self._token = otel_context.attach(trace.set_span_in_context(span))
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        otel_context.detach(self._token)
        span = self._span
        try:
            if isinstance(error, Exception) and span.is_recording():
                self._tell(span, error)
        finally:
            if self._end:
                span.end()

    def _tell(self, span: trace.Span, error: Exception) -> None:
        says = {
            name: self._args[at] if len(self._args) > at else self._kwargs.get(name, True)
            for at, name in ((6, "record_exception"), (7, "set_status_on_exception"))
        }
        if says["record_exception"]:
            span.record_exception(error)
        if says["set_status_on_exception"]:
            span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As a decorator: each call of the function has a span of its own."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return awaited

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return called

    def _again(self) -> Current:
        return Current(self._tracer, self._args, self._kwargs, self._end)
