"""Runs that cross processes: what a call carries, and what the called process makes of it.

A run's id travels as W3C baggage (``tallystick.run``) beside the trace context: in HTTP headers, in the ``_meta`` of
MCP messages (SEP-414), in the environment of a child process. A process that sees it records into that run: each span
that comes from outside opens a *leg*, which numbers its own steps from 1 and says at its end how many there were.

What arrives is a claim by a stranger: it says which run the telemetry belongs to and nothing else. The guard decides in
a leg under an id of its own, so that nobody can name a run and use its approvals or spend its budget. A token of an
agent that comes along (identity.py) is no claim: it is checked, and can only take away. Only the
environment of a child process is believed, because who sets it starts the process.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final

from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tallystick.model.identity import VARIABLE
from tallystick.sdk.edge import caught
from tallystick.sdk.identity import HEADER, LONGEST, carry_token, with_token
from tallystick.sdk.place import RunState, here

RUN: Final = "tallystick.run"
TRUSTED: Final = (
    "tallystick.trusted"  # context key: what the context says of the run was set by who started us
)
_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
_NAMES: Final = ("traceparent", "tracestate", "baggage")
_LONGEST: Final = 8_192  # characters of one header
_PROPAGATORS: Final = (TraceContextTextMapPropagator(), W3CBaggagePropagator())


def inject(
    carrier: MutableMapping[str, str] | None = None, *, environment: bool = False
) -> MutableMapping[str, str]:
    """Put the current run and step into ``carrier`` (headers, an MCP ``_meta``) and return it; None makes a new dict.

    ``environment=True`` writes the names of environment variables, for a child process:
    ``subprocess.run(command, env=tallystick.inject(dict(os.environ), environment=True))``. Outside any run, or without
    an installed recording, the trace context alone is written, if there is one. Inside a handoff, and where this
    process was itself called with one, the agent's token goes along: give it to nobody but the agent that is called.
    Never raises.
    """
    target: MutableMapping[str, str] = {} if carrier is None else carrier
    try:
        found: dict[str, str] = {}
        context = carrying(otel_context.get_current())
        for propagator in _PROPAGATORS:
            propagator.inject(found, context)
        try:
            carry_token(context, found)
        finally:
            for name, value in found.items():
                target[name.upper().replace("-", "_") if environment else name] = value
    except Exception as error:  # noqa: BLE001 - the edge: telemetry must not break the call that carries it
        caught("propagation.inject", error)
    return target


@contextlib.contextmanager
def joined(carrier: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> Iterator[None]:
    """Record what happens inside into the run that a caller named: ``with tallystick.joined(request.headers): …``.

    ``carrier`` holds headers as a mapping or as pairs, text or bytes, in any case. What is malformed is ignored, and
    then steps are recorded as if nobody had called.
    """
    token = None
    try:
        token = otel_context.attach(read(carrier))
    except Exception as error:  # noqa: BLE001 - the edge: a stranger's headers must not break the host
        caught("propagation.joined", error)
    try:
        yield
    finally:
        if token is not None:
            otel_context.detach(token)


def read(carrier: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> Context:
    """The context that a carrier describes, on top of the current one."""
    items = getattr(carrier, "items", None)  # headers of http.server are no Mapping, and have it all the same
    pairs: Iterable[tuple[Any, Any]] = carrier if items is None else items()
    found: dict[str, str] = {}
    for key, value in pairs:
        name = _text(key).lower()
        if name in _NAMES or name == HEADER:
            text = _text(value)
            if len(text) <= (_LONGEST if name in _NAMES else 2 * LONGEST):
                found[name] = text
    context = otel_context.get_current()
    for propagator in _PROPAGATORS:
        context = propagator.extract(found, context)
    return with_token(found, claimed(context), context)


def inherited() -> Context | None:
    """The context that the process's environment describes, or None where it names no run.

    A trace context alone (build systems set one) is no reason to join: it would make one run of everything.
    """
    named = {name: name.upper() for name in _NAMES} | {HEADER: VARIABLE}
    context = read({name: os.environ[where] for name, where in named.items() if where in os.environ})
    if claimed(context) is None:
        return None
    return otel_context.set_value(TRUSTED, True, context)


def carrying(context: Context) -> Context:
    """The context with the run of its place as baggage, so that whatever injects it carries the run too."""
    place = here(context)
    run = place.state.run if place is not None else None
    return context if run is None else baggage.set_baggage(RUN, run, context)


def claimed(context: Context | None) -> str | None:
    """The id of the run that a context names, or None; what is no id of a run is ignored."""
    run = baggage.get_baggage(RUN, context)
    return run if isinstance(run, str) and _ID.match(run) else None


def leg(context: Context | None, generation: int) -> RunState | None:
    """The state of a new leg of the run that a context names, or None where it names none."""
    run = claimed(context)
    if run is None:
        return None
    state = RunState(generation)
    state.run = run
    state.own = run if otel_context.get_value(TRUSTED, context) is True else secrets.token_hex(16)
    return state


def comes_from_outside(span: Any) -> bool:
    """Whether a span's parent is in another process."""
    parent: trace.SpanContext | None = span.parent
    return parent is not None and parent.is_remote


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""
