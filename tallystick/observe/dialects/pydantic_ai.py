"""Pydantic AI and Logfire: canonical names, plus a few of their own.

``gen_ai.aggregated_usage.*`` on agent spans repeats what the model spans say and is never read. Logfire sends a
*pending span* when a span begins: a span of its own, inside the one that it announces. It is read as that one's
start record, so a step that never ends is seen, and one that ends is there once."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from tallystick.model.span import Span
from tallystick.model.step import EffectOutcome, Kind
from tallystick.observe.dialects.dialect import Dialect, Found

PENDING: Final = "logfire.pending_parent_id"  # the parent of the span that a pending span announces
_HEX: Final = re.compile(r"[0-9a-f]+")
_NO_PARENT: Final = "0" * 16


def started_span(span: Span) -> Span:
    """The start record that a pending span of Logfire stands for; the span itself where it is none, or is that
    record already (the store keeps the record, and it is read again)."""
    attributes = span.attributes
    parent = attributes.get(PENDING)
    if (
        span.ended is None
        or span.parent is None
        or attributes.get("logfire.span_type") != "pending_span"
        or type(parent) is not str
    ):
        return span
    if len(parent) != 16 or not _HEX.fullmatch(parent):
        return span
    return replace(
        span,
        span=span.parent,
        parent=None if parent == _NO_PARENT else parent,
        ended=None,
        status=0,
        links=(),
    )


def _refine(span: Span, found: Found) -> None:
    attributes = span.attributes
    if (
        found["kind"] is Kind.OTHER
        and "op" not in found
        and {"agent_name", "model_name"} <= attributes.keys()
    ):
        found["kind"] = Kind.AGENT  # before it wrote operations
    if found["kind"] is Kind.TOOL and attributes.get("pydantic_ai.tool.failure_stage") == "validation":
        found.setdefault("outcome", EffectOutcome.DID_NOT_HAPPEN)  # arguments refused: the tool never ran


DIALECT: Final = Dialect(
    name="pydantic_ai",
    scopes=("pydantic-ai", "logfire*"),
    markers=(
        "logfire.span_type",
        "pydantic_ai.all_messages",
        "all_messages_events",
        "model_request_parameters",
    ),
    columns={"conversation": ("session.id",), "span_kind": ("openinference.span.kind",)},
    kinds={"LLM": Kind.MODEL, "TOOL": Kind.TOOL, "AGENT": Kind.AGENT},
    contents={
        "input_messages": ("pydantic_ai.all_messages", "all_messages_events"),
        "parameters": ("model_request_parameters",),
    },
    refine=_refine,
)
