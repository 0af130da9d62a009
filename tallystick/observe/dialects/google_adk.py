"""Google's Agent Development Kit (``gcp.vertex.agent.*``): canonical names for the columns, whole requests and
responses as JSON for the contents.

Its ``call_llm`` spans lie around whatever client made the call, and name the kit where a provider should stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.span import Attributes, Span
from tallystick.model.step import Kind
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import parsed

_TRANSFER: Final = "transfer_to_agent"
# Parts of a request's config that are no settings of the model.
_NOT_SETTINGS: Final = ("system_instruction", "tools", "http_options", "response_schema", "labels")


def _refine(span: Span, found: Found) -> None:
    kind = found["kind"]
    if kind is Kind.OTHER:
        if span.name == "call_llm":
            found["kind"] = Kind.MODEL
        elif span.name.startswith("agent_run ["):  # before 1.13
            found["kind"] = Kind.AGENT
            found.setdefault("agent", span.name[11:].removesuffix("]")[:200] or None)
    elif kind is Kind.TOOL:
        if found.get("tool") == _TRANSFER:
            found["kind"] = Kind.HANDOFF
        elif span.name == "execute_tool (merged)":  # sums up parallel calls that have spans of their own
            found["kind"] = Kind.OTHER


def _unfold(attributes: Attributes) -> Mapping[str, Any]:
    """What lies inside the request: system instruction, tool definitions, settings."""
    request = parsed(attributes.get("gcp.vertex.agent.llm_request"))
    config = request.get("config") if isinstance(request, Mapping) else None
    if not isinstance(config, Mapping):
        return {}
    found: dict[str, Any] = {}
    if config.get("system_instruction"):
        found["gen_ai.system_instructions"] = config["system_instruction"]
    tools = config.get("tools")
    if isinstance(tools, list):
        found["gen_ai.tool.definitions"] = [
            declared
            for tool in tools
            for declared in (
                tool.get("function_declarations") or [tool] if isinstance(tool, Mapping) else [tool]
            )
        ]
    settings = {key: value for key, value in config.items() if key not in _NOT_SETTINGS and value is not None}
    if settings:
        found["gcp.vertex.agent.config"] = settings
    return found


DIALECT: Final = Dialect(
    name="google_adk",
    scopes=("gcp.vertex.agent", "google.adk*"),
    markers=(
        "gcp.vertex.agent.event_id",
        "gcp.vertex.agent.invocation_id",
        "gcp.vertex.agent.llm_request",
        "gcp.vertex.agent.tool_call_args",
    ),
    columns={
        "span_kind": ("openinference.span.kind",),
        "conversation": ("gcp.vertex.agent.session_id", "session.id"),
        "subject": ("kagent.user_id",),
        "reasoning": ("gen_ai.usage.experimental.reasoning_tokens",),
    },
    kinds={"LLM": Kind.MODEL, "TOOL": Kind.TOOL, "AGENT": Kind.AGENT},
    contents={
        "arguments": ("gcp.vertex.agent.tool_call_args",),
        "result": ("gcp.vertex.agent.tool_response",),
        "input_messages": ("gcp.vertex.agent.llm_request",),
        "output_messages": ("gcp.vertex.agent.llm_response",),
        "input": ("gcp.vertex.agent.data", "input.value"),
        "output": ("output.value",),
        "parameters": ("gcp.vertex.agent.config",),
    },
    unfold=_unfold,
    refine=_refine,
)
