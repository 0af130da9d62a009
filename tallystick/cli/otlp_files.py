"""OTLP files for ``tally runs import otlp``: a request of traces or of logs in protobuf, in JSON, or one JSON a line.

The last is what an OpenTelemetry Collector's file exporter writes, and what ``tally runs export --format jsonl`` does.
The decoders are the server's own.
"""

from __future__ import annotations

import msgspec

from tallystick.api.otlp import Batch, read_json, read_json_logs, read_protobuf, read_protobuf_logs
from tallystick.model.errors import BadInput
from tallystick.observe.formats.otlp import encoding, holds_logs


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
        return _protobuf(content)
    if form is None:
        raise BadInput(
            "this is no OTLP request of traces or logs",
            hint='expected protobuf, or JSON with "resourceSpans" or "resourceLogs"',
        )
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) < 2 or not all(
        line.lstrip()[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in lines[:2]
    ):
        return _json(content)
    whole = Batch()
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            batch = _line(line)
        except BadInput as error:
            raise BadInput(
                f"line {number}: {error.message}", hint=error.hint, **error.detail, line=number
            ) from error
        whole.spans += batch.spans
        whole.rejected += batch.rejected
    return whole


class _Exported(msgspec.Struct):
    """A line of our own export: only steps carry what was sent."""

    type: str
    otlp: msgspec.Raw = msgspec.Raw(b"null")


def _line(line: bytes) -> Batch:
    try:
        exported = msgspec.json.decode(line, type=_Exported)
    except (
        msgspec.MsgspecError
    ):  # no line of ours; what it is, and what is wrong with it, its own reader says
        return _json(line)
    if exported.type not in ("run", "step"):
        return _json(line)
    sent = bytes(exported.otlp)
    return Batch() if sent == b"null" else read_json(sent)


def _json(content: bytes) -> Batch:
    return read_json_logs(content) if holds_logs(content) else read_json(content)


def _protobuf(content: bytes) -> Batch:
    """Traces and logs begin alike and nothing names them; read as the other one, no span of a file has an id."""
    try:
        batch = read_protobuf(content)
    except BadInput:
        logs = _logs(content)
        if logs is None:
            raise
        return logs
    if batch.spans or not batch.rejected:
        return batch
    return _logs(content) or batch


def _logs(content: bytes) -> Batch | None:
    try:
        logs = read_protobuf_logs(content)
    except BadInput:
        return None
    return logs if logs.spans else None
