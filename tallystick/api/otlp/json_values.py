"""What OTLP messages are made of in their JSON encoding: objects, lists, ids, numbers and attribute values.

Senders differ, so this is wide where the meaning is plain: camelCase and snake_case keys, 64-bit integers as strings or
numbers, ids in hex (what OTLP says) or base64 (what plain protobuf-JSON says), enums as numbers or names, unknown keys
ignored. Where the meaning is not plain, ``Unreadable`` costs one span or log record.

Spec: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from tallystick.api.otlp.batch import MAX_DEPTH, Batch, Unreadable
from tallystick.app.recording.record import Rejection
from tallystick.model.errors import BadInput
from tallystick.model.span import Source, Span

_HEX: Final = re.compile(r"[0-9a-fA-F]*\Z")


def decode(body: bytes) -> dict[str, Any]:
    """The document of a request. Raises BadInput for what is not JSON, nested too deep, or no object."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"not JSON: {error}", hint="send one complete JSON document in UTF-8") from error
    except RecursionError as error:
        raise BadInput("not an OTLP request: the JSON is nested too deep") from error
    return object_of(document, "the document")


def source_of(group: dict[str, Any], part: dict[str, Any], resource: dict[str, Any]) -> Source:
    """Who sent what is in one scope. Raises Unreadable."""
    scope = get(part, "scope") or get(part, "instrumentationLibrary") or {}
    if not isinstance(scope, dict):
        raise Unreadable("the scope is not an object")
    schema = text_of(part, "schemaUrl") or text_of(group, "schemaUrl")
    return Source(attributes_of(resource), text_of(scope, "name"), text_of(scope, "version"), schema)


def rejection_of(raw: dict[str, Any], reason: str) -> Rejection:
    """A span or log record that is refused, by the ids that it claims."""
    trace, span = (get(raw, key) for key in ("traceId", "spanId"))
    return Rejection(str(trace or "")[:64], str(span or "")[:64], reason)


def read_part(
    raws: Iterable[dict[str, Any]], source: Callable[[], Source], read: Callable[[dict[str, Any], Source], Span],
    batch: Batch,
) -> None:  # fmt: skip
    """Read the spans or log records of one scope into the batch.

    What cannot be read is rejected by name; a damaged resource or scope (``source`` raises) rejects all of them.
    """
    try:
        sender = source()
    except Unreadable as error:
        reason = f"its resource or scope cannot be read: {error.message}"
        batch.rejected.extend(rejection_of(raw, reason) for raw in raws)
        return
    for raw in raws:
        try:
            batch.spans.append(read(raw, sender))
        except BadInput as error:
            batch.rejected.append(rejection_of(raw, error.message))


def attributes_of(holder: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a resource, span, event, link or log record. Raises Unreadable."""
    found: dict[str, Any] = {}
    for pair in list_of(holder, "attributes"):
        try:
            found[pair.get("key", "")] = value_of(pair.get("value"), 0)
        except (TypeError, AttributeError):
            raise Unreadable("an attribute is not an object with key and value") from None
    if found and not all(isinstance(key, str) for key in found):
        raise Unreadable("an attribute's key is not text")
    return found


def value_of(value: Any, depth: int) -> Any:
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
    return [value_of(_member(item), depth + 1) for item in _members(content)]


def _map(content: Any, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in _members(content):
        key = _member(pair).get("key", "")
        if not isinstance(key, str):
            raise Unreadable("a kvlistValue's key is not text")
        found[key] = value_of(_member(pair.get("value") or {}), depth + 1)
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
        "resourceLogs", "scopeLogs", "logRecords", "observedTimeUnixNano", "severityNumber", "severityText",
        "eventName", "resourceMetrics", "scopeMetrics", "exponentialHistogram", "dataPoints",
    )
}  # fmt: skip


def get(holder: dict[str, Any], key: str) -> Any:
    """A member by its name in camelCase, or the same in snake_case."""
    value = holder.get(key)
    if value is None and key in _OTHER_NAME:
        return holder.get(_OTHER_NAME[key])
    return value


def object_of(value: Any, place: str) -> dict[str, Any]:
    """A value that must be an object. Raises BadInput with its place."""
    if isinstance(value, dict):
        return value
    raise BadInput(f"not an OTLP request: {place} is not an object")


def objects_of(holder: dict[str, Any], key: str, place: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of a list with their places. Raises BadInput for what is no list of objects."""
    items = get(holder, key)
    if items is None:
        return
    if not isinstance(items, list):
        raise BadInput(f"not an OTLP request: {key} of {place} is not a list")
    for index, item in enumerate(items):
        where = f"{key}[{index}]" if place == "the document" else f"{place}.{key}[{index}]"
        yield object_of(item, where), where


def list_of(raw: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """A list of objects; absent is empty. Raises Unreadable."""
    items = raw.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unreadable(f"{key} is not a list of objects")
    return items


def text_of(holder: dict[str, Any], key: str) -> str:
    """A text; absent is empty. Raises Unreadable."""
    value = get(holder, key)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise Unreadable(f"{key} is not text")


def integer_of(holder: dict[str, Any], key: str) -> int:
    """An unsigned number, written as a number or as text; absent is 0, as in protobuf. Raises Unreadable."""
    value = get(holder, key)
    if value.__class__ is int and value >= 0:
        return int(value)
    if value is None or value == "":
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        return int(value)
    if isinstance(value, float) and value >= 0 and value.is_integer():
        return int(value)
    raise Unreadable(f"{key} is not a whole number")


def enum_of(holder: dict[str, Any], key: str, names: dict[str, int]) -> int:
    """An enum, written as its number or its name; absent and unknown numbers are 0. Raises Unreadable."""
    value = get(holder, key)
    if isinstance(value, str) and value in names:
        return names[value]
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value in names.values() else 0
    raise Unreadable(f"{key} is not one of {', '.join(names)}")


def id_of(holder: dict[str, Any], key: str) -> str:
    """An id as lower-case hex; absent is empty. Padding tells base64 from hex: 16 and 8 bytes always end in "="."""
    value = get(holder, key)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"{key} is not text")
    if _HEX.match(value):
        return value.lower()
    if value.endswith("="):
        return _blob(value, 0).hex()
    raise Unreadable(f"{key} is neither hex nor base64")
