"""Puts recording in place: provider, processor, spool, shipping, instrumentors; and takes it away again.

Works whatever came first: an existing TracerProvider is joined by one more span processor; where there is none, ours is
set, and a provider that the program sets later still receives our processor. ``install`` may be called again; the
newest call wins.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.environment_variables import (
    OTEL_ATTRIBUTE_COUNT_LIMIT,
    OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT,
    OTEL_TRACES_SAMPLER,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits

from tallystick.ports import Clock, Ids
from tallystick.sdk import active as current
from tallystick.sdk.active import Recording
from tallystick.sdk.edge import caught, edge
from tallystick.sdk.instrumentors import switch_on
from tallystick.sdk.lightspan import ATTRIBUTES_MAX
from tallystick.sdk.processor import RunProcessor
from tallystick.sdk.propagation import inherited
from tallystick.sdk.providers import OpenProvider, welcome_latecomers
from tallystick.sdk.redacting import BeforeSpool, Redacts
from tallystick.sdk.runtime import Guard, Sink
from tallystick.sdk.shipping import Shipper
from tallystick.sdk.spool import LIMIT_BYTES, SEGMENT_BYTES, Spool

SCOPE = "tallystick"
OTEL_PYTHON_SDK_INTERNAL_METRICS = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"  # older SDKs do not name it
EXIT_SECONDS = 5.0
_PULSE_SECONDS = 1.0

_lock = threading.RLock()
_processors: dict[int, tuple[Any, RunProcessor]] = {}  # by id of the provider, which is kept alive beside it
_hooked = False


class Pulse:
    """A daemon thread that looks at the open steps once a second."""

    def __init__(self, processor: RunProcessor) -> None:
        self._processor = processor
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="tallystick-pulse", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        while not self._stop.wait(_PULSE_SECONDS):
            try:
                self._processor.pulse()
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the thread
                caught("pulse", error, answered=True)

    def stop(self) -> None:
        """Let the thread end."""
        self._stop.set()

    def after_fork(self) -> None:
        """The thread stayed in the parent."""
        self._stop = threading.Event()
        self._thread = None


class Waker:
    """What the processor calls after each record: the first call starts the threads."""

    def __init__(self, pulse: Pulse, shipper: Shipper | None) -> None:
        self.pulse = pulse
        self._shipper = shipper
        self._started = False

    def __call__(self) -> None:
        """Start what is not running and tell the shipper."""
        if not self._started:
            self._started = True
            self._start()
        if self._shipper is not None:
            self._shipper.wake()

    @edge("threads.start", None)
    def _start(self) -> None:
        self.pulse.start()

    def after_fork(self) -> None:
        """Start the threads anew when there is something to record."""
        self._started = False


_wakers: dict[int, Waker] = {}


def install(
    *, spool_dir: Path, clock: Clock, ids: Ids, sink: Sink | Callable[[], Sink] | None = None,
    guard: Guard | None = None, agent: str | None = None, workflow: str | None = None, version: str = "",
    contents: bool = True, closed_reads: bool = False, instrument: bool = True, spool_limit: int = LIMIT_BYTES,
    segment: int = SEGMENT_BYTES, rules: Redacts | None = None,
) -> Recording:  # fmt: skip
    """Switch recording on and return what was put in place.

    ``sink``: a factory is opened in the shipping thread, and again in a forked child; a ready sink is used in this
    process only (a forked child then spools, and its records are adopted later). None: records stay in the spool.
    ``agent`` and ``workflow`` name runs that name themselves not. ``contents=False`` leaves arguments, results and
    messages out. ``closed_reads``: a failing guard refuses reads too. ``spool_limit`` and ``segment`` are bytes.
    ``rules`` say what may not be spooled; without them credentials with a shape are masked.
    """
    with _lock:
        uninstall(flush=EXIT_SECONDS)
        provider = _provider(agent)
        spool = Spool(spool_dir, limit=spool_limit, segment=segment)
        processor = _join(provider)
        shipper = None if sink is None else Shipper(spool, _opener(sink))
        pulse = Pulse(processor)
        waker = Waker(pulse, shipper)
        processor.agent, processor.workflow, processor.clock = agent, workflow, clock.now
        processor.rules = None if rules is None else BeforeSpool(rules)
        processor.wake, processor.spool = waker, spool
        processor.inherited = inherited()
        if processor.inherited is not None:
            otel_context.attach(
                processor.inherited
            )  # for as long as this process lives: it was started for a run
        made = Recording(
            provider.get_tracer(SCOPE, version), provider, processor, spool, clock, ids, shipper, guard, agent,
            workflow, contents, closed_reads,
        )  # fmt: skip
        _wakers[id(made)] = waker
        current.switch(made)
        _hook()
        if instrument:
            made.instrumentors = switch_on(provider)
        return made


def uninstall(*, flush: float = EXIT_SECONDS) -> bool:
    """Switch recording off; waits up to ``flush`` seconds. Returns whether nothing is left undelivered.

    The processor stays on its provider (OpenTelemetry cannot remove one) and does nothing from then on.
    """
    with _lock:
        made = current.switch(None)
        if made is None:
            return True
        made.processor.spool = None
        made.processor.wake = _nothing
        waker = _wakers.pop(id(made), None)
        if waker is not None:
            waker.pulse.stop()
        done = made.shipper.close(flush) if made.shipper is not None else False
        made.spool.close()
        return done


def flush(timeout: float = EXIT_SECONDS) -> bool:
    """Deliver what is waiting within ``timeout`` seconds; False when something is left (it stays in the spool)."""
    made = current.recording()
    if made is None or made.shipper is None:
        return made is None
    return made.shipper.flush(timeout)


def _nothing() -> None:
    """Nobody waits for records."""


def _provider(agent: str | None) -> Any:
    found: Any = trace.get_tracer_provider()
    if hasattr(found, "add_span_processor"):
        return found
    limits = None
    if not any(name in os.environ for name in (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_ATTRIBUTE_COUNT_LIMIT)):
        limits = SpanLimits(max_span_attributes=ATTRIBUTES_MAX)
    named = {"service.name": agent} if agent and "OTEL_SERVICE_NAME" not in os.environ else {}
    # Our own exit hook flushes; the provider's would shut the processors down before it.
    made = OpenProvider(
        resource=Resource.create(named), span_limits=limits, shutdown_on_exit=False, light=_nothing_asked()
    )
    trace.set_tracer_provider(made)
    welcome_latecomers(_join_latecomer)
    return made


def _nothing_asked() -> bool:
    """Whether the environment leaves sampling, limits and self-measurement of spans as OpenTelemetry has them."""
    return not any(
        name in (OTEL_TRACES_SAMPLER, OTEL_PYTHON_SDK_INTERNAL_METRICS)
        or (name.startswith("OTEL_") and name.endswith("_LIMIT"))
        for name in os.environ
    )


def _join(provider: Any) -> RunProcessor:
    known = _processors.get(id(provider))
    if known is not None:
        return known[1]
    processor = RunProcessor(None)
    _processors[id(provider)] = (provider, processor)
    if isinstance(provider, OpenProvider):
        provider.add_own_processor(processor)
        provider.listened = lambda: setattr(processor, "visible", True)
    else:
        processor.visible = True
        provider.add_span_processor(processor)
    return processor


def _join_latecomer(provider: Any) -> None:
    """A provider that was set after ours: the very processor that is at work joins it, with its open runs."""
    made = current.recording()
    processor = made.processor if made is not None else RunProcessor(None)
    processor.visible = True
    provider.add_span_processor(processor)
    _processors[id(provider)] = (provider, processor)


def _opener(sink: Sink | Callable[[], Sink]) -> Callable[[], Sink]:
    if isinstance(sink, type) or not hasattr(sink, "deliver"):
        return sink
    owner = os.getpid()

    def ready() -> Sink:
        if os.getpid() != owner:
            from tallystick.model.errors import Unreachable

            raise Unreachable(
                "the sink belongs to the parent process", hint="give install a factory for sinks"
            )
        return cast("Sink", sink)

    return ready


def _hook() -> None:
    global _hooked
    if _hooked:
        return
    _hooked = True
    atexit.register(_at_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


@edge("exit", None)
def _at_exit() -> None:
    made = current.recording()
    if made is not None:
        uninstall(flush=EXIT_SECONDS)


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
    made = current.recording()
    if made is None:
        return
    try:
        made.processor.after_fork()
        made.spool.after_fork()
        if made.shipper is not None:
            made.shipper.after_fork()
        waker = _wakers.get(id(made))
        if waker is not None:
            waker.pulse.after_fork()
            waker.after_fork()
    except Exception as error:  # noqa: BLE001 - a child that cannot record must still run
        caught("fork", error)
