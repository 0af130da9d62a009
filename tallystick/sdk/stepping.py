"""Opens and closes steps: an OpenTelemetry span with a place, and the context in which its body runs."""

from __future__ import annotations

import traceback
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode

from tallystick.model import attributes as names
from tallystick.model.errors import Held, OverBudget, Stopped
from tallystick.sdk.active import Recording
from tallystick.sdk.edge import edge
from tallystick.sdk.place import PLACE_KEY, Place, RunState, here
from tallystick.sdk.propagation import carrying
from tallystick.sdk.values import cut_text

_MESSAGE_MAX = 4_000
_STACK_MAX = 16_000


class OpenStep:
    """An open step. ``context`` is where its body belongs; ``run`` and ``seq`` are those stamped on the span."""

    __slots__ = ("closed", "context", "place", "seq", "span")

    def __init__(self, span: trace.Span, context: Context, place: Place | None, seq: int) -> None:
        self.span = span
        self.context = context
        self.place = place
        self.seq = seq
        self.closed = False

    @property
    def run(self) -> str:
        """The id that the guard knows the run by: the run's own; in a leg, where a stranger named the run, the leg's;
        for a step outside any run its trace id."""
        if self.place is not None and self.place.state.run is not None:
            return self.place.state.own or self.place.state.run
        return f"{self.span.get_span_context().trace_id:032x}"

    @property
    def step(self) -> str:
        """The step's id (16 hex digits)."""
        return f"{self.span.get_span_context().span_id:016x}"

    def note(self, attributes: dict[str, Any]) -> None:
        """Set attributes; None values are left out."""
        self.span.set_attributes({key: value for key, value in attributes.items() if value is not None})

    @edge("step.close", None)
    def close(self, error: BaseException | None = None) -> None:
        """End the span once; an error marks it with type, message and a bounded stack."""
        if self.closed:
            return
        self.closed = True
        if error is not None:
            describe_error(self.span, error)
        self.span.end()


def open_step(
    active: Recording, name: str, attributes: dict[str, Any], *, kind: SpanKind = SpanKind.INTERNAL,
    place: Place | None = None,
) -> OpenStep:  # fmt: skip
    """Begin a step in the current context, or at ``place`` (another agent of the same run)."""
    where = otel_context.get_current()
    if place is not None:
        where = otel_context.set_value(PLACE_KEY, place, where)
    span = active.tracer.start_span(name, where, kind, {k: v for k, v in attributes.items() if v is not None})
    opened, seq = active.processor.opened(span.get_span_context().span_id)
    if opened is not None:
        place = opened
        where = otel_context.set_value(PLACE_KEY, place, where)
    elif place is None:
        place = here(where)
    return OpenStep(span, trace.set_span_in_context(span, where), place, seq or 0)


def open_run(
    active: Recording, name: str, attributes: dict[str, Any], state: RunState, place: Place
) -> OpenStep:  # fmt: skip
    """Begin a run: the root of a trace of its own, linked to the span around it, if there is one."""
    around = trace.get_current_span().get_span_context()
    where = otel_context.set_value(PLACE_KEY, place, Context())
    links = [Link(around)] if around.is_valid else []
    span = active.tracer.start_span(name, where, attributes=attributes, links=links)
    if state.run is None:  # a sampler left the span out: the run needs a name all the same, for the guard
        context = span.get_span_context()
        state.run = f"{context.trace_id:032x}" if context.is_valid else active.ids.new("run")
        place.restamp()
    _, seq = active.processor.opened(span.get_span_context().span_id)
    # Everything else in the caller's context (baggage, framework values) stays; only span and place are new.
    inside = carrying(otel_context.set_value(PLACE_KEY, place, otel_context.get_current()))
    return OpenStep(span, trace.set_span_in_context(span, inside), place, seq or 0)


def describe_error(span: trace.Span, error: BaseException) -> None:
    """Mark a span as failed by ``error``: status, error.type and one exception event, all bounded.

    A stop by the guard is no failure of the steps that it ends: they only say that they were stopped.
    """
    if isinstance(error, Stopped | OverBudget | Held):
        span.set_attribute(names.STOPPED, cut_text(error.message, _MESSAGE_MAX))
        return
    kind = type(error).__qualname__
    if type(error).__module__ not in ("builtins", "__main__"):
        kind = f"{type(error).__module__}.{kind}"
    message = cut_text(_message(error), _MESSAGE_MAX)
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR, message or kind)
    stack = "".join(traceback.format_exception(error))
    span.add_event(
        "exception",
        {
            "exception.type": kind,
            "exception.message": message,
            "exception.stacktrace": stack[-_STACK_MAX:] if len(stack) > _STACK_MAX else stack,
        },
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - a foreign __str__ may do anything
        return f"(its message cannot be read: {type(broken).__name__})"
