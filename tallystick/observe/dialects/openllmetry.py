"""OpenLLMetry: the vocabulary of Traceloop's instrumentors (``traceloop.*``, early ``llm.*`` and
``gen_ai.*`` names)."""

from __future__ import annotations

from typing import Final

from tallystick.model.span import Span
from tallystick.model.step import Kind
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_text


def _refine(span: Span, found: Found) -> None:
    kind = found["kind"]
    entity = clean_text(span.attributes.get("traceloop.entity.name"))
    if entity is None:
        return
    if kind is Kind.TOOL:
        found.setdefault("tool", entity)
    elif kind is Kind.AGENT and span.attributes.get("traceloop.span.kind") == "agent":
        found.setdefault("agent", entity)


DIALECT: Final = Dialect(
    name="openllmetry",
    scopes=(
        "opentelemetry.instrumentation.openai.v1",
        "opentelemetry.instrumentation.openai.v0",
        "opentelemetry.instrumentation.openai_agents",
        "opentelemetry.instrumentation.anthropic",
        "opentelemetry.instrumentation.langchain",
        "opentelemetry.instrumentation.llamaindex",
        "opentelemetry.instrumentation.bedrock",
        "opentelemetry.instrumentation.mcp",
        "opentelemetry.instrumentation.crewai*",
        "traceloop.*",
    ),
    markers=(
        "traceloop.span.kind",
        "traceloop.entity.name",
        "traceloop.workflow.name",
        "llm.is_streaming",
        "llm.usage.total_tokens",
    ),
    columns={
        "span_kind": ("traceloop.span.kind",),
        "agent": ("traceloop.association.properties.lc_agent_name", "crewai.agent.role"),
        "workflow": ("traceloop.workflow.name",),
        "conversation": (
            "traceloop.association.properties.session_id",
            "traceloop.association.properties.thread_id",
        ),
        "subject": ("traceloop.association.properties.user_id", "gen_ai.user", "llm.user"),
        "model": ("llm.response.model", "llm.request.model"),
        "provider": ("llm.vendor",),
        "input": ("llm.usage.prompt_tokens",),
        "output": ("llm.usage.completion_tokens",),
        "reasoning": ("llm.usage.reasoning_tokens",),
    },
    kinds={
        "workflow": Kind.OTHER,
        "task": Kind.OTHER,
        "agent": Kind.AGENT,
        "tool": Kind.TOOL,
        "handoff": Kind.HANDOFF,
    },
    contents={
        "arguments": ("traceloop.entity.input",),
        "result": ("traceloop.entity.output",),
        "input": ("traceloop.entity.input", "gen_ai.task.input"),
        "output": ("traceloop.entity.output", "gen_ai.task.output", "crewai.crew.result"),
    },
    message_prefixes={
        "input_messages": ("llm.prompts.",),
        "output_messages": ("llm.completions.",),
        "tool_definitions": ("llm.request.functions.",),
    },
    json_texts=frozenset({"traceloop.entity.input", "traceloop.entity.output"}),
    session_totals=frozenset({"opentelemetry.instrumentation.crewai.instrumentation"}),
    refine=_refine,
)
