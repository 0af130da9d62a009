"""OpenInference: the vocabulary of Arize's instrumentors (``openinference.span.kind``, ``llm.*``)."""

from __future__ import annotations

import re
from typing import Final

from tallystick.model.span import Span
from tallystick.model.step import Kind
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_text

# The response id stands first in the provider's own JSON; cutting it out spares parsing the body at ingest.
_RESPONSE_ID = re.compile(r'\{\s*"id"\s*:\s*"([^"\\]{8,128})"')
_REQUEST_MODEL = re.compile(r'"model"\s*:\s*"([^"\\]{1,200})"')
_AGENT_IN_METADATA = re.compile(r'"lc_agent_name"\s*:\s*"([^"\\]{1,200})"')
_CALL_ID = re.compile(r'^\{"type": "tool", "data": \{.*"tool_call_id": "([^"\\]{8,128})"', re.DOTALL)
_SEARCHED: Final = 65_536  # characters
_CREWAI_DELEGATION = ("Delegate work to coworker", "Ask question to coworker")


def _refine(span: Span, found: Found) -> None:
    attributes = span.attributes
    kind = found["kind"]
    if kind is Kind.MODEL:
        if "model" not in found:  # a failed call has no answer to name its model, only the request
            asked = attributes.get("llm.invocation_parameters")
            match = _REQUEST_MODEL.search(asked) if type(asked) is str else None
            if match is not None:
                found["model"] = clean_text(match.group(1))
        if "response_id" not in found:
            body = attributes.get("output.value")
            if type(body) is str:
                match = _RESPONSE_ID.match(body)
                if match is not None:
                    found["response_id"] = clean_text(match.group(1))
    elif kind is Kind.AGENT:
        if "agent" not in found:
            node = clean_text(attributes.get("graph.node.id"))
            if node is not None:
                found["agent"] = node
            elif span.source.scope.endswith("smolagents") and span.name.endswith(".run"):
                found["agent"] = clean_text(span.name[:-4])
    elif kind is Kind.TOOL:
        tool = found.get("tool")
        if (
            (tool is None and span.name.startswith("handoff"))
            or (tool in _CREWAI_DELEGATION and span.source.scope.endswith("crewai"))
            or (tool is not None and tool.startswith("transfer_to_") and _autogen_handoff(span))
        ):
            found["kind"] = Kind.HANDOFF
        elif tool is None:
            found["tool"] = clean_text(span.name)
        if "call_id" not in found:
            body = attributes.get("output.value")
            match = _CALL_ID.search(body, 0, _SEARCHED) if type(body) is str else None
            if match is not None:  # LangChain's tool message quotes the call that it answers
                found["call_id"] = clean_text(match.group(1))
    if "agent" not in found:
        metadata = attributes.get("metadata")
        if type(metadata) is str:
            match = _AGENT_IN_METADATA.search(metadata)
            if match is not None:
                found["agent"] = clean_text(match.group(1))


def _autogen_handoff(span: Span) -> bool:
    # The name alone proves nothing: a bank has tools called transfer_to_… too.
    description = span.attributes.get("tool.description")
    return (
        span.source.scope.endswith("autogen_agentchat")
        and type(description) is str
        and description.startswith("Handoff to ")
    )


DIALECT: Final = Dialect(
    name="openinference",
    scopes=("openinference.*",),
    markers=("openinference.span.kind", "llm.model_name", "llm.token_count.prompt"),
    columns={
        "span_kind": ("openinference.span.kind",),
        "agent": ("agent.name",),
        "conversation": ("session.id",),
        "provider": ("llm.provider", "llm.system"),
        "model": (
            "llm.response.model_name",
            "llm.model_name",
            "llm.request.model_name",
            "embedding.model_name",
            "reranker.model_name",
        ),
        "input": ("llm.token_count.prompt",),
        "output": ("llm.token_count.completion",),
        "cache_read": ("llm.token_count.prompt_details.cache_read",),
        "cache_write": ("llm.token_count.prompt_details.cache_write",),
        "reasoning": ("llm.token_count.completion_details.reasoning",),
        "tool": ("tool.name",),
        "call_id": ("tool_call.id", "tool.id"),
    },
    kinds={
        "LLM": Kind.MODEL,
        "EMBEDDING": Kind.MODEL,
        "AGENT": Kind.AGENT,
        "TOOL": Kind.TOOL,
        "RETRIEVER": Kind.RETRIEVAL,
        "RERANKER": Kind.RETRIEVAL,
        "GUARDRAIL": Kind.DECISION,
        "DECISION": Kind.DECISION,
        "EVALUATOR": Kind.EVALUATION,
        "CHAIN": Kind.OTHER,
        "PROMPT": Kind.OTHER,
        "UNKNOWN": Kind.OTHER,
    },
    contents={
        # tool.parameters holds the schema in some instrumentors and the arguments in others; input.value
        # never lies
        "arguments": ("input.value", "tool.parameters"),
        "result": ("output.value",),
        "input": ("input.value",),
        "output": ("output.value",),
        "parameters": ("llm.invocation_parameters",),
        "input_messages": ("input.value",),
        "output_messages": ("output.value",),
        "handoff_from": ("input.value",),
        "handoff_to": ("output.value",),
    },
    message_prefixes={
        "input_messages": ("llm.input_messages.",),
        "output_messages": ("llm.output_messages.",),
        "tool_definitions": ("llm.tools.",),
        "documents": ("retrieval.documents.",),
    },
    session_totals=frozenset({"openinference.instrumentation.claude_agent_sdk"}),
    refine=_refine,
)
