"""OTLP over gRPC with OpenTelemetry's own exporters against a real server on a loopback port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from server_double import Serving
from test_server_ingest import request_of

from tallystick.api.settings import ServerSettings
from tallystick.model.errors import ConfigError

TOKEN = "a-long-token-that-nobody-guesses-0123456789"
SMALL = ServerSettings(max_body=100_000, max_unpacked=300_000)


class GrpcServing(Serving):
    """A server that also listens for gRPC, on a port that it picked."""

    def __init__(self, folder: Path, settings: ServerSettings) -> None:
        super().__init__(folder, settings)
        self.grpc_port = self.app.listen_grpc("127.0.0.1", 0)

    def __enter__(self) -> GrpcServing:
        super().__enter__()
        return self

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[GrpcServing]:
    with GrpcServing(tmp_path, SMALL) as started:
        yield started


def export(target: str, body: bytes, **options: Any) -> Any:
    with grpc.insecure_channel(target) as channel:
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)
        return stub.Export(ExportTraceServiceRequest.FromString(body), timeout=20, **options)


def refusal_of(call: Callable[[], Any]) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_exporter_of_opentelemetry_delivers(serving: GrpcServing, compression: Any) -> None:
    exporter = OTLPSpanExporter(endpoint=f"http://{serving.target}", insecure=True, compression=compression)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("a.scope").start_as_current_span("step") as span:
        made = f"{span.get_span_context().span_id:016x}"
    provider.shutdown()
    assert serving.recorder.ids() == {made}
    assert serving.app._ingest.tally.accepted == 1


def test_bad_spans_come_back_in_partial_success(serving: GrpcServing) -> None:
    told = export(serving.target, request_of(1, 3, s2="bad")).partial_success
    assert (told.rejected_spans, "its name is bad" in told.error_message) == (1, True)
    assert serving.recorder.ids() == {f"{1:016x}", f"{3:016x}"}


def test_logs_are_stored_and_metrics_refused_in_words(serving: GrpcServing) -> None:
    logs, metrics = (
        logs_service_pb2.ExportLogsServiceRequest(),
        metrics_service_pb2.ExportMetricsServiceRequest(),
    )
    record = logs.resource_logs.add().scope_logs.add().log_records.add(event_name="note", time_unix_nano=5)
    record.trace_id, record.span_id = b"\x01" * 16, b"\x02" * 8
    metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="m").gauge.data_points.add(as_int=3)
    with grpc.insecure_channel(serving.target) as channel:
        logs_service_pb2_grpc.LogsServiceStub(channel).Export(logs, timeout=20)
        answer = metrics_service_pb2_grpc.MetricsServiceStub(channel).Export(metrics, timeout=20)
    assert len(serving.recorder.ids()) == 1
    assert answer.partial_success.rejected_data_points == 1
    exporter = OTLPMetricExporter(endpoint=f"http://{serving.target}", insecure=True)
    exporter.shutdown()


def test_a_full_store_says_when_to_come_back(serving: GrpcServing) -> None:
    serving.recorder.full = True
    error = refusal_of(lambda: export(serving.target, request_of(1, 1)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert b"google.rpc.RetryInfo" in details
    assert details.endswith(b"\x0a\x02\x08\x05")  # in five seconds
    serving.recorder.full = False
    export(serving.target, request_of(1, 1))
    assert serving.recorder.ids() == {f"{1:016x}"}


def test_bodies_over_the_limits_are_refused_packed_or_not(serving: GrpcServing) -> None:
    long = request_of(1, 1, s1="x" * 400_000)
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        error = refusal_of(lambda c=compression: export(serving.target, long, compression=c))  # type: ignore[misc]
        assert error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT)
    assert serving.recorder.ids() == set()


def test_malformed_requests_and_unknown_methods(serving: GrpcServing) -> None:
    with grpc.insecure_channel(serving.target) as channel:
        raw = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        error = refusal_of(lambda: raw(request_of(1, 1)[:-3], timeout=20))
        assert (error.code(), "cut off" in error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, True)
        other = channel.unary_unary("/some.Service/Method")
        assert refusal_of(lambda: other(b"", timeout=20)).code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_token_rule_is_that_of_http(tmp_path: Path) -> None:
    with GrpcServing(tmp_path, ServerSettings(token=TOKEN)) as serving:
        for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", TOKEN),)):
            error = refusal_of(lambda m=metadata: export(serving.target, request_of(1, 1), metadata=m))  # type: ignore[misc]
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert serving.recorder.ids() == set()
        export(serving.target, request_of(1, 1), metadata=(("authorization", f"Bearer {TOKEN}"),))
        assert serving.recorder.ids() == {f"{1:016x}"}


def test_a_taken_port_is_told(
    serving: GrpcServing, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "second").mkdir()
    with Serving(tmp_path / "second", SMALL) as second:
        capfd.readouterr()
        with pytest.raises(ConfigError, match="is taken") as taken:
            second.app.listen_grpc("127.0.0.1", serving.grpc_port)
        with pytest.raises(ConfigError, match=r"cannot be used on 192\.0\.2\.1"):
            second.app.listen_grpc("192.0.2.1", 4317)
    assert "grpc_port" in str(taken.value.hint)
    assert capfd.readouterr() == ("", "")  # gRPC's own library says nothing beside
