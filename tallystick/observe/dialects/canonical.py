"""The canonical vocabulary: OpenTelemetry's ``gen_ai.*`` (semantic-conventions-genai v0.1.0), every older
spelling of it, and Tallystick's own attributes.

The names are written here because no Python package of the new constants exists. Older names stay for ever:
stored spans do not change. Where a name moved, the newest stands first."""

from __future__ import annotations

from typing import Final

from tallystick.model import attributes as own
from tallystick.model.step import Kind
from tallystick.observe.dialects.dialect import Dialect

OPERATIONS: Final = {
    "chat": Kind.MODEL,
    "generate_content": Kind.MODEL,
    "text_completion": Kind.MODEL,
    "completion": Kind.MODEL,
    "embeddings": Kind.MODEL,
    "embedding": Kind.MODEL,
    "retrieval": Kind.RETRIEVAL,
    "rerank": Kind.RETRIEVAL,
    "invoke_agent": Kind.AGENT,
    "invoke_workflow": Kind.AGENT,
    "create_agent": Kind.OTHER,  # an agent was defined, nothing ran
    "plan": Kind.PLAN,
    "execute_tool": Kind.TOOL,
    "handoff": Kind.HANDOFF,
    "create_memory_store": Kind.MEMORY,
    "delete_memory_store": Kind.MEMORY,
    "search_memory": Kind.MEMORY,
    "create_memory": Kind.MEMORY,
    "update_memory": Kind.MEMORY,
    "upsert_memory": Kind.MEMORY,
    "delete_memory": Kind.MEMORY,
    "run_guardrail": Kind.DECISION,  # proposed, not agreed
    "apply_guardrail": Kind.DECISION,
}

# What guardrails say, and what it means for what they looked at.
VERDICTS: Final = {
    **dict.fromkeys(
        ("allow", "allowed", "pass", "passed", "ok", "accept", "accepted", "safe", "none"), "allow"
    ),
    **dict.fromkeys(
        (
            "deny",
            "denied",
            "block",
            "blocked",
            "fail",
            "failed",
            "reject",
            "rejected",
            "unsafe",
            "intervened",
        ),
        "deny",
    ),
    **dict.fromkeys(("guardrail_intervened", "triggered", "true"), "deny"),
    "false": "allow",
}

# Values of provider.name and gen_ai.system that name a framework: no price list knows them.
FRAMEWORKS: Final = frozenset(
    {
        "langchain",
        "langgraph",
        "crewai",
        "autogen",
        "llamaindex",
        "llama_index",
        "haystack",
        "strands-agents",
        "strands agents",
        "pydantic-ai",
        "smolagents",
        "agno",
        "dspy",
        "semantic-kernel",
        "ag2",
        "gcp.vertex.agent",
        "microsoft.agent_framework",
    }
)

# Names of one service of a provider (the Vercel AI SDK sends them): prices are listed by provider.
SERVICES: Final = {
    "openai.responses": "openai",
    "openai.chat": "openai",
    "openai.completion": "openai",
    "openai.embedding": "openai",
    "anthropic.messages": "anthropic",
    "google.generative-ai": "google",
    "mistral.chat": "mistral",
    "xai.chat": "xai",
    "xai.responses": "xai",
}

DIALECT: Final = Dialect(
    name="gen_ai",
    scopes=(
        "tallystick*",
        "opentelemetry.instrumentation.openai_v2",
        "opentelemetry.instrumentation.google_genai",
    ),
    markers=(
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.system",
        "gen_ai.request.model",
        "gen_ai.tool.name",
        "gen_ai.usage.input_tokens",
        "gen_ai.agent.name",
        own.RUN_ID,
        own.KIND,
        own.RUN_SOURCE,
        own.DERIVED,
    ),
    columns={
        "kind": (own.KIND,),
        "op": ("gen_ai.operation.name", "llm.request.type", "gen_ai.request.type"),
        "run": (own.RUN_ID,),
        "seq": (own.SEQ,),
        "agent": (own.AGENT, "gen_ai.agent.name", "agent_name"),
        "workflow": (own.WORKFLOW, "gen_ai.workflow.name"),
        "conversation": ("gen_ai.conversation.id", "session.id"),
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "model": ("gen_ai.response.model", "gen_ai.request.model"),
        "response_id": ("gen_ai.response.id",),
        "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "cache_read": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.usage.details.cache_read_tokens",
        ),
        "cache_write": (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
        ),
        "reasoning": (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.output_tokens.reasoning",
            "gen_ai.usage.details.reasoning_tokens",
        ),
        "tool": ("gen_ai.tool.name",),
        "call_id": ("gen_ai.tool.call.id",),
        "error": ("error.type",),
        "effect": (own.EFFECT,),
        "outcome": (own.EFFECT_OUTCOME,),
        "decision": (own.DECISION,),
        "cost": (own.COST,),
        "tool_price": (own.TOOL_PRICE,),
        "derived": (own.DERIVED,),
        "version": (own.AGENT_VERSION, "gen_ai.agent.version"),
        "classes": (own.DATA_CLASSES,),
        "subject": ("user.id", "enduser.id"),
        "verdict": (
            "gen_ai.guardrail.decision",
            "gen_ai.guardrail.verdict",
            "gen_ai.guardrail.triggered",
            "guardrail.decision",
            "guardrail.verdict",
            "guardrail.triggered",
        ),
    },
    contents={
        "goal": (own.RUN_GOAL,),
        "plan": (own.PLAN,),
        "arguments": ("gen_ai.tool.call.arguments", "tool_arguments"),
        "result": ("gen_ai.tool.call.result", "tool_response"),
        "system": ("gen_ai.system_instructions",),
        "input_messages": ("gen_ai.input.messages",),
        "output_messages": ("gen_ai.output.messages",),
        "tool_definitions": ("gen_ai.tool.definitions",),
        "documents": ("gen_ai.retrieval.documents", "gen_ai.memory.records"),
        "input": (own.INPUT, "gen_ai.retrieval.query.text", "gen_ai.memory.query.text"),
        "output": (own.OUTPUT, "final_result"),
        "handoff_from": (own.HANDOFF_FROM, "gen_ai.handoff.from_agent"),
        "handoff_to": (own.HANDOFF_TO, "gen_ai.handoff.to_agent"),
        "handoff_reason": (own.HANDOFF_REASON,),
        "handoff_payload": (own.HANDOFF_PAYLOAD,),
    },
    message_prefixes={
        "input_messages": ("gen_ai.prompt.",),
        "output_messages": ("gen_ai.completion.",),
    },
)

# Where the time to the first piece of an answer stands -> nanoseconds in one of its units.
FIRST_CHUNK: Final = {
    "gen_ai.response.time_to_first_chunk": 1_000_000_000,
    "gen_ai.server.time_to_first_token": 1_000_000,  # Strands
    "ai.response.msToFirstChunk": 1_000_000,
    "lk.response.ttft": 1_000_000_000,
    "gen_ai.streaming.time_to_first_token": 1_000_000_000,
}

# attribute -> (short name in Step.facts, shape)
FACTS: Final = {
    own.RUN_ROOT: ("root", "flag"),
    own.RUN_GOAL: ("goal", "text"),
    own.RUN_STEPS: ("steps", "count"),
    own.RUN_STATUS: ("status", "text"),
    own.RUN_STOPPED_BY: ("stopped_by", "text"),
    own.RUN_SOURCE: ("source", "text"),
    own.PROCESS: ("process", "text"),
    own.STARTED: ("start_record", "flag"),
    own.ALIVE: ("alive", "count"),
    own.LOST: ("lost", "count"),
    own.LOG_EVENT: ("log", "text"),
    own.LEG: ("leg", "flag"),
    own.LEG_STEPS: ("leg_steps", "count"),
}
