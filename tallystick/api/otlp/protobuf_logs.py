"""OTLP protobuf: an ``ExportLogsServiceRequest`` as spans that stand for its records (see observe/logs.py).

Spec: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto
"""

from __future__ import annotations

from typing import Any, Final

from tallystick.api.otlp.batch import Batch, Unreadable, flaw_of_log_ids
from tallystick.api.otlp.trimmed import (
    BYTES,
    FIXED64,
    INT32,
    MANY,
    MESSAGE,
    ONE,
    RESOURCE,
    UINT32,
    Schema,
    compile_schema,
    parse,
    rejection_of,
    source_of,
    text_of,
)
from tallystick.api.otlp.values import read_attributes, read_value
from tallystick.model.errors import BadInput
from tallystick.model.log import LogRecord
from tallystick.model.span import Source
from tallystick.observe.logs import span_of

_MESSAGES: Final[Schema] = {
    "Logs": (("resource_logs", 1, MESSAGE, MANY, "ResourceLogs"),),
    "ResourceLogs": (
        ("resource", 1, MESSAGE, ONE, "Resource"),
        ("scope_logs", 2, MESSAGE, MANY, "ScopeLogs"),
        ("schema_url", 3, BYTES, ONE, ""),
    ),
    "Resource": RESOURCE,
    "ScopeLogs": (
        ("scope", 1, BYTES, ONE, ""),
        ("log_records", 2, MESSAGE, MANY, "LogRecord"),
        ("schema_url", 3, BYTES, ONE, ""),
    ),
    "LogRecord": (
        ("at", 1, FIXED64, ONE, ""),
        ("severity", 2, INT32, ONE, ""),
        ("severity_text", 3, BYTES, ONE, ""),
        ("body", 5, BYTES, ONE, ""),
        ("attributes", 6, BYTES, MANY, ""),
        ("dropped_attributes", 7, UINT32, ONE, ""),
        ("trace_id", 9, BYTES, ONE, ""),
        ("span_id", 10, BYTES, ONE, ""),
        ("observed", 11, FIXED64, ONE, ""),
        ("event", 12, BYTES, ONE, ""),
    ),
}
_REQUEST: Final = compile_schema(_MESSAGES, "Logs")


def read_protobuf_logs(body: bytes) -> Batch:
    """Read a serialised ``ExportLogsServiceRequest``.

    Raises BadInput, naming the byte and the place, when the framing is broken or cut off; a record that cannot be
    read, or tells of no run, is listed in ``rejected``.
    """
    request = parse(_REQUEST, body, root="logs", what="log", message="ExportLogsServiceRequest")
    batch = Batch()
    for group in request.resource_logs:
        for part in group.scope_logs:
            _read_part(group, part, batch)
    return batch


def _read_part(group: Any, part: Any, batch: Batch) -> None:
    try:
        source = source_of(group, part)
    except Unreadable as error:
        reason = f"its resource or scope cannot be read: {error.message}"
        batch.rejected.extend(rejection_of(raw, reason) for raw in part.log_records)
        return
    for raw in part.log_records:
        try:
            batch.spans.append(span_of(_read_record(raw, source)))
        except BadInput as error:
            batch.rejected.append(rejection_of(raw, error.message))


def _read_record(raw: Any, source: Source) -> LogRecord:
    trace, span = raw.trace_id.hex(), raw.span_id.hex()
    flaw = flaw_of_log_ids(trace, span)
    if flaw is not None:
        raise Unreadable(flaw)
    return LogRecord(
        trace, span, text_of(raw.event, "the event's name"), raw.at, raw.observed, source, raw.severity,
        text_of(raw.severity_text, "the severity"), read_value(raw.body, "the body"), read_attributes(raw.attributes),
        raw.dropped_attributes,
    )  # fmt: skip
