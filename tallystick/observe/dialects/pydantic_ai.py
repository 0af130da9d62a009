"""Pydantic AI and Logfire: canonical names, plus a few of their own.

``gen_ai.aggregated_usage.*`` on agent spans repeats what the model spans say and is never read.
"""

from __future__ import annotations

from typing import Final

from tallystick.model.span import Span
from tallystick.model.step import EffectOutcome, Kind
from tallystick.observe.dialects.dialect import Dialect, Found


def _refine(span: Span, found: Found) -> None:
    if found["kind"] is Kind.TOOL and span.attributes.get("pydantic_ai.tool.failure_stage") == "validation":
        found.setdefault("outcome", EffectOutcome.DID_NOT_HAPPEN)  # arguments refused: the tool never ran


DIALECT: Final = Dialect(
    name="pydantic_ai",
    scopes=("pydantic-ai",),
    markers=("pydantic_ai.all_messages", "all_messages_events", "model_request_parameters"),
    columns={"conversation": ("session.id",), "span_kind": ("openinference.span.kind",)},
    kinds={"LLM": Kind.MODEL, "TOOL": Kind.TOOL, "AGENT": Kind.AGENT},
    contents={
        "input_messages": ("pydantic_ai.all_messages", "all_messages_events"),
        "parameters": ("model_request_parameters",),
    },
    refine=_refine,
)
