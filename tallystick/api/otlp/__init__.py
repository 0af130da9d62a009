"""OTLP in both its encodings: bytes of a request in, ``model.Span`` objects out.

The readers are loaded when the first request comes: the protobuf runtime takes about a fifth of the server's start,
and a server that only shows pages never needs it.
"""

from __future__ import annotations

from tallystick.api.otlp.batch import Batch

__all__ = ["Batch", "count_metrics", "read_json", "read_json_logs", "read_protobuf", "read_protobuf_logs"]


def read_protobuf(body: bytes) -> Batch:
    """Read the protobuf encoding; see ``otlp/protobuf.py``. Raises BadInput."""
    from tallystick.api.otlp.protobuf import read_protobuf as read

    return read(body)


def read_json(body: bytes) -> Batch:
    """Read the JSON encoding; see ``otlp/json.py``. Raises BadInput."""
    from tallystick.api.otlp.json import read_json as read

    return read(body)


def read_protobuf_logs(body: bytes) -> Batch:
    """Read log records in protobuf; see ``otlp/protobuf_logs.py``. Raises BadInput."""
    from tallystick.api.otlp.protobuf_logs import read_protobuf_logs as read

    return read(body)


def read_json_logs(body: bytes) -> Batch:
    """Read log records in JSON; see ``otlp/json_logs.py``. Raises BadInput."""
    from tallystick.api.otlp.json_logs import read_json_logs as read

    return read(body)


def count_metrics(body: bytes, *, as_json: bool) -> int:
    """How many data points a metrics request holds; see ``otlp/metrics.py``. Raises BadInput."""
    from tallystick.api.otlp.metrics import count_json, count_protobuf

    return count_json(body) if as_json else count_protobuf(body)
