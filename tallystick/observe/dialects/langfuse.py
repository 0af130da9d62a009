"""Langfuse's own SDK (``langfuse.*``): observations with a type, everything else as JSON text.

Its usage types are meant to be disjoint and are not always: the total decides, and where it decides nothing the
tokens are unknown. Its cost comes from its own price table and is no cost of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.span import Attributes, Span
from tallystick.model.step import Kind, StepStatus
from tallystick.observe.dialects.dialect import Dialect, Found
from tallystick.observe.values import clean_text, parsed

_USAGE: Final = "langfuse.observation.usage_details"
_INPUT: Final = "langfuse.observation.input"
_CACHE_READ: Final = (
    "input_cache_read",
    "input_cached_tokens",
    "cache_read_input_tokens",
    "prompt_details.cache_read",
    "input_details.cache_read",
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
    "cached_tokens",
)
_CACHE_WRITE: Final = ("input_cache_creation", "cache_creation_input_tokens", "prompt_details.cache_write")
_REASONING: Final = (
    "output_reasoning",
    "output_reasoning_tokens",
    "completion_details.reasoning",
    "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.reasoning_tokens",
    "reasoning_tokens",
)


def usage_of(details: Any) -> dict[str, int]:
    """Inclusive token counts by column (input, output, cache_read, cache_write, reasoning) out of usage details,
    or nothing where the types do not add up to the total."""
    counts = _flat(details)
    if "prompt_tokens" in counts or "input_tokens" in counts:  # the provider's own words: parts lie inside
        given = counts.get("prompt_tokens", counts.get("input_tokens"))
        output = counts.get("completion_tokens", counts.get("output_tokens"))
    else:
        given, output, total = counts.get("input"), counts.get("output"), counts.get("total")
        beside_in = sum(value for key, value in counts.items() if key.startswith("input_") and "." not in key)
        beside_out = sum(
            value for key, value in counts.items() if key.startswith("output_") and "." not in key
        )
        if beside_in or beside_out:
            known = (given or 0) + (output or 0)
            if total is None or total == known + beside_in + beside_out:
                given = given + beside_in if given is not None else None
                output = output + beside_out if output is not None else None
            elif total != known:
                return {}
    columns = {
        "input": given,
        "output": output,
        "cache_read": _first(counts, _CACHE_READ),
        "cache_write": _first(counts, _CACHE_WRITE),
        "reasoning": _first(counts, _REASONING),
    }
    return {key: value for key, value in columns.items() if value is not None}


def _flat(details: Any) -> dict[str, int]:
    if not isinstance(details, Mapping):
        return {}
    counts: dict[str, int] = {}
    for key, value in details.items():
        inner = (
            {f"{key}.{name}": one for name, one in value.items()}
            if isinstance(value, Mapping)
            else {key: value}
        )
        counts |= {name: one for name, one in inner.items() if type(one) is int and one >= 0}
    return counts


def _first(counts: Mapping[str, int], names: tuple[str, ...]) -> int | None:
    return next((counts[name] for name in names if name in counts), None)


def _refine(span: Span, found: Found) -> None:
    kind, attributes = found["kind"], span.attributes
    if kind is Kind.MODEL:
        if "input" not in found and "output" not in found:
            for column, value in usage_of(parsed(attributes.get(_USAGE))).items():
                found.setdefault(column, value)
    elif kind is Kind.TOOL:
        found.setdefault("tool", clean_text(span.name))
    elif kind is Kind.AGENT:
        found.setdefault("agent", clean_text(span.name))
    if attributes.get("langfuse.observation.level") == "ERROR":
        found["status"] = StepStatus.ERROR
        message = attributes.get("langfuse.observation.status_message")
        if "error" not in found and type(message) is str:
            found["error"] = clean_text(message.strip()[:200])


def _unfold(attributes: Attributes) -> Mapping[str, Any]:
    """Tools that were offered lie beside the messages."""
    given = parsed(attributes.get(_INPUT))
    tools = given.get("tools") if isinstance(given, Mapping) and "messages" in given else None
    return {"gen_ai.tool.definitions": tools} if isinstance(tools, list) else {}


DIALECT: Final = Dialect(
    name="langfuse",
    scopes=("langfuse-sdk",),
    markers=("langfuse.observation.type",),
    columns={
        "span_kind": ("langfuse.observation.type",),
        "workflow": ("langfuse.trace.name",),
        "conversation": ("session.id", "langfuse.session.id"),
        "subject": ("user.id", "langfuse.user.id"),
        "environment": ("langfuse.environment",),
        "version": ("langfuse.version",),
        "model": ("langfuse.observation.model.name",),
    },
    kinds={
        "generation": Kind.MODEL,
        "embedding": Kind.MODEL,
        "tool": Kind.TOOL,
        "agent": Kind.AGENT,
        "retriever": Kind.RETRIEVAL,
        "guardrail": Kind.DECISION,
        "evaluator": Kind.EVALUATION,
        "span": Kind.OTHER,
        "event": Kind.OTHER,
        "chain": Kind.OTHER,
    },
    contents={
        "arguments": (_INPUT,),
        "result": ("langfuse.observation.output",),
        "input": (_INPUT,),
        "output": ("langfuse.observation.output",),
        "documents": ("langfuse.observation.output",),
        "input_messages": (_INPUT,),
        "output_messages": ("langfuse.observation.output",),
        "parameters": ("langfuse.observation.model.parameters",),
    },
    unfold=_unfold,
    refine=_refine,
)
