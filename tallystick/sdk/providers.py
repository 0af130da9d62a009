"""Our own TracerProvider, which steps back when the program brings one of its own after us.

OpenTelemetry lets a process set its global provider once. A program that sets its own after Tallystick would be refused
and its exporters would stay empty. So our provider hands out relays: when another provider is set later, that one is
joined by our processor and every relay, old or new, draws its spans from it.

As long as nobody but Tallystick listens, the relays draw light spans (lightspan.py). The first processor that somebody
adds changes that for all spans that begin from then on.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, Tracer, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from tallystick.sdk.lightspan import Origin
from tallystick.sdk.lighttracer import LightTracer


class Relay(trace.Tracer):
    """A tracer whose spans come from whichever provider is in charge now."""

    def __init__(self, made_with: tuple[tuple[Any, ...], dict[str, Any]], tracer: trace.Tracer) -> None:
        self.made_with = made_with
        self.tracer = tracer

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        """See ``opentelemetry.trace.Tracer``."""
        return self.tracer.start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        """See ``opentelemetry.trace.Tracer``."""
        return self.tracer.start_as_current_span(*args, **kwargs)


class OpenProvider(TracerProvider):
    """Our provider. ``listened`` is called when somebody else adds a processor and so can see the spans."""

    def __init__(
        self, *args: Any, listened: Callable[[], None] = lambda: None, light: bool = False, **kwargs: Any
    ) -> None:
        """``light``: no setting asks for what light spans do not do (a sampler, other limits)."""
        super().__init__(*args, **kwargs)
        self.listened = listened
        self.successor: Any = None
        self._light = light
        self._default_sampler = self.sampler
        self._own: SpanProcessor | None = None
        self._others: list[SpanProcessor] = []
        self._relays: weakref.WeakSet[Relay] = weakref.WeakSet()

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """A relay; the arguments are those of OpenTelemetry."""
        relay = Relay((args, kwargs), self._tracer(*args, **kwargs))
        self._relays.add(relay)
        return relay

    def _tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        if self.successor is not None:
            made: trace.Tracer = self.successor.get_tracer(*args, **kwargs)
            return made
        made = super().get_tracer(*args, **kwargs)
        if (
            self._own is None
            or self._others
            or not self._light
            or not isinstance(made, Tracer)  # OpenTelemetry is switched off
            or self.sampler is not self._default_sampler
        ):
            return made
        origin = Origin(self._own, self._others, self.resource, _scope(*args, **kwargs))
        return LightTracer(made, origin, self.id_generator)

    def _renew(self) -> None:
        for relay in list(self._relays):
            args, kwargs = relay.made_with
            relay.tracer = self._tracer(*args, **kwargs)

    def add_own_processor(self, processor: SpanProcessor) -> None:
        """Add Tallystick's processor, which is no stranger."""
        super().add_span_processor(processor)
        self._own = processor
        self._renew()

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor where the spans are made now."""
        if self.successor is not None:
            self.successor.add_span_processor(span_processor)
            return
        super().add_span_processor(span_processor)
        self._others.append(span_processor)
        self.listened()
        self._renew()

    def step_back(self, successor: Any) -> None:
        """From now on all spans are made by ``successor``."""
        self.successor = successor
        self._renew()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush our processors and the successor's."""
        done = super().force_flush(timeout_millis)
        if self.successor is not None and hasattr(self.successor, "force_flush"):
            done = bool(self.successor.force_flush(timeout_millis)) and done
        return done


def _scope(
    instrumenting_module_name: str,
    instrumenting_library_version: str | None = None,
    schema_url: str | None = None,
    attributes: Any = None,
) -> InstrumentationScope:
    """The scope of a tracer; takes what ``TracerProvider.get_tracer`` takes."""
    more = () if attributes is None else (attributes,)  # older releases know none
    return InstrumentationScope(
        instrumenting_module_name or "", instrumenting_library_version or "", schema_url, *more
    )


def welcome_latecomers(join: Callable[[Any], None]) -> None:
    """Let ``opentelemetry.trace.set_tracer_provider`` succeed once more after our provider was set.

    ``join`` adds our processor to the newcomer. Code that took the function by name before Tallystick was installed
    keeps the original one, and is told by OpenTelemetry that a provider is set already.
    """
    original = trace.set_tracer_provider

    def set_tracer_provider(tracer_provider: trace.TracerProvider) -> None:
        current = trace.get_tracer_provider()
        fit = hasattr(tracer_provider, "add_span_processor") and tracer_provider is not current
        if fit and isinstance(current, OpenProvider) and current.successor is None:
            join(tracer_provider)
            current.step_back(tracer_provider)
        else:
            original(tracer_provider)

    trace.set_tracer_provider = set_tracer_provider
