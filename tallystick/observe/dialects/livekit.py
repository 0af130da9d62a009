"""LiveKit Agents (``lk.*``): voice sessions of turns, each with model calls and tools.

Newer versions put what people said under ``lk.pii.*``; the older names stay."""

from __future__ import annotations

from typing import Final

from tallystick.model.span import Span
from tallystick.model.step import Kind, StepStatus
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_text

_KINDS: Final = {
    "agent_session": Kind.AGENT,
    "agent_turn": Kind.OTHER,
    "llm_node": Kind.OTHER,  # around llm_request, which has the tokens
    "llm_request": Kind.MODEL,
    "llm_request_run": Kind.MODEL,
    "realtime_inference": Kind.MODEL,
    "function_tool": Kind.TOOL,
    "user_turn": Kind.HUMAN,
    "judge_evaluation": Kind.EVALUATION,
}


def _refine(span: Span, found: Found) -> None:
    attributes = span.attributes
    if found["kind"] is Kind.OTHER:
        found["kind"] = _KINDS.get(span.name, Kind.OTHER)
    if attributes.get("lk.function_tool.is_error") is True:
        found["status"] = StepStatus.ERROR
    if found["kind"] is Kind.AGENT and "agent" not in found:
        found["agent"] = clean_text(attributes.get("lk.agent_label"))


DIALECT: Final = Dialect(
    name="livekit",
    scopes=("livekit-agents", "livekit.agents*"),
    markers=("lk.speech_id", "lk.agent_label", "lk.function_tool.name", "lk.agent_name", "lk.generation_id"),
    columns={
        "agent": ("lk.agent_name",),
        "conversation": ("lk.room_sid",),
        "subject": ("lk.pii.participant_identity", "lk.participant_identity"),
        "tool": ("lk.function_tool.name",),
        "call_id": ("lk.function_tool.id",),
    },
    contents={
        "arguments": ("lk.pii.function_tool.arguments", "lk.function_tool.arguments"),
        "result": ("lk.pii.function_tool.output", "lk.function_tool.output"),
        "system": ("lk.pii.instructions", "lk.instructions"),
        "input_messages": ("lk.pii.chat_ctx", "lk.chat_ctx"),
        "output_messages": ("lk.pii.response.text", "lk.response.text"),
        "input": ("lk.pii.user_input", "lk.user_input"),
        "output": (
            "lk.pii.user_transcript",
            "lk.user_transcript",
            "lk.pii.response.text",
            "lk.response.text",
        ),
    },
    refine=_refine,
)
