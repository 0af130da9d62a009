"""The Model Context Protocol SDK's own spans: canonical names for tool calls, no arguments and no results."""

from __future__ import annotations

from typing import Final

from tallystick.model.step import Kind
from tallystick.observe.dialects.dialect import Dialect

DIALECT: Final = Dialect(
    name="mcp",
    scopes=("mcp-python-sdk", "mcp.*"),
    markers=("mcp.method.name",),
    columns={"span_kind": ("mcp.method.name",)},
    kinds={
        "tools/call": Kind.TOOL,
        "resources/read": Kind.RETRIEVAL,
    },
    contents={"arguments": ("mcp.request.argument",), "result": ("mcp.response.value",)},
)
