"""OTLP in both its encodings: bytes of an ``ExportTraceServiceRequest`` in, ``model.Span`` objects out."""

from tallystick.api.otlp.batch import Batch
from tallystick.api.otlp.json import read_json
from tallystick.api.otlp.protobuf import read_protobuf

__all__ = ["Batch", "read_json", "read_protobuf"]
