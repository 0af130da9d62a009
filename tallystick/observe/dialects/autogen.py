"""AutoGen's built-in tracing: one run becomes many traces, which point to each other by span links."""

from __future__ import annotations

from typing import Final

from tallystick.model.span import Span
from tallystick.model.step import Kind
from tallystick.observe.dialects.dialect import Dialect, Found


def _refine(span: Span, found: Found) -> None:
    if found["kind"] is Kind.TOOL:
        description = span.attributes.get("gen_ai.tool.description")
        if type(description) is str and description.startswith("Handoff to "):
            found["kind"] = Kind.HANDOFF


DIALECT: Final = Dialect(
    name="autogen",
    scopes=("autogen-core", "autogen *"),
    contents={"input": ("message",)},
    session_totals=frozenset({"autogen-core"}),
    follow_links=True,
    refine=_refine,
)
