"""OTLP metrics: counted, not kept. Senders are told how many data points were refused, as OTLP asks for.

Spec: https://opentelemetry.io/docs/specs/otlp/#partial-success-1
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tallystick.api.otlp.batch import Unreadable
from tallystick.api.otlp.json_values import decode, get, list_of, objects_of
from tallystick.api.otlp.locate import locate_fault
from tallystick.api.otlp.trimmed import BYTES, MANY, MESSAGE, ONE, Schema, compile_schema
from tallystick.model.errors import BadInput

_JSON_SHAPES: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
_SHAPES: Final = {"gauge": 5, "sum": 7, "histogram": 9, "exponential_histogram": 10, "summary": 11}
_MESSAGES: Final[Schema] = {
    "Metrics": (("resource_metrics", 1, MESSAGE, MANY, "ResourceMetrics"),),
    "ResourceMetrics": (("scope_metrics", 2, MESSAGE, MANY, "ScopeMetrics"),),
    "ScopeMetrics": (("metrics", 2, MESSAGE, MANY, "Metric"),),
    "Metric": tuple((name, number, MESSAGE, ONE, "Points") for name, number in _SHAPES.items()),
    "Points": (("points", 1, BYTES, MANY, ""),),
}
_REQUEST: Final = compile_schema(_MESSAGES, "Metrics")


def count_protobuf(body: bytes) -> int:
    """Data points in a serialised ``ExportMetricsServiceRequest``. Raises BadInput, naming the byte and the place."""
    try:
        request = _REQUEST.FromString(body)
    except DecodeError as error:
        place = locate_fault(body, "metrics")
        raise BadInput(f"not an OTLP metrics request: {place or error}") from error
    return sum(
        len(getattr(metric, shape).points)
        for group in request.resource_metrics
        for part in group.scope_metrics
        for metric in part.metrics
        for shape in _SHAPES
    )


def count_json(body: bytes) -> int:
    """Data points in an ``ExportMetricsServiceRequest`` in JSON. Raises BadInput with the place."""
    count = 0
    for group, place in objects_of(decode(body), "resourceMetrics", "the document"):
        for part, where in objects_of(group, "scopeMetrics", place):
            for metric, at in objects_of(part, "metrics", where):
                for shape in _JSON_SHAPES:
                    points = get(metric, shape)
                    if isinstance(points, dict):
                        count += _points(points, at)
    return count


def _points(holder: dict[str, object], place: str) -> int:
    try:
        return len(list_of(holder, "dataPoints"))
    except Unreadable as error:
        raise BadInput(f"not an OTLP metrics request: {error.message} in {place}") from error
