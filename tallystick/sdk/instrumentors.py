"""Finds the OpenTelemetry instrumentors of AI libraries that are installed, and switches them on.

Only packages that observe models, agents and tools are taken; a web framework's or a database's instrumentor is the
program's own business. Where two observe the same library, OpenInference's is taken and the other left off, so that
nothing is recorded twice.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tallystick.sdk.edge import caught

_GROUP = "opentelemetry_instrumentor"
_PREFERRED = "openinference-instrumentation"
# Entry point names of the instrumentors of AI libraries outside OpenInference.
_AI = frozenset({
    "agno", "alephalpha", "anthropic", "bedrock", "chromadb", "cohere", "crewai", "google_genai",
    "google_generativeai", "groq", "haystack", "lancedb", "langchain", "llamaindex", "marqo", "mcp", "milvus",
    "mistralai", "ollama", "openai", "openai_agents", "openai_v2", "pinecone", "qdrant", "replicate", "sagemaker",
    "together", "transformers", "vertexai", "voyageai", "watsonx", "weaviate", "writer",
})  # fmt: skip


def switch_on(provider: Any) -> dict[str, str]:
    """Instrument every library there is an instrumentor for; returns what became of each: "on", "already on",
    "left off: …" or "failed: …". Never raises."""
    found = sorted(_wanted(), key=lambda pair: (not pair[1].startswith(_PREFERRED), pair[0].name))
    report: dict[str, str] = {}
    taken: dict[str, str] = {}
    for point, distribution in found:
        label = f"{distribution}:{point.name}"
        library = _library(point, distribution)
        if library in taken:
            report[label] = f"left off: {taken[library]} observes the same library"
            continue
        report[label] = _instrument(point, provider)
        if report[label].endswith("on"):
            taken[library] = distribution
    return report


def _wanted() -> list[tuple[EntryPoint, str]]:
    pairs = []
    for point in entry_points(group=_GROUP):
        distribution = point.dist.name.lower().replace("_", "-") if point.dist is not None else ""
        if distribution.startswith(_PREFERRED) or point.name in _AI:
            pairs.append((point, distribution))
    return pairs


def _library(point: EntryPoint, distribution: str) -> str:
    for prefix in ("openinference-instrumentation-", "opentelemetry-instrumentation-"):
        if distribution.startswith(prefix):
            return distribution[len(prefix) :].removesuffix("-v2").replace("-", "").replace("_", "")
    return point.name.replace("_", "")


def _instrument(point: EntryPoint, provider: Any) -> str:
    try:
        instrumentor = point.load()()
        if getattr(instrumentor, "is_instrumented_by_opentelemetry", False):
            return "already on"
        instrumentor.instrument(tracer_provider=provider)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        caught("instrumentor", error, answered=True)
        return f"failed: {type(error).__name__}: {error}"
    return "on"
