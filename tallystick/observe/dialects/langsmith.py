"""LangSmith's OpenTelemetry export: canonical names for little, LangChain's serialised JSON for the
contents."""

from __future__ import annotations

import re
from typing import Final

from tallystick.model.span import Span
from tallystick.model.step import Kind
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_text

# Details are only inside a small JSON text; two searches cost less than parsing it for every span.
_CACHE_READ = re.compile(r'"cache_read"\s*:\s*(\d{1,15})\b')
_CACHE_WRITE = re.compile(r'"cache_creation"\s*:\s*(\d{1,15})\b')
_REASONING = re.compile(r'"reasoning"\s*:\s*(\d{1,15})\b')


def _refine(span: Span, found: Found) -> None:
    if found["kind"] is Kind.TOOL:
        found.setdefault("tool", clean_text(span.name))
        return
    details = span.attributes.get("langsmith.metadata.usage_metadata")
    if found["kind"] is not Kind.MODEL or type(details) is not str:
        return
    for column, pattern in (
        ("cache_read", _CACHE_READ),
        ("cache_write", _CACHE_WRITE),
        ("reasoning", _REASONING),
    ):
        match = pattern.search(details)
        if match is not None:
            found.setdefault(column, int(match.group(1)))


DIALECT: Final = Dialect(
    name="langsmith",
    scopes=("langsmith",),
    markers=("langsmith.span.kind",),
    columns={
        "span_kind": ("langsmith.span.kind",),
        "agent": ("langsmith.metadata.lc_agent_name",),
        "conversation": ("langsmith.metadata.session_id", "langsmith.metadata.thread_id"),
        "provider": ("langsmith.metadata.ls_provider",),
        "model": ("langsmith.metadata.ls_model_name",),
    },
    kinds={
        "llm": Kind.MODEL,
        "embedding": Kind.MODEL,
        "tool": Kind.TOOL,
        "retriever": Kind.RETRIEVAL,
        "chain": Kind.OTHER,
        "prompt": Kind.OTHER,
        "parser": Kind.OTHER,
    },
    contents={
        "arguments": ("gen_ai.prompt",),
        "result": ("gen_ai.completion",),
        "input": ("gen_ai.prompt",),
        "output": ("gen_ai.completion",),
        "input_messages": ("gen_ai.prompt",),
        "output_messages": ("gen_ai.completion",),
    },
    refine=_refine,
)
