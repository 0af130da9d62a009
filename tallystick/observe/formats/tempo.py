"""Grafana Tempo's JSON: ``{batches: [{resource, scopeSpans | instrumentationLibrarySpans}]}``, or the same
under ``trace.resourceSpans`` (version 2 of its API).

OTLP's words in older and newer spellings: ids in hex or base64, kinds and status codes by number or name,
times as numbers (above 2^53, so they are read as whole numbers) or text. The spans are left untouched."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tallystick.model.errors import BadInput
from tallystick.model.span import Event, Link, Source, Span
from tallystick.observe.formats.recorded import Format, RecordedRun, by_trace, expect, hex_id

NAME: Final = "tempo"
_DEEPEST: Final = 32  # lists and mappings inside each other; the rest is left out
_KIND: Final = "SPAN_KIND_"
_KINDS: Final = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUS: Final = "STATUS_CODE_"
_STATUSES: Final = ("UNSET", "OK", "ERROR")
_DROPPED: Final = ("droppedAttributesCount", "droppedEventsCount", "droppedLinksCount")
_HEX: Final = re.compile(r"[0-9a-fA-F]*")


def detect(content: bytes) -> bool:
    """Whether a JSON file looks like an answer of Tempo."""
    head = content.lstrip()
    if not head.startswith(b"{") or b'"traceId"' not in head:
        return False
    if b'"batches"' in head[:200]:
        return True
    return re.match(rb'\{\s*"trace"\s*:\s*\{', head) is not None and b'"resourceSpans"' in head


def read(document: Any) -> Iterator[RecordedRun]:
    """The spans of a parsed file, trace by trace. Raises BadInput where the shape is wrong."""
    expect(document, dict, "the file", "an object with batches (an answer of Tempo)")
    inner = document.get("trace") if isinstance(document.get("trace"), Mapping) else document
    key = "resourceSpans" if "resourceSpans" in inner else "batches"
    spans: list[Span] = []
    for place, batch in enumerate(expect(inner.get(key), list, key, "a list")):
        where = f"{key}[{place}]"
        expect(batch, dict, where, "an object with resource and spans")
        resource = batch.get("resource")
        about = _attributes(resource.get("attributes") if isinstance(resource, Mapping) else None, where)
        name = "scopeSpans" if "scopeSpans" in batch else "instrumentationLibrarySpans"
        for number, group in enumerate(expect(batch.get(name), list, f"{where}.{name}", "a list")):
            at = f"{where}.{name}[{number}]"
            expect(group, dict, at, "an object with a scope and spans")
            scope = group.get("scope", group.get("instrumentationLibrary"))
            scope = scope if isinstance(scope, Mapping) else {}
            source = Source(
                about, _text(scope.get("name")), _text(scope.get("version")), _text(group.get("schemaUrl"))
            )
            for which, item in enumerate(expect(group.get("spans") or [], list, f"{at}.spans", "a list")):
                spans.append(_span(item, source, f"{at}.spans[{which}]"))
    yield from by_trace(spans)


def _span(item: Any, source: Source, where: str) -> Span:
    expect(item, dict, where, "an object with traceId, spanId and name")
    status = item.get("status")
    status = status if isinstance(status, Mapping) else {}
    started = _nanos(item.get("startTimeUnixNano"), f"{where}.startTimeUnixNano")
    return Span(
        trace=_id(item.get("traceId"), 32, f"{where}.traceId"),
        span=_id(item.get("spanId"), 16, f"{where}.spanId"),
        parent=_id(item["parentSpanId"], 16, f"{where}.parentSpanId") if item.get("parentSpanId") else None,
        name=_text(item.get("name")),
        started=started,
        ended=_nanos(item["endTimeUnixNano"], f"{where}.endTimeUnixNano")
        if item.get("endTimeUnixNano")
        else None,
        source=source,
        kind=_named(item.get("kind"), _KIND, _KINDS),
        status=_named(status.get("code"), _STATUS, _STATUSES),
        status_message=_text(status.get("message")),
        attributes=_attributes(item.get("attributes"), f"{where}.attributes"),
        events=tuple(
            Event(
                _text(event.get("name")),
                _nanos(event.get("timeUnixNano", 0), f"{where}.events[{number}].timeUnixNano"),
                _attributes(event.get("attributes"), f"{where}.events[{number}].attributes"),
            )
            for number, event in enumerate(_objects(item.get("events"), f"{where}.events"))
        ),
        links=tuple(
            Link(
                _id(link.get("traceId"), 32, f"{where}.links[{number}].traceId"),
                _id(link.get("spanId"), 16, f"{where}.links[{number}].spanId"),
                _attributes(link.get("attributes"), f"{where}.links[{number}].attributes"),
            )
            for number, link in enumerate(_objects(item.get("links"), f"{where}.links"))
        ),
        dropped=sum(item[key] for key in _DROPPED if type(item.get(key)) is int and item[key] > 0),
    )


def _objects(value: Any, where: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = expect(value or [], list, where, "a list")
    for number, item in enumerate(found):
        expect(item, dict, f"{where}[{number}]", "an object")
    return found


def _id(value: Any, digits: int, where: str) -> str:
    """An id in hex, or in base64 as protobuf's own JSON writes bytes."""
    if isinstance(value, str) and not (len(value) == digits and _HEX.fullmatch(value)) and value[-1:] == "=":
        try:
            raw = base64.b64decode(value, validate=True)
        except binascii.Error:
            raw = b""
        if len(raw) * 2 == digits:
            return raw.hex()
    return hex_id(value, digits, where)


def _nanos(value: Any, where: str) -> int:
    if isinstance(value, str) and value.isdecimal() and len(value) <= 20:
        value = int(value)
    number = expect(value, int, where, "a whole number of nanoseconds")
    if not 0 <= number < 2**63:
        raise BadInput(f"{where}: {number} nanoseconds are not a time", where=where)
    return int(number)


def _named(value: Any, prefix: str, names: tuple[str, ...]) -> int:
    if isinstance(value, str):
        name = value.removeprefix(prefix)
        return names.index(name) if name in names else 0
    return value if type(value) is int and 0 <= value < len(names) else 0


def _attributes(given: Any, where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, item in enumerate(_objects(given, where)):
        found[expect(item.get("key"), str, f"{where}[{number}].key", "text")] = _value(item.get("value"), 0)
    return found


def _value(value: Any, depth: int) -> Any:
    """A value of OTLP's JSON; what is not one of its shapes is unknown."""
    if not isinstance(value, Mapping) or not value or depth > _DEEPEST:
        return None
    kind, held = next(iter(value.items()))
    if kind == "intValue" and isinstance(held, str) and held.lstrip("-").isdecimal() and len(held) <= 20:
        return int(held)
    if kind in ("stringValue", "boolValue", "intValue", "doubleValue"):
        return held
    if kind == "arrayValue" and isinstance(held, Mapping) and isinstance(held.get("values", []), list):
        return [_value(item, depth + 1) for item in held.get("values", [])]
    if kind == "kvlistValue" and isinstance(held, Mapping) and isinstance(held.get("values", []), list):
        return {
            item["key"]: _value(item.get("value"), depth + 1)
            for item in held.get("values", [])
            if isinstance(item, Mapping) and isinstance(item.get("key"), str)
        }
    if kind == "bytesValue" and isinstance(held, str):
        try:
            return base64.b64decode(held, validate=True)
        except binascii.Error:
            return held
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


FORMAT: Final = Format(NAME, detect, read, stitched=True)
