"""AgentOps: its spans use general scope names ("openai", "crewai"), so the resource tells who made them.

Its ``tool_call.*`` spans are made from what the model proposed, not from an execution; they are read as
derived steps, and give way to an execution that was recorded. Where nothing recorded the execution, the
message history has the result."""

from __future__ import annotations

from typing import Final

from tallystick.model.span import Span
from tallystick.model.step import Kind, StepStatus
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_text


def _refine(span: Span, found: Found) -> None:
    attributes = span.attributes
    if found["kind"] is Kind.OTHER and "from_agent" in attributes and "to_agent" in attributes:
        found["kind"] = Kind.HANDOFF
        found.setdefault("agent", clean_text(attributes["from_agent"]))
    elif found["kind"] is Kind.TOOL:
        if span.source.scope.startswith("agentops.instrumentation.providers."):
            found["derived"] = True
        elif attributes.get("tool.status") in ("failed", "error"):
            found["status"] = StepStatus.ERROR


DIALECT: Final = Dialect(
    name="agentops",
    scopes=("agentops*",),
    markers=("agentops.span.kind",),
    resource_markers=("agentops.project.id",),
    columns={
        "span_kind": ("agentops.span.kind",),
        "agent": ("agent.name", "agent.role"),
        "workflow": ("workflow.name",),
        "conversation": ("workflow.session_id",),
        "subject": ("workflow.user_id", "gen_ai.user"),
        "tool": ("tool.name",),
        "call_id": ("tool.call.id", "tool.id"),
    },
    kinds={
        "session": Kind.OTHER,
        "workflow": Kind.AGENT,
        "workflow.step": Kind.OTHER,
        "task": Kind.OTHER,
        "operation": Kind.OTHER,
        "chain": Kind.OTHER,
        "http": Kind.OTHER,
        "agent": Kind.AGENT,
        "tool": Kind.TOOL,
        "llm": Kind.MODEL,
        "guardrail": Kind.DECISION,
    },
    contents={
        "arguments": ("tool.parameters",),
        "result": ("tool.result",),
        "input": ("agentops.entity.input",),
        "output": ("agentops.entity.output", "crewai.crew.result"),
        "system": ("gen_ai.request.system_instruction", "gen_ai.request.instructions"),
        "handoff_from": ("from_agent",),
        "handoff_to": ("to_agent",),
    },
    message_prefixes={"tool_definitions": ("gen_ai.request.functions.", "gen_ai.request.tools.")},
    history=True,
    session_totals=frozenset({"crewai"}),
    refine=_refine,
)
