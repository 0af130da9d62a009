"""The Vercel AI SDK's own vocabulary (``ai.*``): version 6 and below, and ``LegacyOpenTelemetry`` of version 7.

What version 7 sends by default (scope ``gen_ai``) is canonical, but for results that are JSON even where they are text,
and providers that name their interface too (``openai.chat``). The spans around the model calls
(``ai.generateText`` and the like) are agents: the usage on them is the sum of the calls inside and is not counted.
Times of first chunks (``ai.response.msToFirstChunk``) are milliseconds, where canonical ones are seconds."""

from __future__ import annotations

from typing import Final

from tallystick.model.span import Span
from tallystick.model.step import Kind
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_text

_CALLS: Final = ("generateText", "streamText", "generateObject", "streamObject")
_AROUND: Final = Kind.AGENT


def _refine(span: Span, found: Found) -> None:
    if found["kind"] is _AROUND:
        name = clean_text(span.attributes.get("ai.telemetry.functionId"))
        if name is not None:
            found.setdefault("agent", name)
        found.pop("model", None)  # the settings of the calls inside, no call of its own
    provider = found.get("provider")
    if provider is not None and "." in provider:  # "openai.chat": the provider and which of its interfaces
        found["provider"] = provider.partition(".")[0]


DIALECT: Final = Dialect(
    name="vercel",
    scopes=("ai", "gen_ai"),
    markers=("ai.operationId",),
    columns={
        "span_kind": ("ai.operationId",),
        "conversation": (
            "ai.telemetry.metadata.sessionId",
            "ai.telemetry.metadata.threadId",
            "ai.telemetry.metadata.conversationId",
        ),
        "subject": ("ai.telemetry.metadata.userId",),
        "provider": ("ai.model.provider",),
        "model": ("ai.response.model", "ai.model.id"),
        "response_id": ("ai.response.id",),
        "input": ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        "output": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        "cache_read": ("ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens"),
        "cache_write": ("ai.usage.inputTokenDetails.cacheWriteTokens",),
        "reasoning": ("ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens"),
        "tool": ("ai.toolCall.name",),
        "call_id": ("ai.toolCall.id",),
    },
    kinds={
        **{f"ai.{call}": _AROUND for call in _CALLS},
        **{f"ai.{call}.do{kind}": Kind.MODEL for call in _CALLS for kind in ("Generate", "Stream")},
        "ai.embed": Kind.OTHER,
        "ai.embedMany": Kind.OTHER,
        "ai.embed.doEmbed": Kind.MODEL,
        "ai.embedMany.doEmbed": Kind.MODEL,
        "ai.rerank": Kind.OTHER,
        "ai.rerank.doRerank": Kind.RETRIEVAL,
        "ai.toolCall": Kind.TOOL,
    },
    contents={
        "arguments": ("ai.toolCall.args",),
        "result": ("ai.toolCall.result",),
        "input": ("ai.prompt",),
        "output": ("ai.response.text", "ai.response.object"),
        "input_messages": ("ai.prompt.messages", "ai.prompt"),
        "output_messages": ("ai.response.text", "ai.response.toolCalls", "ai.response.object"),
        "tool_definitions": ("ai.prompt.tools",),
        "documents": ("ai.ranking", "ai.documents"),
    },
    quoted=True,
    refine=_refine,
)
