"""Jaeger's JSON, as its page and its API give it: ``{data: [{traceID, spans, processes}]}``.

The spans are OpenTelemetry's, written in Jaeger's words by OpenTelemetry's own rules: scope, kind and status
are tags. They are put back and left untouched otherwise, so the dialects read them as if they had come by
OTLP. Times there are microseconds."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tallystick.model.errors import BadInput
from tallystick.model.span import Event, Link, Source, Span
from tallystick.observe.formats.recorded import Format, RecordedRun, by_trace, expect, hex_id

NAME: Final = "jaeger"
_KINDS: Final = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_STATUS: Final = {"OK": 1, "ERROR": 2}
_SCOPE: Final = ("otel.scope.name", "otel.library.name")  # the newest first
_SCOPE_VERSION: Final = ("otel.scope.version", "otel.library.version")
# What OpenTelemetry's translation to Jaeger writes as tags, and what belongs back into the span.
_MOVED: Final = frozenset(
    {*_SCOPE, *_SCOPE_VERSION, "span.kind", "otel.status_code", "otel.status_description", "error"}
)


def detect(content: bytes) -> bool:
    """Whether a JSON file looks like Jaeger's."""
    head = content.lstrip()
    return head.startswith((b"{", b"[")) and b'"traceID"' in head and b'"operationName"' in head


def read(document: Any) -> Iterator[RecordedRun]:
    """The spans of a parsed file, trace by trace. Raises BadInput where the shape is wrong."""
    if isinstance(document, Mapping) and "data" in document:
        document = document["data"]
    traces = document if isinstance(document, list) else [document]
    spans: list[Span] = []
    for place, trace in enumerate(traces):
        where = f"data[{place}]"
        expect(trace, dict, where, "an object with traceID, spans and processes (a trace of Jaeger)")
        processes = expect(trace.get("processes", {}), dict, f"{where}.processes", "an object")
        sources: dict[tuple[Any, ...], Source] = {}
        for number, item in enumerate(expect(trace.get("spans"), list, f"{where}.spans", "a list")):
            spans.append(_span(item, processes, sources, f"{where}.spans[{number}]"))
    yield from by_trace(spans)


def _span(
    item: Any, processes: Mapping[str, Any], sources: dict[tuple[Any, ...], Source], where: str
) -> Span:
    expect(item, dict, where, "an object with traceID, spanID and operationName")
    tags = _tags(item.get("tags"), f"{where}.tags")
    started = _micros(item.get("startTime"), f"{where}.startTime")
    trace = hex_id(item.get("traceID"), 32, f"{where}.traceID")
    parent, links = _references(item, trace, where)
    failed = tags.get("error")
    status = _STATUS.get(str(tags.get("otel.status_code")).upper(), 2 if failed in (True, "true") else 0)
    message = tags.get("otel.status_description")
    return Span(
        trace=trace,
        span=hex_id(item.get("spanID"), 16, f"{where}.spanID"),
        parent=parent,
        name=expect(item.get("operationName"), str, f"{where}.operationName", "text"),
        started=started,
        ended=started + _micros(item.get("duration"), f"{where}.duration"),
        source=_source(item, tags, processes, sources, where),
        kind=_KINDS.get(str(tags.get("span.kind")).lower(), 0),
        status=status,
        status_message=message if isinstance(message, str) else "",
        attributes={
            key: value
            for key, value in tags.items()
            if key not in _MOVED or (key == "error" and not isinstance(value, bool))
        },
        events=tuple(
            _event(log, f"{where}.logs[{number}]")
            for number, log in enumerate(expect(item.get("logs") or [], list, f"{where}.logs", "a list"))
        ),
        links=links,
    )


def _references(item: Mapping[str, Any], trace: str, where: str) -> tuple[str | None, tuple[Link, ...]]:
    """The parent is the first CHILD_OF of the same trace; all other references are links."""
    parent: str | None = None
    links: list[Link] = []
    for number, given in enumerate(
        expect(item.get("references") or [], list, f"{where}.references", "a list")
    ):
        at = f"{where}.references[{number}]"
        expect(given, dict, at, "an object with refType, traceID and spanID")
        other = hex_id(given.get("traceID"), 32, f"{at}.traceID")
        span = hex_id(given.get("spanID"), 16, f"{at}.spanID")
        if parent is None and given.get("refType") == "CHILD_OF" and other == trace:
            parent = span
        else:
            links.append(Link(other, span))
    if parent is None and item.get("parentSpanID"):  # Jaeger before 1.0
        parent = hex_id(item["parentSpanID"], 16, f"{where}.parentSpanID")
    return parent, tuple(links)


def _source(
    item: Mapping[str, Any],
    tags: Mapping[str, Any],
    processes: Mapping[str, Any],
    sources: dict[tuple[Any, ...], Source],
    where: str,
) -> Source:
    """Resource and scope, one object for all spans that share them."""
    name, version = (
        next((tags[key] for key in keys if isinstance(tags.get(key), str)), "")
        for keys in (_SCOPE, _SCOPE_VERSION)
    )
    process = item.get("processID") if isinstance(item.get("processID"), str) else None
    inline = item.get("process") if process is None else processes.get(process)
    key = (process if process is not None else id(item), name, version)
    if key not in sources:
        resource: dict[str, Any] = {}
        if isinstance(inline, Mapping):
            resource = _tags(inline.get("tags"), f"{where}: tags of its process")
            if isinstance(inline.get("serviceName"), str):
                resource["service.name"] = inline["serviceName"]
        sources[key] = Source(resource, name, version)
    return sources[key]


def _event(log: Any, where: str) -> Event:
    expect(log, dict, where, "an object with timestamp and fields")
    fields = _tags(log.get("fields"), f"{where}.fields")
    name = fields.pop("event", None)
    return Event(
        name if isinstance(name, str) else "", _micros(log.get("timestamp"), f"{where}.timestamp"), fields
    )


def _tags(given: Any, where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, tag in enumerate(expect(given or [], list, where, "a list of {key, type, value}")):
        at = f"{where}[{number}]"
        expect(tag, dict, at, "an object with key, type and value")
        key = expect(tag.get("key"), str, f"{at}.key", "text")
        found[key] = _value(tag.get("type"), tag.get("value"))
    return found


def _value(kind: Any, value: Any) -> Any:
    """A tag's value; large whole numbers may stand there as text, and bytes always do."""
    if isinstance(value, str):
        if kind == "int64" and value.lstrip("-").isdigit() and len(value) <= 20:
            return int(value)
        if kind == "bool":
            return value == "true"
        if kind == "binary":
            try:
                return base64.b64decode(value, validate=True)
            except binascii.Error:
                return value
    return value


def _micros(value: Any, where: str) -> int:
    number = expect(value, int, where, "a whole number of microseconds")
    if number < 0 or number > 2**53:
        raise BadInput(f"{where}: {number} microseconds are not a time", where=where)
    return int(number) * 1_000


FORMAT: Final = Format(NAME, detect, read, stitched=True)
