"""Files of logs are imported like files of spans, and what was exported comes in again as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from test_cli_real import Tally

from tallystick.cli.otlp_files import read_otlp
from tallystick.model.errors import BadInput

DATA = Path(
    os.environ.get("TALLYSTICK_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data"
)
RECORD = {
    "timeUnixNano": "1700000000000000000", "traceId": "ab" * 16, "spanId": "cd" * 8, "eventName": "exception",
    "attributes": [{"key": "exception.type", "value": {"stringValue": "Oops"}}], "severityNumber": 17,
}  # fmt: skip
LOGS: dict[str, Any] = {"resourceLogs": [{"scopeLogs": [{"logRecords": [RECORD]}]}]}


def protobuf() -> bytes:
    request = json_format.ParseDict(LOGS, ExportLogsServiceRequest())
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    record.trace_id, record.span_id = b"\xab" * 16, b"\xcd" * 8
    return request.SerializeToString()


@pytest.mark.parametrize(
    "content", [json.dumps(LOGS).encode(), protobuf(), (json.dumps(LOGS) + "\n").encode() * 2],
    ids=["json", "protobuf", "lines"],
)  # fmt: skip
def test_a_file_of_logs_is_read(content: bytes) -> None:
    found = read_otlp(content, "logs")
    assert {(one.trace, one.name) for one in found.spans} == {("ab" * 16, "exception")}
    assert not found.rejected


@pytest.mark.parametrize("content", [b'{"resourceMetrics": []}', b"\x0a\xff\xff", b""])
def test_what_is_neither_is_said_to_be(content: bytes) -> None:
    with pytest.raises(BadInput):
        read_otlp(content, "file")


@pytest.fixture
def shops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Tally, Tally]:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    return Tally(tmp_path / "a", monkeypatch), Tally(tmp_path / "b", monkeypatch)


@pytest.mark.parametrize("form", ["otlp", "jsonl"])
def test_what_is_exported_comes_in_as_it_was(shops: tuple[Tally, Tally], form: str, tmp_path: Path) -> None:
    files = sorted((DATA / "framework-spans").glob("*.json"))[:6]
    if not files:
        pytest.skip("the recorded spans of frameworks are not here")
    first, second = shops
    out, back = tmp_path / "out", tmp_path / "back"
    first("runs", "import", "otlp", *map(str, files))
    first("runs", "export", "steps:>0", "--format", form, "-o", str(out))
    came = second.json("runs", "import", "otlp", str(out))
    assert came["rejected"] == 0
    second("runs", "export", "steps:>0", "--format", form, "-o", str(back))
    assert sorted(rows(out.read_text(), form)) == sorted(rows(back.read_text(), form))
    assert second.json("runs", "import", "otlp", str(out))["added"] == 0


def rows(text: str, form: str) -> Iterator[str]:
    """One comparable text a run or span; when something was last heard of is no content."""
    if form == "jsonl":
        for line in text.splitlines():
            yield json.dumps({**json.loads(line), "seen": None}, sort_keys=True)
        return
    for group in json.loads(text)["resourceSpans"]:
        for part in group["scopeSpans"]:
            for span in part["spans"]:
                yield json.dumps([group["resource"], part["scope"], span], sort_keys=True)
