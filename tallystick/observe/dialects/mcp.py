"""The Model Context Protocol SDKs' own spans: canonical names for tool calls, no arguments and no results.

Client and server write a span each for one call; the client's may name the tool in its own name alone ("MCP send
tools/call NAME"). repeats.py counts the two once."""

from __future__ import annotations

from typing import Final

from tallystick.model.span import Span
from tallystick.model.step import Kind
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_text

_CALL: Final = "tools/call "


def _refine(span: Span, found: Found) -> None:
    if found["kind"] is Kind.TOOL and "tool" not in found:
        found["tool"] = clean_text(span.name.partition(_CALL)[2])


DIALECT: Final = Dialect(
    name="mcp",
    scopes=("mcp-python-sdk", "mcp.*"),
    markers=("mcp.method.name",),
    columns={"span_kind": ("mcp.method.name",)},
    kinds={
        "tools/call": Kind.TOOL,
        "resources/read": Kind.RETRIEVAL,
    },
    refine=_refine,
    contents={"arguments": ("mcp.request.argument",), "result": ("mcp.response.value",)},
)
