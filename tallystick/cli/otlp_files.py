"""OTLP files for ``tally runs import otlp``: a request in protobuf, in JSON, or one JSON request a line.

The last is what an OpenTelemetry Collector's file exporter writes. The decoders are the server's own.
"""

from __future__ import annotations

from tallystick.api.otlp import Batch, read_json, read_protobuf
from tallystick.model.errors import BadInput
from tallystick.observe.formats.otlp import encoding


def read_otlp(content: bytes, name: str) -> Batch:
    """The spans of a file, and those of them that cannot be read. Raises BadInput with file and place."""
    try:
        return _read(content)
    except BadInput as error:
        raise BadInput(
            f"{name}: {error.message}", hint=error.hint, **{**error.detail, "file": name}
        ) from error


def _read(content: bytes) -> Batch:
    form = encoding(content)
    if form == "protobuf":
        return read_protobuf(content)
    if form is None:
        raise BadInput(
            "this is no OTLP trace request",
            hint='expected an ExportTraceServiceRequest: protobuf, or JSON with "resourceSpans"',
        )
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) < 2 or not all(
        line.lstrip()[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in lines[:2]
    ):
        return read_json(content)
    whole = Batch()
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            batch = read_json(line)
        except BadInput as error:
            raise BadInput(
                f"line {number}: {error.message}", hint=error.hint, **error.detail, line=number
            ) from error
        whole.spans += batch.spans
        whole.rejected += batch.rejected
    return whole
