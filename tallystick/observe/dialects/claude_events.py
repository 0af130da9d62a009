"""The Claude command line's log records (scope ``com.anthropic.claude_code.events``).

They tell the same calls as its traces do, with arguments that the traces leave out, and alone where traces are off.
Numbers and truth values come as text. Its ``cost_usd`` is not taken: for a model without a price it is invented.
"""

from __future__ import annotations

from typing import Final

from tallystick.model import attributes as own
from tallystick.model.span import Span
from tallystick.model.step import Kind, StepStatus
from tallystick.observe.dialects.claude_cli import COLUMNS, take_decision
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_text, parsed

_KINDS: Final = {
    "api_request": Kind.MODEL,
    "api_error": Kind.MODEL,
    "tool_result": Kind.TOOL,
    "tool_decision": Kind.DECISION,
    "user_prompt": Kind.HUMAN,
    "assistant_response": Kind.OUTPUT,
}
_PREFIX: Final = "claude_code."
_LONGEST: Final = 4_096  # characters of parameters that are looked into for a tool's name


def _refine(span: Span, found: Found) -> None:
    attributes = span.attributes
    take_decision(attributes, found)
    event = attributes.get(own.LOG_EVENT)
    if attributes.get("success") in (False, "false") or event in ("api_error", _PREFIX + "api_error"):
        found["status"] = StepStatus.ERROR
        error = clean_text(attributes.get("error"))
        if error is not None:
            found.setdefault("error", error)
    if found.get("tool") == "mcp_tool":  # the name of its own tools stands there, that of others is beside it
        given = attributes.get("tool_parameters")
        known = parsed(given) if type(given) is str and len(given) <= _LONGEST else None
        name = clean_text(known.get("mcp_tool_name")) if isinstance(known, dict) else None
        if name is not None:
            found["tool"] = name


DIALECT: Final = Dialect(
    name="claude_events",
    scopes=("com.anthropic.claude_code.events",),
    columns={"span_kind": (own.LOG_EVENT,), "response_id": ("request_id",), **COLUMNS},
    kinds=_KINDS,
    contents={
        "arguments": ("tool_input", "tool_parameters"),
        "result": ("tool_result", "tool_output"),
        "input": ("prompt",),
        "output": ("response",),
    },
    exclusive_input=True,
    refine=_refine,
)
