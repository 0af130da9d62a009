"""The Claude command line's own traces (scope ``com.anthropic.claude_code.tracing``).

It counts input tokens without the cached ones, as Anthropic's API does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tallystick.model.span import Attributes, Span
from tallystick.model.step import Kind, StepStatus
from tallystick.observe.dialects.dialect import Dialect, Found

# What its traces and its log records call alike.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "conversation": ("session.id",),
    "model": ("model",),
    "input": ("input_tokens",),
    "output": ("output_tokens",),
    "cache_read": ("cache_read_tokens",),
    "cache_write": ("cache_creation_tokens",),
    "tool": ("tool_name",),
    "call_id": ("tool_use_id",),
}
_DECISIONS: Final = {"accept": "allow", "reject": "deny"}


def take_decision(attributes: Attributes, found: Found) -> None:
    """What the person at the terminal said to a call, where the step is about that."""
    if found["kind"] is Kind.DECISION:
        decision = attributes.get("decision")
        if type(decision) is str and decision in _DECISIONS:
            found.setdefault("decision", _DECISIONS[decision])


def _refine(span: Span, found: Found) -> None:
    attributes = span.attributes
    take_decision(attributes, found)
    if attributes.get("success") is False:
        found["status"] = StepStatus.ERROR


DIALECT: Final = Dialect(
    name="claude_cli",
    scopes=("com.anthropic.claude_code.tracing",),
    columns={"span_kind": ("span.type",), **COLUMNS},
    kinds={
        "interaction": Kind.AGENT,
        "llm_request": Kind.MODEL,
        "tool": Kind.TOOL,
        "tool.execution": Kind.OTHER,  # the inner half of the tool step around it
        "tool.blocked_on_user": Kind.DECISION,
    },
    contents={"goal": ("user_prompt",), "input": ("user_prompt",)},
    exclusive_input=True,
    refine=_refine,
)
