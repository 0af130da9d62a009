"""What every recording script shares: spans kept in memory, written as one OTLP/JSON request (ids in hex).

Runs in the recorded library's own environment, so it imports nothing of Tallystick."""

from __future__ import annotations

import base64
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

KEPT = InMemorySpanExporter()
URL = os.environ["MODEL_URL"]
KEY = "none"
MODEL = "gpt-4o-mini"


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"{city}: 21C sunny"


def processor() -> SimpleSpanProcessor:
    """A processor for a provider that the library made itself."""
    return SimpleSpanProcessor(KEPT)


def provider() -> TracerProvider:
    """A provider of our own, made the global one."""
    from opentelemetry import trace

    made = TracerProvider()
    made.add_span_processor(processor())
    trace.set_tracer_provider(made)
    return made


def write(*packages: str, **told: Any) -> None:
    """Write the spans, and beside them what this script knows to be true (versions, agent, conversation, user)."""
    spans: list[ReadableSpan] = list(KEPT.get_finished_spans())
    document = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for resource in document.get("resourceSpans", ()):
        kept = [
            a for a in resource.get("resource", {}).get("attributes", ()) if not _of_this_machine(a["key"])
        ]
        resource.setdefault("resource", {})["attributes"] = kept
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for holder in (span, *span.get("links", ())):
                    for key in ("traceId", "spanId", "parentSpanId"):
                        if key in holder:
                            holder[key] = base64.b64decode(holder[key]).hex()
    text = json.dumps(document, indent=1, ensure_ascii=False).replace(str(Path.home()), "/app")
    text = text.replace(sys.prefix, "/app").replace(str(Path(__file__).resolve().parents[2]), "/app")
    Path(os.environ["SPANS_OUT"]).write_text(text)
    versions = {package: version(package) for package in packages}
    Path(os.environ["TOLD_OUT"]).write_text(json.dumps({"versions": versions, **told}))


def _of_this_machine(key: str) -> bool:
    return key.startswith(("host.", "process.", "os.")) or key == "service.instance.id"
