"""OTLP JSON: an ``ExportLogsServiceRequest`` as spans that stand for its records (see observe/logs.py)."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tallystick.api.otlp.batch import Batch, Unreadable, flaw_of_log_ids
from tallystick.api.otlp.json_values import (
    attributes_of,
    decode,
    enum_of,
    get,
    id_of,
    integer_of,
    object_of,
    objects_of,
    read_part,
    source_of,
    text_of,
    value_of,
)
from tallystick.model.log import LogRecord
from tallystick.model.span import Source, Span
from tallystick.observe.logs import span_of

_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_SEVERITIES: Final = {"SEVERITY_NUMBER_UNSPECIFIED": 0} | {
    f"SEVERITY_NUMBER_{level}{step or ''}": 4 * at + max(step, 1)
    for at, level in enumerate(_LEVELS)
    for step in (0, 2, 3, 4)
}


def read_json_logs(body: bytes) -> Batch:
    """Read an ``ExportLogsServiceRequest`` in JSON.

    Raises BadInput, with the byte or the place, for what is not JSON or not a log request; a record that cannot be
    read, or tells of no run, is listed in ``rejected``.
    """
    batch = Batch()
    for group, place in objects_of(decode(body), "resourceLogs", "the document"):
        resource = object_of(get(group, "resource") or {}, f"{place}.resource")
        for part, where in objects_of(group, "scopeLogs", place):
            raws = [raw for raw, _ in objects_of(part, "logRecords", where)]
            read_part(raws, partial(source_of, group, part, resource), _read_record, batch)
    return batch


def _read_record(raw: dict[str, Any], source: Source) -> Span:
    trace, span = id_of(raw, "traceId"), id_of(raw, "spanId")
    flaw = flaw_of_log_ids(trace, span)
    if flaw is not None:
        raise Unreadable(flaw)
    body = get(raw, "body")
    if body is not None and not isinstance(body, dict):
        raise Unreadable("the body is not an object that names its type")
    record = LogRecord(
        trace, span, text_of(raw, "eventName"), integer_of(raw, "timeUnixNano"),
        integer_of(raw, "observedTimeUnixNano"), source, enum_of(raw, "severityNumber", _SEVERITIES),
        text_of(raw, "severityText"), None if body is None else value_of(body, 0), attributes_of(raw),
        integer_of(raw, "droppedAttributesCount"),
    )  # fmt: skip
    return span_of(record)
