"""POST /v1/logs and /v1/metrics to a real server over a real store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import test_framework_spans as dumps
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from real_server import tally_up
from test_server_frameworks import ask

from tallystick.api.otlp import read_protobuf, read_protobuf_logs
from tallystick.app.reading.read import Reader
from tallystick.app.recording.record import Recorder
from tallystick.cost.rates import RateCard
from tallystick.testing import FakeClock, memory_stores

PROTOBUF, JSON = "application/x-protobuf", "application/json"
AT = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with tally_up(tmp_path_factory.mktemp("logs")) as given:
        yield given


def record_of(**fields: Any) -> dict[str, Any]:
    return {"timeUnixNano": str(AT), "traceId": "ab" * 16, "spanId": "cd" * 8} | fields


def request_of(*records: dict[str, Any]) -> bytes:
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()


def attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def test_records_are_stored_and_what_tells_of_no_run_comes_back(port: int) -> None:
    good = record_of(
        eventName="exception", attributes=[attribute("exception.type", "Oops")], severityNumber=17
    )
    joined = record_of(
        eventName="note", traceId="", spanId="", attributes=[attribute("session.id", "a session")]
    )
    answer = ask(port, "/v1/logs", request_of(good, joined, record_of(body={"stringValue": "GET /"})), JSON)
    assert answer["partialSuccess"]["rejectedLogRecords"] == "1"
    assert "a plain log line" in answer["partialSuccess"]["errorMessage"]
    assert ask(port, "/v1/logs", request_of(good, joined), JSON) == {}
    shown = [ask(port, f"/api/runs/{run['run']}") for run in ask(port, "/api/runs")["runs"]]
    found = [(step["name"], step["status"], step["error"]) for run in shown for step in run["steps"]]
    assert sorted(found, key=str) == [("exception", "error", "Oops"), ("note", "ok", None)]


def test_metrics_are_refused_in_words_and_not_tried_again(port: int) -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    metric.gauge.data_points.add(as_int=3)
    answer = ask(port, "/v1/metrics", request.SerializeToString(), PROTOBUF)
    told = ExportMetricsServiceResponse.FromString(answer).partial_success
    assert (told.rejected_data_points, "metrics are not kept" in told.error_message) == (1, True)
    assert ask(port, "/v1/metrics", b"{}", JSON) == {}


@dumps.pytestmark
@pytest.mark.parametrize("signals", ["logs", "traces logs", "logs traces", "logs traces logs traces"])
def test_spans_and_records_of_one_session_are_one_run(signals: str) -> None:
    stores = memory_stores()
    recorder = Recorder(stores.traces, RateCard({}), FakeClock())
    for signal in signals.split():
        read = read_protobuf if signal == "traces" else read_protobuf_logs
        batch = read((dumps.DATA / f"claude-cli.native.{signal}.pb").read_bytes())
        assert batch.rejected == []
        recorder.record(batch.spans)
    reader = Reader(stores.traces, stores.control, FakeClock())
    (run,) = reader.runs()["runs"]
    truth = dumps.TRUTH["claude-cli.native.traces"]
    shown = reader.run(run["run"])
    assert (run["model_calls"], run["tool_calls"]) == (truth["model_calls"]["logical"], 2)
    real = truth["usage_consumed_normalised"]
    assert run["usage"]["input_tokens"] == real["input_tokens_including_cache"]
    assert run["usage"]["output_tokens"] == real["output_tokens_including_reasoning"]
    calls = [step for step in shown["steps"] if step["kind"] == "tool" and not step["same_as"]]
    assert [(step["tool"], step["arguments"]) for step in calls] == [
        ("get_weather", {"city": "Paris"}),
        ("to_fahrenheit", {"celsius": 21}),
    ]
    if "traces" in signals:
        assert (run["completeness"], run["steps"]) == ("complete", 23)
