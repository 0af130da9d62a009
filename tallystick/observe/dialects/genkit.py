"""Genkit (``genkit:*``): actions with a type, input and output as JSON text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.span import Attributes, Span
from tallystick.model.step import Kind, StepStatus
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_count, clean_text, parsed

_INPUT: Final = "genkit:input"
_OUTPUT: Final = "genkit:output"
_COUNTS: Final = {
    "inputTokens": "input",
    "outputTokens": "output",
    "cachedContentTokens": "cache_read",
    "thoughtsTokens": "reasoning",
}


def _refine(span: Span, found: Found) -> None:
    kind, name = found["kind"], clean_text(span.attributes.get("genkit:name")) or clean_text(span.name)
    if kind is Kind.MODEL:
        provider, slash, model = (name or "").partition("/")
        found.setdefault("model", model if slash else name)
        if slash:
            found.setdefault("provider", provider.lower())
        answer = parsed(span.attributes.get(_OUTPUT))
        usage = answer.get("usage") if isinstance(answer, Mapping) else None
        if isinstance(usage, Mapping):
            for given, column in _COUNTS.items():
                count = clean_count(usage.get(given))
                if count is not None:
                    found.setdefault(column, count)
    elif kind is Kind.TOOL:
        found.setdefault("tool", name)
    elif kind is Kind.AGENT and name is not None:
        found.setdefault("workflow", name)
    if span.attributes.get("genkit:state") == "error":
        found["status"] = StepStatus.ERROR


def _unfold(attributes: Attributes) -> Mapping[str, Any]:
    asked = parsed(attributes.get(_INPUT))
    if not isinstance(asked, Mapping) or "messages" not in asked:
        return {}
    found: dict[str, Any] = {}
    if isinstance(asked.get("tools"), list):
        found["gen_ai.tool.definitions"] = asked["tools"]
    if isinstance(asked.get("config"), Mapping):
        found["genkit.config"] = asked["config"]
    return found


DIALECT: Final = Dialect(
    name="genkit",
    scopes=("genkit-tracer", "genkit*"),
    markers=("genkit:type", "genkit:metadata:subtype", "genkit:name"),
    columns={
        "span_kind": ("genkit:metadata:subtype", "genkit:type"),
        "conversation": ("genkit:sessionId",),
    },
    kinds={
        "model": Kind.MODEL,
        "embedder": Kind.MODEL,
        "tool": Kind.TOOL,
        "tool.v2": Kind.TOOL,
        "retriever": Kind.RETRIEVAL,
        "reranker": Kind.RETRIEVAL,
        "evaluator": Kind.EVALUATION,
        "flow": Kind.AGENT,
        "agent": Kind.AGENT,
    },
    contents={
        "arguments": (_INPUT,),
        "result": (_OUTPUT,),
        "input": (_INPUT,),
        "output": (_OUTPUT,),
        "documents": (_OUTPUT,),
        "input_messages": (_INPUT,),
        "output_messages": (_OUTPUT,),
        "parameters": ("genkit.config",),
    },
    json_texts=frozenset({_INPUT, _OUTPUT}),
    unfold=_unfold,
    refine=_refine,
)
