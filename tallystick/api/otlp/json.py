"""OTLP JSON: an ``ExportTraceServiceRequest`` in the JSON encoding as spans.

Senders differ, so this door is wide where the meaning is plain: camelCase and snake_case keys, 64-bit integers as
strings or numbers, ids in hex (what OTLP says) or base64 (what plain protobuf-JSON says), enums as numbers or names,
unknown keys ignored. Where the meaning is not plain the span is rejected by name.

Spec: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tallystick.api.otlp.batch import MAX_DEPTH, Batch, Unreadable, flaw_of_ids, flaw_of_times
from tallystick.app.record import Rejection
from tallystick.model.errors import BadInput
from tallystick.model.span import Event, Link, Source, Span

_HEX: Final = re.compile(r"[0-9a-fA-F]*\Z")
_KINDS: Final = {
    "SPAN_KIND_UNSPECIFIED": 0,
    "SPAN_KIND_INTERNAL": 1,
    "SPAN_KIND_SERVER": 2,
    "SPAN_KIND_CLIENT": 3,
    "SPAN_KIND_PRODUCER": 4,
    "SPAN_KIND_CONSUMER": 5,
}
_STATUSES: Final = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


def read_json(body: bytes) -> Batch:
    """Read an ``ExportTraceServiceRequest`` in JSON.

    Raises BadInput, with the byte or the place, for what is not JSON or not a trace request; a span whose own content
    is at fault is listed in ``rejected`` and the others are read.
    """
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"not JSON: {error}", hint="send one complete JSON document in UTF-8") from error
    except RecursionError as error:
        raise BadInput("not an OTLP trace request: the JSON is nested too deep") from error
    batch = Batch()
    for group, place in _objects(_object(request, "the document"), "resourceSpans", "the document"):
        resource = _object(_get(group, "resource") or {}, f"{place}.resource")
        keys = ("scopeSpans", "instrumentationLibrarySpans")
        for part, where in (found for key in keys for found in _objects(group, key, place)):
            _read_part(group, resource, part, where, batch)
    return batch


def _read_part(
    group: dict[str, Any], resource: dict[str, Any], part: dict[str, Any], where: str, batch: Batch
) -> None:
    """Read the spans of one scope into the batch; a damaged resource or scope rejects each of them by name."""
    spans = list(_objects(part, "spans", where))
    try:
        scope = _get(part, "scope") or _get(part, "instrumentationLibrary") or {}
        if not isinstance(scope, dict):
            raise Unreadable("the scope is not an object")
        schema = _text(part, "schemaUrl") or _text(group, "schemaUrl")
        source = Source(_attributes(resource), _text(scope, "name"), _text(scope, "version"), schema)
    except Unreadable as error:
        reason = f"its resource or scope cannot be read: {error.message}"
        batch.rejected.extend(_rejection(raw, reason) for raw, _ in spans)
        return
    for raw, _ in spans:
        try:
            batch.spans.append(_read_span(raw, source))
        except Unreadable as error:
            batch.rejected.append(_rejection(raw, error.message))


def _rejection(raw: dict[str, Any], reason: str) -> Rejection:
    trace, span = (_get(raw, key) for key in ("traceId", "spanId"))
    return Rejection(str(trace or "")[:64], str(span or "")[:64], reason)


def _read_span(raw: dict[str, Any], source: Source) -> Span:
    trace, span = _id(raw, "traceId"), _id(raw, "spanId")
    started, ended = _integer(raw, "startTimeUnixNano"), _integer(raw, "endTimeUnixNano") or None
    flaw = flaw_of_ids(trace, span) or flaw_of_times(started, ended)
    if flaw is not None:
        raise Unreadable(flaw)
    status = _get(raw, "status") or {}
    if not isinstance(status, dict):
        raise Unreadable("status is not an object")
    dropped = sum(
        _integer(raw, key) for key in ("droppedAttributesCount", "droppedEventsCount", "droppedLinksCount")
    )
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    if raw_events := _list(raw, "events"):
        events = tuple(
            Event(_text(event, "name"), _integer(event, "timeUnixNano"), _attributes(event))
            for event in raw_events
        )
        dropped += sum(_integer(event, "droppedAttributesCount") for event in raw_events)
    if raw_links := _list(raw, "links"):
        links = tuple(
            Link(_id(link, "traceId"), _id(link, "spanId"), _attributes(link)) for link in raw_links
        )
        dropped += sum(_integer(link, "droppedAttributesCount") for link in raw_links)
    return Span(
        trace,
        span,
        _id(raw, "parentSpanId") or None,
        _text(raw, "name"),
        started,
        ended,
        source,
        _enum(raw, "kind", _KINDS),
        _enum(status, "code", _STATUSES),
        _text(status, "message"),
        _attributes(raw),
        events,
        links,
        dropped,
    )


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in _list(holder, "attributes"):
        try:
            found[pair.get("key", "")] = _value(pair.get("value"), 0)
        except (TypeError, AttributeError):
            raise Unreadable("an attribute is not an object with key and value") from None
    if found and not all(isinstance(key, str) for key in found):
        raise Unreadable("an attribute's key is not text")
    return found


def _value(value: Any, depth: int) -> Any:
    """One ``AnyValue``: an object with one member that names the type."""
    if value is None:
        return None
    if depth > MAX_DEPTH:
        raise Unreadable(f"an attribute is nested more than {MAX_DEPTH} deep")
    for kind, content in value.items():
        if kind == "stringValue" or kind == "string_value":
            if isinstance(content, str):
                return content
            raise Unreadable("a stringValue is not text")
        if content is None:
            continue
        reader = _READERS.get(kind)
        if reader is not None:
            return reader(content, depth)
    return None


def _whole(content: Any, _depth: int) -> int:
    if isinstance(content, bool) or not isinstance(content, int | str | float):
        raise Unreadable("an intValue is not a whole number")
    try:
        number = int(content)
    except (ValueError, OverflowError):
        raise Unreadable("an intValue is not a whole number") from None
    if number != content and not isinstance(content, str):
        raise Unreadable("an intValue is not a whole number")
    if not -(2**63) <= number < 2**63:
        raise Unreadable("an intValue does not fit 64 bits")
    return number


def _double(content: Any, _depth: int) -> float:
    try:
        if isinstance(content, bool):
            raise TypeError
        return float(content)  # also "NaN", "Infinity" and "-Infinity", as protobuf-JSON writes them
    except (TypeError, ValueError, OverflowError):
        raise Unreadable("a doubleValue is not a number") from None


def _truth(content: Any, _depth: int) -> bool:
    if isinstance(content, bool):
        return content
    raise Unreadable("a boolValue is neither true nor false")


def _blob(content: Any, _depth: int) -> bytes:
    try:
        return base64.b64decode(
            content.replace("-", "+").replace("_", "/") + "=" * (-len(content) % 4), validate=True
        )
    except (binascii.Error, AttributeError, TypeError, ValueError):
        raise Unreadable("a bytesValue is not base64") from None


def _array(content: Any, depth: int) -> list[Any]:
    return [_value(_member(item), depth + 1) for item in _members(content)]


def _map(content: Any, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in _members(content):
        key = _member(pair).get("key", "")
        if not isinstance(key, str):
            raise Unreadable("a kvlistValue's key is not text")
        found[key] = _value(_member(pair.get("value") or {}), depth + 1)
    return found


def _members(content: Any) -> list[Any]:
    values = content.get("values", []) if isinstance(content, dict) else None
    if not isinstance(values, list):
        raise Unreadable("an arrayValue or kvlistValue has no list of values")
    return values


def _member(item: Any) -> dict[str, Any]:
    if isinstance(item, dict):
        return item
    raise Unreadable("a value is not an object that names its type")


_READERS: Final = {
    name: reader
    for names, reader in (
        (("intValue", "int_value"), _whole),
        (("doubleValue", "double_value"), _double),
        (("boolValue", "bool_value"), _truth),
        (("bytesValue", "bytes_value"), _blob),
        (("arrayValue", "array_value"), _array),
        (("kvlistValue", "kvlist_value"), _map),
    )
    for name in names
}


def _snake(key: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda match: "_" + match.group().lower(), key)


_OTHER_NAME: Final = {
    key: _snake(key)
    for key in (
        "resourceSpans", "scopeSpans", "instrumentationLibrarySpans", "instrumentationLibrary", "schemaUrl",
        "traceId", "spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano", "timeUnixNano",
        "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount",
    )
}  # fmt: skip


def _get(holder: dict[str, Any], key: str) -> Any:
    value = holder.get(key)
    if value is None and key in _OTHER_NAME:
        return holder.get(_OTHER_NAME[key])
    return value


def _object(value: Any, place: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise BadInput(f"not an OTLP trace request: {place} is not an object")


def _objects(holder: dict[str, Any], key: str, place: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of a list with their places. Raises BadInput for what is no list of objects."""
    items = _get(holder, key)
    if items is None:
        return
    if not isinstance(items, list):
        raise BadInput(f"not an OTLP trace request: {key} of {place} is not a list")
    for index, item in enumerate(items):
        where = f"{key}[{index}]" if place == "the document" else f"{place}.{key}[{index}]"
        yield _object(item, where), where


def _list(raw: dict[str, Any], key: str) -> list[dict[str, Any]]:
    items = raw.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unreadable(f"{key} is not a list of objects")
    return items


def _text(holder: dict[str, Any], key: str) -> str:
    value = _get(holder, key)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise Unreadable(f"{key} is not text")


def _integer(holder: dict[str, Any], key: str) -> int:
    """An unsigned number, written as a number or as text; absent is 0, as in protobuf."""
    value = _get(holder, key)
    if value.__class__ is int and value >= 0:
        return int(value)
    if value is None or value == "":
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        return int(value)
    if isinstance(value, float) and value >= 0 and value.is_integer():
        return int(value)
    raise Unreadable(f"{key} is not a whole number")


def _enum(holder: dict[str, Any], key: str, names: dict[str, int]) -> int:
    value = holder.get(key)
    if isinstance(value, str) and value in names:
        return names[value]
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value in names.values() else 0
    raise Unreadable(f"{key} is not one of {', '.join(names)}")


def _id(holder: dict[str, Any], key: str) -> str:
    """An id as lower-case hex; absent is empty. Padding tells base64 from hex: 16 and 8 bytes always end in "="."""
    value = _get(holder, key)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"{key} is not text")
    if _HEX.match(value):
        return value.lower()
    if value.endswith("="):
        return _blob(value, 0).hex()
    raise Unreadable(f"{key} is neither hex nor base64")
