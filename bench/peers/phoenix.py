"""Arize Phoenix: SQLite store, OTLP at /v1/traces, answers before it stores, its page reads GraphQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.client import ask_json
from bench.environments import folder_of, version_of
from bench.load import Load
from bench.peers import Opened

_OPEN = """query ($trace: String!) { getTraceByOtelId(traceId: $trace) { spans(first: 1000) { edges { node {
 id name spanKind statusCode startTime endTime latencyMs parentId spanId tokenCountTotal tokenCountPrompt
 tokenCountCompletion input { truncatedValue } output { truncatedValue } } } } } }"""


class Phoenix:
    """Driver for Phoenix with its defaults (telemetry off)."""

    name = "Phoenix"
    page = "/"
    ingest = "/v1/traces"
    headers: dict[str, str] = {"content-type": "application/x-protobuf"}  # noqa: RUF012 - a constant of the driver

    def version(self) -> str:
        return version_of(self.environment(), "arize-phoenix")

    def environment(self) -> Path:
        return folder_of("phoenix")

    def command(self, port: int, folder: Path) -> list[str]:
        return [str(self.environment() / "bin" / "phoenix"), "serve"]

    def variables(self, port: int, folder: Path) -> dict[str, str]:
        return {
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(port + 1),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_WORKING_DIR": str(folder),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }

    def queryable(self, port: int, load: Load, before: int) -> bool:
        return self._count(port) >= before + load.spans

    def stored(self, port: int, folder: Path) -> int:
        return self._count(port)

    def _count(self, port: int) -> int:
        data = _graphql(port, "{ projects { edges { node { recordCount } } } }", {})
        return sum(edge["node"]["recordCount"] for edge in data["projects"]["edges"])

    def open_run(self, port: int, trace: str) -> Opened:
        data = _graphql(port, _OPEN, {"trace": trace})
        spans = data["getTraceByOtelId"]["spans"]["edges"]
        return Opened(len(spans), len(json.dumps(data)))


def _graphql(port: int, query: str, variables: dict[str, Any]) -> Any:
    answer = ask_json(port, "POST", "/graphql", body={"query": query, "variables": variables})
    if answer.get("errors"):
        raise RuntimeError(f"Phoenix: {answer['errors'][0]['message']}")
    return answer["data"]
