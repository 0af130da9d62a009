"""MLflow Tracing (``mlflow.*``): every value is JSON text, also plain words (``"LLM"`` with its quotes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.span import Attributes, Span
from tallystick.model.step import Kind
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_count, clean_text, parsed

_INPUTS: Final = "mlflow.spanInputs"
_OUTPUTS: Final = "mlflow.spanOutputs"
_COUNTS: Final = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_write",
}
_KINDS: Final = {
    "LLM": Kind.MODEL,
    "CHAT_MODEL": Kind.MODEL,
    "EMBEDDING": Kind.MODEL,
    "TOOL": Kind.TOOL,
    "AGENT": Kind.AGENT,
    "RETRIEVER": Kind.RETRIEVAL,
    "RERANKER": Kind.RETRIEVAL,
    "MEMORY": Kind.MEMORY,
    "GUARDRAIL": Kind.DECISION,
    "EVALUATOR": Kind.EVALUATION,
    "CHAIN": Kind.OTHER,
    "WORKFLOW": Kind.OTHER,
    "TASK": Kind.OTHER,
    "PARSER": Kind.OTHER,
    "UNKNOWN": Kind.OTHER,
}


def _refine(span: Span, found: Found) -> None:
    attributes, kind = span.attributes, found["kind"]
    for column in ("model", "provider", "conversation", "subject"):
        value = found.get(column)
        if value is not None and value[:1] == '"':  # JSON text of a word
            found[column] = value.strip('"') or None
    if kind is Kind.MODEL:
        usage = parsed(attributes.get("mlflow.chat.tokenUsage"))
        if isinstance(usage, Mapping):
            for name, column in _COUNTS.items():
                count = clean_count(usage.get(name))
                if count is not None:
                    found.setdefault(column, count)
        answer = parsed(attributes.get(_OUTPUTS))
        if isinstance(answer, Mapping):
            _from_answer(answer, found)
    elif kind is Kind.TOOL:
        found.setdefault("tool", clean_text(span.name))
    elif kind is Kind.AGENT:
        found.setdefault("agent", clean_text(span.name))


def _from_answer(answer: Mapping[str, Any], found: Found) -> None:
    """Reasoning tokens, and the response's id and model, stand in the provider's own answer alone."""
    for column, key in (("response_id", "id"), ("model", "model")):
        value = clean_text(answer.get(key))
        if value is not None:
            found.setdefault(column, value)
    usage = answer.get("usage")
    for name in ("completion_tokens_details", "output_tokens_details"):
        details = usage.get(name) if isinstance(usage, Mapping) else None
        count = clean_count(details.get("reasoning_tokens")) if isinstance(details, Mapping) else None
        if count is not None:
            found.setdefault("reasoning", count)


def _unfold(attributes: Attributes) -> Mapping[str, Any]:
    """Settings stand beside the messages in what the model was asked with."""
    asked = parsed(attributes.get(_INPUTS))
    if not isinstance(asked, Mapping) or "messages" not in asked:
        return {}
    settings = {key: value for key, value in asked.items() if key not in ("messages", "tools", "model")}
    return {"mlflow.settings": settings} if settings else {}


DIALECT: Final = Dialect(
    name="mlflow",
    scopes=("mlflow*",),
    markers=("mlflow.spanType", "mlflow.traceRequestId", _INPUTS),
    columns={
        "span_kind": ("mlflow.spanType",),
        "model": ("mlflow.llm.model",),
        "provider": ("mlflow.llm.provider",),
        "conversation": ("session.id", "mlflow.trace.session"),
        "subject": ("user.id", "mlflow.trace.user"),
    },
    kinds={**_KINDS, **{f'"{name}"': kind for name, kind in _KINDS.items()}},
    contents={
        "arguments": (_INPUTS,),
        "result": (_OUTPUTS,),
        "input": (_INPUTS,),
        "output": (_OUTPUTS,),
        "documents": (_OUTPUTS,),
        "input_messages": (_INPUTS,),
        "output_messages": (_OUTPUTS,),
        "tool_definitions": ("mlflow.chat.tools",),
        "parameters": ("mlflow.settings",),
    },
    json_texts=frozenset({_INPUTS, _OUTPUTS}),
    unfold=_unfold,
    refine=_refine,
)
