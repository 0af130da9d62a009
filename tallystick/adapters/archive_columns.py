"""What of a step anybody may read in a Parquet file (``ports.archive.ARCHIVE_COLUMNS``)."""

from __future__ import annotations

from typing import Any

from tallystick.model.step import Step

_BIGGEST = 2**63 - 1


def columns_of(step: Step) -> dict[str, Any]:
    """What anybody may read of a step, by the names of ``ports.archive.ARCHIVE_COLUMNS``."""
    usage = step.usage
    return {
        "run": step.run, "trace": step.trace, "span": step.span, "parent": step.parent, "kind": str(step.kind),
        "name": step.name, "status": str(step.status), "error": step.error, "started": step.started,
        "ended": _whole(step.ended), "seq": _whole(step.seq), "agent": step.agent, "version": step.version,
        "workflow": step.workflow, "environment": step.environment, "subject": step.subject,
        "conversation": step.conversation, "provider": step.provider, "model": step.model, "tool": step.tool,
        "call": step.call_id, "response": step.response_id,
        "effect": None if step.effect is None else str(step.effect),
        "outcome": None if step.outcome is None else str(step.outcome), "decision": step.decision,
        "input_tokens": _whole(usage.input_tokens), "output_tokens": _whole(usage.output_tokens),
        "cache_read_tokens": _whole(usage.cache_read_tokens), "cache_write_tokens": _whole(usage.cache_write_tokens),
        "reasoning_tokens": _whole(usage.reasoning_tokens), "cost_nano": _whole(step.cost_nano),
        "cost_gap": step.cost_gap, "same_as": step.same_as, "derived": step.derived,
        "dropped": _whole(step.dropped), "scope": step.scope, "dialect": step.dialect,
    }  # fmt: skip


def _whole(value: int | None) -> int | None:
    """A number that a column can hold; ``rest`` has the others."""
    return value if value is not None and -_BIGGEST <= value <= _BIGGEST else None
