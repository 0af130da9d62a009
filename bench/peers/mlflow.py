"""MLflow's tracking server: SQLite store, OTLP at /v1/traces for one experiment, stores before it answers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bench.client import BenchError, ask, ask_json
from bench.environments import folder_of, version_of
from bench.load import Load
from bench.peers import Opened


class Mlflow:
    """Driver for ``mlflow server`` with its defaults (4 workers) and a SQLite back end."""

    name = "MLflow"
    page = "/"
    ingest = "/v1/traces"
    headers: dict[str, str] = {  # noqa: RUF012 - a constant of the driver
        "content-type": "application/x-protobuf",
        "x-mlflow-experiment-id": "0",
    }

    def version(self) -> str:
        return version_of(self.environment(), "mlflow")

    def environment(self) -> Path:
        return folder_of("mlflow")

    def command(self, port: int, folder: Path) -> list[str]:
        return [
            str(self.environment() / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port),
            "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
            "--artifacts-destination", str(folder / "artifacts"),
        ]  # fmt: skip

    def variables(self, port: int, folder: Path) -> dict[str, str]:
        return {"PATH": f"{self.environment() / 'bin'}:/usr/bin:/bin", "MLFLOW_DISABLE_TELEMETRY": "true"}

    def queryable(self, port: int, load: Load, before: int) -> bool:
        try:
            return self.open_run(port, load.last).spans >= load.last_spans
        except BenchError:
            return False

    def stored(self, port: int, folder: Path) -> int:
        with sqlite3.connect(f"file:{folder}/mlflow.db?mode=ro", uri=True) as store:
            return int(store.execute("SELECT count(*) FROM spans").fetchone()[0])

    def open_run(self, port: int, trace: str) -> Opened:
        path = f"/api/3.0/mlflow/traces/get?trace_id=tr-{trace}&allow_partial=true"
        status, body = ask(port, "GET", path)
        if status != 200:
            raise BenchError(f"GET {path}: {status} {body[:200]!r}")
        spans = ask_json(port, "GET", path)["trace"].get("spans", []) if len(body) < 200_000 else None
        return Opened(len(spans) if spans is not None else body.count(b'"span_id"'), len(body))
