"""A span that costs a third of OpenTelemetry's own, for a provider whose only listener is Tallystick.

To whoever asks it is a ``opentelemetry.sdk.trace.Span`` and behaves as one. It is cheap because plain values are taken
as they are, nothing is copied at the end, and one listener is told. Every public name of the SDK's span is answered
here from fields of its own; nothing relies on how the SDK's span keeps its state.
"""

from __future__ import annotations

import logging
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from time import time_ns
from types import MappingProxyType, TracebackType
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

ATTRIBUTES_MAX: Final = (
    4_096  # OpenTelemetry's default of 128 loses the oldest ones of any chat with a history
)
_OTHERS_MAX: Final = 128  # events, links, and attributes of either: OpenTelemetry's defaults
_PLAIN = frozenset({str, int, float, bool})
_ONCE = (True,)
UNSET: Final = Status(StatusCode.UNSET)
_log = logging.getLogger("opentelemetry.sdk.trace")  # complaints come from where a program expects them


class Origin:
    """What the spans of one tracer share. ``others`` are processors that came later; they hear of ends only."""

    __slots__ = ("listener", "others", "resource", "scope")

    def __init__(
        self,
        listener: SpanProcessor,
        others: Sequence[SpanProcessor],
        resource: Any,
        scope: InstrumentationScope,
    ) -> None:
        self.listener = listener
        self.others = others
        self.resource = resource
        self.scope = scope


class LightSpan(SdkSpan):
    """See ``opentelemetry.sdk.trace.Span``. ``facts`` are the attributes; nobody changes them once it has ended."""

    def __init__(
        self, name: str, context: SpanContext, parent: SpanContext | None, origin: Origin, kind: SpanKind,
        attributes: Mapping[str, Any] | None,
    ) -> None:  # fmt: skip
        """Not begun yet. The SDK's own ``__init__`` is what this class saves, so it is not called."""
        self.title = name
        self.ids = context
        self.above = parent
        self.origin = origin
        self.sort = kind
        self.facts: dict[str, Any] = {}
        self.cut = 0  # attributes dropped
        self.happened: _Newest | None = None
        self.pointers: _Newest | None = None
        self.state = UNSET
        self.begun: int | None = None
        self.done: int | None = None
        self.ends = iter(_ONCE)  # one step of an iterator is atomic and costs less than a lock
        if attributes:
            self._take(attributes)

    def _take(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes, cleaned as OpenTelemetry cleans them. The loop holds _put's lines: it runs for every span."""
        facts = self.facts
        for key, value in attributes.items():
            if (
                type(key) is not str or not key
            ):  # keys that are cleaned may collide: leave them all to OpenTelemetry
                cleaned = BoundedAttributes(None, attributes)
                self.cut += cleaned.dropped
                for name in cleaned:
                    self._put(name, cleaned[name])
                return
            if type(value) not in _PLAIN:
                cleaned = BoundedAttributes(None, {key: value})
                if key not in cleaned:  # older releases drop what they cannot clean, newer ones put None
                    self.cut += cleaned.dropped
                    continue
                value = cleaned[key]
            if key in facts:
                facts.pop(key, None)  # not del: another thread may be setting it too
            elif len(facts) >= ATTRIBUTES_MAX:
                facts.pop(next(iter(facts)), None)
                self.cut += 1
            facts[key] = value

    def _put(self, key: str, value: Any) -> None:
        """Set one clean attribute; a key that is set again moves to the end."""
        facts = self.facts
        if key in facts:
            facts.pop(key, None)  # not del: another thread may be setting it too
        elif len(facts) >= ATTRIBUTES_MAX:
            facts.pop(next(iter(facts)), None)
            self.cut += 1
        facts[key] = value

    # -- beginning and ending -----------------------------------------------------------------------------------

    def start(self, start_time: int | None = None, parent_context: Context | None = None) -> None:
        """Begin, at ``start_time`` (nanoseconds since the epoch) or now."""
        if self.begun is not None:
            _log.warning("Calling start() on a started span.")
            return
        self.begun = time_ns() if start_time is None else start_time
        self.origin.listener.on_start(self, parent_context)

    def end(self, end_time: int | None = None) -> None:
        """End once, at ``end_time`` (nanoseconds since the epoch) or now."""
        if self.begun is None:
            _log.warning("Calling end() on a not started span.")
            return
        if next(self.ends, None) is None:
            _log.warning("Calling end() on an ended span.")
            return
        self.done = time_ns() if end_time is None else end_time
        origin = self.origin
        origin.listener.on_end(self)
        if origin.others:
            readable = self.readable()
            for other in origin.others:
                other.on_end(readable)

    def is_recording(self) -> bool:
        """Whether it is still open."""
        return self.done is None

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is not None and self.done is None:
            self.record_exception(exc_val, escaped=True)
            self.set_status(Status(StatusCode.ERROR, f"{type(exc_val).__name__}: {exc_val}"))
        self.end()

    # -- writing ------------------------------------------------------------------------------------------------

    def _ended(self, complaint: str) -> bool:
        if self.done is None:
            return False
        _log.warning(complaint)
        return True

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        if not self._ended("Setting attribute on ended span."):
            self._take(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute."""
        if self._ended("Setting attribute on ended span."):
            return
        if type(value) in _PLAIN and type(key) is str and key:
            self._put(key, value)
            return
        cleaned = BoundedAttributes(None, immutable=False)
        cleaned[key] = value
        self.cut += cleaned.dropped
        for name in cleaned:
            self._put(name, cleaned[name])

    def update_name(self, name: str) -> None:
        """Give another name."""
        if not self._ended("Tried calling update_name on an ended span."):
            self.title = name

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Add an event, at ``timestamp`` (nanoseconds since the epoch) or now."""
        if self._ended("Tried calling _add_event on an ended span."):
            return
        if self.happened is None:
            self.happened = _Newest()
        self.happened.add(Event(name, BoundedAttributes(_OTHERS_MAX, attributes), timestamp))

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        """Add a link; one that points nowhere and says nothing is left out."""
        if context is None or not (context.is_valid or attributes or context.trace_state):
            return
        if self._ended("Tried calling _add_link on an ended span."):
            return
        if self.pointers is None:
            self.pointers = _Newest()
        self.pointers.add(Link(context, BoundedAttributes(_OTHERS_MAX, attributes)))

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; ok is final, and unset is no status to set."""
        if self._ended("Tried calling set_status on an ended span."):
            return
        code = status.status_code if isinstance(status, Status) else status
        if self.state.status_code is StatusCode.OK or code is StatusCode.UNSET:
            return
        if isinstance(status, Status):
            if description is not None:
                _log.warning(
                    "Description %s ignored. Use either `Status` or `(StatusCode, Description)`", description
                )
            self.state = status
        else:
            self.state = Status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an event that tells of an exception, with its stack."""
        kind = type(exception)
        named = (
            kind.__qualname__
            if kind.__module__ in ("", "builtins")
            else f"{kind.__module__}.{kind.__qualname__}"
        )
        facts = {
            "exception.type": named,
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
            **(attributes or {}),
        }
        self.add_event("exception", facts, timestamp)

    # -- reading ------------------------------------------------------------------------------------------------

    def get_span_context(self) -> SpanContext:
        """Ids and flags."""
        return self.ids

    @property
    def context(self) -> SpanContext:
        """Ids and flags."""
        return self.ids

    @property
    def name(self) -> str:
        """The span's name."""
        return self.title

    @property
    def kind(self) -> SpanKind:
        """The span's kind."""
        return self.sort

    @property
    def parent(self) -> SpanContext | None:
        """The ids of the span around it."""
        return self.above

    @property
    def start_time(self) -> int | None:
        """Nanoseconds since the epoch; None before it began."""
        return self.begun

    @property
    def end_time(self) -> int | None:
        """Nanoseconds since the epoch; None while it is open."""
        return self.done

    @property
    def status(self) -> Status:
        """The status so far."""
        return self.state

    @property
    def attributes(self) -> Any:
        """A read-only view of the attributes."""
        return MappingProxyType(self.facts)

    @property
    def events(self) -> Sequence[Event]:
        """The events so far, oldest first."""
        return () if self.happened is None else tuple(self.happened.kept)

    @property
    def links(self) -> Sequence[Link]:
        """The links so far, oldest first."""
        return () if self.pointers is None else tuple(self.pointers.kept)

    @property
    def resource(self) -> Any:
        """The provider's resource."""
        return self.origin.resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        """Who made the span."""
        return self.origin.scope

    @property
    def instrumentation_info(self) -> None:
        """OpenTelemetry's former name for the scope; not given."""
        return None

    @property
    def dropped_attributes(self) -> int:
        """How many attributes were dropped."""
        return self.cut

    @property
    def dropped_events(self) -> int:
        """How many events had to make room for newer ones."""
        return 0 if self.happened is None else self.happened.dropped

    @property
    def dropped_links(self) -> int:
        """How many links had to make room for newer ones."""
        return 0 if self.pointers is None else self.pointers.dropped

    def readable(self) -> ReadableSpan:
        """A copy as the SDK's exporters get it."""
        return ReadableSpan(
            name=self.title, context=self.ids, parent=self.above, resource=self.resource, attributes=dict(self.facts),
            events=self.events, links=self.links, kind=self.sort, status=self.state, start_time=self.begun,
            end_time=self.done, instrumentation_scope=self.origin.scope,
        )  # fmt: skip

    def to_json(self, indent: int | None = 4) -> str:
        """The span as JSON, in the SDK's form."""
        return str(self.readable().to_json(indent))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(name="{self.title}", context={self.ids})'


class _Newest:
    """The newest 128 of what was added, and how many had to make room."""

    __slots__ = ("dropped", "kept")

    def __init__(self) -> None:
        self.kept: deque[Any] = deque(maxlen=_OTHERS_MAX)
        self.dropped = 0

    def add(self, item: Any) -> None:
        """Add one."""
        if len(self.kept) == _OTHERS_MAX:
            self.dropped += 1
        self.kept.append(item)
