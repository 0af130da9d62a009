"""OTLP in both its encodings: bytes of an ``ExportTraceServiceRequest`` in, ``model.Span`` objects out.

The readers are loaded when the first request comes: the protobuf runtime takes about a fifth of the server's start,
and a server that only shows pages never needs it.
"""

from __future__ import annotations

from tallystick.api.otlp.batch import Batch

__all__ = ["Batch", "read_json", "read_protobuf"]


def read_protobuf(body: bytes) -> Batch:
    """Read the protobuf encoding; see ``otlp/protobuf.py``. Raises BadInput."""
    from tallystick.api.otlp.protobuf import read_protobuf as read

    return read(body)


def read_json(body: bytes) -> Batch:
    """Read the JSON encoding; see ``otlp/json.py``. Raises BadInput."""
    from tallystick.api.otlp.json import read_json as read

    return read(body)
