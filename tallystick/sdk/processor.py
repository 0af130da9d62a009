"""The span processor: stamps every span that starts, and puts every span that ends into the spool.

When another processor can see the spans too, the stamps are also set on the span itself; otherwise they are only
written to the record, which is cheaper and cannot be pushed out by attribute limits.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

from opentelemetry.context import Context, get_value
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from tallystick.model import attributes as names
from tallystick.model.masking import mask, mask_text
from tallystick.sdk.edge import caught
from tallystick.sdk.frames import SPAN
from tallystick.sdk.lightspan import UNSET, LightSpan
from tallystick.sdk.masking import SHORTEST, suspicious
from tallystick.sdk.place import PLACE_KEY, Place, RunState, here
from tallystick.sdk.process import process_name
from tallystick.sdk.propagation import comes_from_outside, leg
from tallystick.sdk.redacting import BeforeSpool
from tallystick.sdk.spanparts import attributes_of, events_of, link_of, scope_of
from tallystick.sdk.spool import Spool

_OPEN_MAX = 20_000  # spans that never end must not fill the memory
_TRACES_MAX = 4_096
_SOURCES_MAX = 4_096
_LONG_STEP_NS = 1_000_000_000
_ALIVE_NS = 15_000_000_000
_EMPTY: tuple[Any, ...] = ()
_INTERNAL = SpanKind.INTERNAL
_KINDS = {kind: kind.value + 1 for kind in SpanKind}  # OTLP counts from 1 (internal)
# What a span carries at its start when it is one model call, or belongs to a conversation that outlives its trace: such
# a span, alone in its trace, is joined with others by the store and must not be stamped as a run of its own.
_JOINING = ("gen_ai.conversation.id", "session.id", "llm.request.type")
_MODEL_WORDS = {
    "gen_ai.operation.name": {"chat", "text_completion", "generate_content", "embeddings"},
    "openinference.span.kind": {"LLM", "EMBEDDING", "RERANKER"},
}


Known: TypeAlias = tuple[Any, Any, int, Spool | None]  # scope, resource, and their index in the spool
# A span that has begun, its place, its sequence number, and whether it opened its run. A plain tuple: one per span.
Open: TypeAlias = tuple[Span, Place | None, int | None, bool]


class RunProcessor(SpanProcessor):
    """One per TracerProvider. Without a spool it only gives out sequence numbers."""

    def __init__(
        self, spool: Spool | None, *, wake: Callable[[], None] = lambda: None, clock: Callable[[], int] = time.time_ns,
        agent: str | None = None, workflow: str | None = None,
    ) -> None:  # fmt: skip
        """``wake`` is called after each record; ``agent`` and ``workflow`` name runs that nobody else named."""
        self.spool = spool
        self.wake = wake
        self.clock = clock
        self.agent = agent
        self.workflow = workflow
        self.rules: BeforeSpool | None = None  # without them, credentials by their shape
        self.visible = False
        self.generation = 0
        self.inherited: Context | None = None  # the run that this process was started for, see propagation.py
        self.process = process_name()
        self._open: dict[int, Open] = {}
        self._announced: weakref.WeakKeyDictionary[Span, int] = weakref.WeakKeyDictionary()
        self._traces: dict[int, Place] = {}
        self._sources: dict[int, Known] = {}
        self._last_source: Known = (self, self, 0, None)
        self._unset: Any = (
            self  # what spans without a status have in its place; until the first one, nothing is
        )
        self._lock = threading.Lock()

    # -- OpenTelemetry's side -----------------------------------------------------------------------------------

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Give the span its place and number; begin a run where there is none."""
        if self.spool is None:
            return
        try:
            self._started(span, parent_context)
        except Exception as error:  # noqa: BLE001 - the edge, without the cost of a decorator on the hottest path
            caught("processor.on_start", error)

    def on_end(self, span: ReadableSpan) -> None:
        """Write the finished span to the spool before returning."""
        spool = self.spool
        if spool is None:
            return
        try:
            self._ended(spool, span)
        except Exception as error:  # noqa: BLE001 - the edge, see on_start
            caught("processor.on_end", error)

    def shutdown(self) -> None:
        """The provider is going down; the spool is closed by whoever installed it."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - OpenTelemetry's signature
        """Every ended span is durable already."""
        return True

    # -- starting -----------------------------------------------------------------------------------------------

    def _started(self, span: Span, parent_context: Context | None) -> None:
        context = span.get_span_context()
        span_id = context.span_id
        place: Any = get_value(PLACE_KEY, parent_context) or self._place(
            span, context.trace_id, parent_context
        )
        root, seq = False, None
        if type(place) is Place:
            state = place.state
            if state.run is None:
                root = True
                self._begin_run(place, context.trace_id, span_id)
            elif state.root is None and state.own is not None:
                root, state.root = True, span_id  # it opens a leg
            if state.generation == self.generation:
                with state.lock:
                    seq = state.seq = state.seq + 1
            if self.visible:
                span.set_attributes(place.stamp if seq is None else {**place.stamp, names.SEQ: seq})
        else:
            place = None
        entry = (span, place, seq, root)
        if len(self._open) < _OPEN_MAX:
            self._open[span_id] = entry
        if root:
            self._announce(entry, self.clock())

    def _place(self, span: Span, trace: int, parent_context: Context | None) -> Place | None:
        """The place of a span whose own context names none: the current context's, its trace's, or a new run."""
        place = (here() if parent_context is not None else None) or self._traces.get(trace)
        if place is not None:
            return place
        if span.parent is None:
            if not _begins_run(span):
                return None
            state = None if self.inherited is None else leg(self.inherited, self.generation)
            return Place(state or RunState(self.generation), self.agent, None, self.workflow)
        if comes_from_outside(span):
            called = leg(parent_context, self.generation)
            return None if called is None else Place(called, self.agent, None, self.workflow)
        around = self._open.get(span.parent.span_id)
        return None if around is None else around[1]

    def _begin_run(self, place: Place, trace: int, span: int) -> None:
        place.state.run, place.state.root = f"{trace:032x}", span
        place.restamp()
        with self._lock:
            if len(self._traces) >= _TRACES_MAX:  # oldest first; runs that never end must not fill the memory
                self._traces.pop(next(iter(self._traces)), None)
            self._traces[trace] = place

    # -- ending -------------------------------------------------------------------------------------------------

    def _ended(self, spool: Spool, span: Any) -> None:
        context = span.get_span_context()
        if context is None:
            return
        span_id = context.span_id
        entry = self._open.pop(span_id, None)
        light = type(span) is LightSpan
        attributes = span.facts if light else attributes_of(span)  # a light span's are final and need no copy
        rules, found = self.rules, False
        if rules is not None:
            found = rules.look(attributes, span.title if light else span.name)
        elif suspicious(attributes.values()):
            attributes = mask(attributes)
        place = seq = None
        last = False
        if entry is not None:
            _, place, seq, last = entry
            if last and place is not None:
                attributes = attributes.copy()
                self._close_run(attributes, place.state, span)
        if light:
            record = self._light_record(spool, span, attributes, place, seq)
        else:
            record = self._record(
                spool, span, context.trace_id, span_id, attributes, span.end_time, place, seq
            )
        if rules is not None and (found or record[10] or record[12] or record[13]):
            record = rules.record(record, scope_of(span))
        spool.append(record, last=last)
        if spool.asleep:
            self.wake()

    def _close_run(self, attributes: dict[str, Any], state: RunState, root: ReadableSpan) -> None:
        """What only the end of a run or a leg knows: how many steps there were, and how it ended."""
        attributes[names.PROCESS] = self.process
        if state.own is not None:
            attributes[names.LEG], attributes[names.LEG_STEPS] = True, state.seq
            return
        attributes[names.RUN_ROOT], attributes[names.RUN_STEPS] = True, state.seq
        attributes.setdefault(names.RUN_SOURCE, "sdk")
        if state.stopped:
            attributes[names.RUN_STATUS] = "stopped"
            if state.stopped_by is not None:
                attributes[names.RUN_STOPPED_BY] = state.stopped_by
        elif state.failed is not None or root.status.status_code is StatusCode.ERROR:
            attributes[names.RUN_STATUS] = "failed"
        else:
            attributes[names.RUN_STATUS] = "ok"

    def _record(
        self, spool: Spool, span: ReadableSpan | Span, trace: int, span_id: int, attributes: dict[str, Any],
        ended: int | None, place: Place | None, seq: int | None,
    ) -> tuple[Any, ...]:  # fmt: skip
        """The record of a span (see frames.py). Every property is read once: each is a call into OpenTelemetry."""
        parent, status, name, kind = span.parent, span.status, span.name, span.kind
        if status is self._unset:
            code, message = 0, ""
        else:
            code, message = self._status(status)
        scope, resource = span.instrumentation_scope, span.resource
        known = self._last_source
        if known[0] is scope and known[1] is resource and known[3] is spool:
            source = known[2]
        else:
            source = self._source(spool, scope, resource)
        events, links = span.events, span.links
        if (message or len(name) >= SHORTEST) and suspicious((name, message)):
            name, message = mask_text(name), mask_text(message)
        dropped = span.dropped_attributes
        if events or links:
            dropped += span.dropped_events + span.dropped_links
        return (
            SPAN,
            source,
            trace.to_bytes(16, "big"),
            span_id.to_bytes(8, "big"),
            None if parent is None else parent.span_id.to_bytes(8, "big"),
            name,
            span.start_time,
            ended,
            1 if kind is _INTERNAL else _KINDS[kind],  # an enum's hash and value are slow
            code,
            message,
            attributes,
            events_of(events) if events else _EMPTY,
            [link_of(link) for link in links] if links else _EMPTY,
            dropped,
            None if place is None else place.packed,
            seq,
        )

    def _light_record(
        self, spool: Spool, span: LightSpan, attributes: dict[str, Any], place: Place | None, seq: int | None
    ) -> tuple[Any, ...]:
        """The same for an ended light span, from its fields."""
        ids, above, origin, name, kind = span.ids, span.above, span.origin, span.title, span.sort
        known = self._last_source
        if known[0] is origin.scope and known[1] is origin.resource and known[3] is spool:
            source = known[2]
        else:
            source = self._source(spool, origin.scope, origin.resource)
        code, message = (0, "") if span.state is UNSET else self._status(span.state)
        if (message or len(name) >= SHORTEST) and suspicious((name, message)):
            name, message = mask_text(name), mask_text(message)
        dropped, events, links = span.cut, _EMPTY, _EMPTY
        if span.happened is not None:
            events, dropped = tuple(events_of(span.happened.kept)), dropped + span.happened.dropped
        if span.pointers is not None:
            links, dropped = tuple(map(link_of, span.pointers.kept)), dropped + span.pointers.dropped
        return (
            SPAN,
            source,
            ids.trace_id.to_bytes(16, "big"),
            ids.span_id.to_bytes(8, "big"),
            None if above is None else above.span_id.to_bytes(8, "big"),
            name,
            span.begun,
            span.done,
            1 if kind is _INTERNAL else _KINDS[kind],
            code,
            message,
            attributes,
            events,
            links,
            dropped,
            None if place is None else place.packed,
            seq,
        )

    def _status(self, status: Any) -> tuple[int, str]:
        """Code and message. OpenTelemetry gives all spans without a status one and the same object: remember it."""
        code, message = status.status_code, status.description or ""
        if code is StatusCode.UNSET and not message:
            self._unset = status
        return code.value, message

    def _source(self, spool: Spool, scope: Any, resource: Any) -> int:
        found = self._sources.get(id(scope))
        if found is None or found[0] is not scope or found[1] is not resource or found[3] is not spool:
            name, version, schema = (scope.name, scope.version, scope.schema_url) if scope else ("", "", "")
            # The process that gives out the numbers is named here, where it costs nothing a span.
            key = (name, version, schema, id(resource), self.process)
            told = dict(resource.attributes or {})
            told = (self.rules.resource(told) if self.rules is not None else told) | {
                names.PROCESS: self.process
            }
            index = spool.source(key, told, name, version or "", schema or "")
            if len(self._sources) >= _SOURCES_MAX:
                self._sources.clear()
            # Holding both keeps their identities from being reused.
            found = self._sources[id(scope)] = (scope, resource, index, spool)
        self._last_source = found
        return found[2]

    # -- start records ------------------------------------------------------------------------------------------

    def pulse(self) -> None:
        """Write start records for steps that have been open long, and signs of life for open runs."""
        now = self.clock()
        for entry in list(self._open.values()):
            span, _, _, root = entry
            announced = self._announced.get(span)
            if announced is not None:
                if root and now - announced >= _ALIVE_NS:
                    self._announce(entry, now)
            elif now - (span.start_time or now) >= _LONG_STEP_NS:
                self._announce(entry, now)

    def _announce(self, entry: Open, now: int) -> None:
        spool, (span, place, seq, root) = self.spool, entry
        context = span.get_span_context()
        if spool is None or context is None:
            return
        attributes = mask(attributes_of(span))
        attributes[names.STARTED] = True
        attributes[names.PROCESS] = self.process
        if root and place is not None and place.state.own is not None:
            attributes[names.LEG] = True
        elif root:
            attributes[names.RUN_ROOT] = True
            attributes.setdefault(names.RUN_SOURCE, "sdk")
        if span in self._announced:
            attributes[names.ALIVE] = now
        self._announced[span] = now
        record = self._record(spool, span, context.trace_id, context.span_id, attributes, None, place, seq)
        spool.append(record if self.rules is None else self.rules.record(record, scope_of(span)))
        if spool.asleep:
            self.wake()

    # -- for the rest of the SDK --------------------------------------------------------------------------------

    def opened(self, span_id: int) -> tuple[Place | None, int | None]:
        """Place and sequence number of an open span; (None, None) when it is not known."""
        entry = self._open.get(span_id)
        return (None, None) if entry is None else entry[1:3]

    def after_fork(self) -> None:
        """In a forked child: the open spans and the sequence numbers are the parent's."""
        self.generation += 1
        self.process = process_name()
        self._sources.clear()
        self._last_source = (self, self, 0, None)
        self._open.clear()
        self._lock = threading.Lock()


def _begins_run(span: Span) -> bool:
    if span.kind is not SpanKind.INTERNAL:
        return False
    attributes = span.attributes or {}
    if any(attributes.get(name) in words for name, words in _MODEL_WORDS.items()):
        return False
    return not any(name in attributes for name in _JOINING)
