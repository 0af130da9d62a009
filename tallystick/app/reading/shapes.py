"""The JSON shapes that command line, API and pages show; documented in docs/reference/json.md and pinned by tests.

Unknown is null everywhere. Money is integer nano-dollars, times are RFC 3339 text in UTC with microseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tallystick.model.control import Approval
from tallystick.model.journal import Entry
from tallystick.model.run import Run
from tallystick.model.step import Step
from tallystick.observe.contents import Contents

Json = dict[str, Any]


def time_text(at: int | None) -> str | None:
    """Nanoseconds since the epoch as RFC 3339 text; None and 0 (no time was recorded) as null."""
    if not at:
        return None
    seconds, nanos = divmod(at, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _duration(started: int, ended: int | None) -> int | None:
    return ended - started if ended and started else None


def run_json(run: Run) -> Json:
    """One row of ``tally runs ls --json``."""
    return {
        "run": run.run,
        "agent": run.agent,
        "workflow": run.workflow,
        "goal": run.goal,
        "status": run.status.value,
        "completeness": run.completeness.value,
        "missing": run.missing,
        "steps": run.steps,
        "errors": run.errors,
        "model_calls": run.model_calls,
        "tool_calls": run.tool_calls,
        "denials": run.denials,
        "usage": run.usage.as_json(),
        "usage_known": run.usage_known.as_json(),
        "usage_gaps": run.usage_gaps,
        "cost_nano_usd": run.total_cost_nano,
        "cost_known_nano_usd": run.cost_nano,
        "cost_gaps": run.cost_gaps,
        "started": time_text(run.started),
        "ended": time_text(run.ended),
        "duration_ns": _duration(run.started, run.ended),
        "seen": time_text(run.seen),
        "source": run.source,
        "stopped_by": run.stopped_by,
        "version": run.version,
        "environment": run.environment,
        "archived": run.archived,
        "erased": run.erased,
    }


def totals_json(run: Run) -> Json:
    """The totals of ``tally runs show RUN --json``."""
    row = run_json(run)
    keys = ("steps", "model_calls", "tool_calls", "errors", "denials", "usage", "usage_known", "usage_gaps")
    money = ("cost_nano_usd", "cost_known_nano_usd", "cost_gaps")
    return {key: row[key] for key in keys + money}


def error_text(step: Step, contents: Contents) -> str | None:
    """What went wrong in one line: "type: message"; the stack is in the step's details."""
    told = contents.error or {}
    parts = [part for part in (told.get("type") or step.error, told.get("message")) if part]
    if len(parts) == 2 and (parts[0] in parts[1] or parts[0] == "stopped"):
        return str(parts[1])
    return ": ".join(parts) or None


def step_json(step: Step, contents: Contents) -> Json:
    """One step of ``tally runs show RUN --json``."""
    return {
        "step": step.span,
        "parent": step.parent,
        "trace": step.trace,
        "seq": step.seq,
        "kind": step.kind.value,
        "name": step.name,
        "agent": step.agent,
        "status": step.status.value,
        "error": error_text(step, contents),
        "tool": step.tool,
        "call_id": step.call_id,
        "arguments": contents.arguments,
        "result": contents.result,
        "output": contents.output if contents.output is not None else contents.output_messages or None,
        "model": step.model,
        "provider": step.provider,
        "usage": step.usage.as_json(),
        "cost_nano_usd": step.cost_nano,
        "cost_gap": step.cost_gap,
        "started": time_text(step.started),
        "ended": time_text(step.ended),
        "duration_ns": _duration(step.started, step.ended),
        "decision": step.decision,
        "effect": step.effect.value if step.effect else None,
        "outcome": step.outcome.value if step.outcome else None,
        "same_as": step.same_as,
        "derived": step.derived,
        "environment": step.environment,
        "subject": step.subject,
        "conversation": step.conversation,
    }


def entry_json(entry: Entry) -> Json:
    """One journal entry; contents stand in its body as commitments."""
    return {
        "seq": entry.seq,
        "id": entry.id,
        "at": time_text(entry.at),
        "kind": entry.kind,
        "subject": entry.subject,
        "run": entry.run,
        "actor": entry.actor,
        "body": dict(entry.body),
        "nth": entry.nth,
        "digest": entry.digest,
    }


def approval_json(approval: Approval) -> Json:
    """One row of ``tally approvals ls --json``."""
    return {
        "approval": approval.id,
        "state": approval.state.value,
        "run": approval.run,
        "agent": approval.agent,
        "tool": approval.tool,
        "arguments": dict(approval.arguments),
        "group": approval.group,
        "because": approval.because,
        "requested": time_text(approval.requested),
        "expires": time_text(approval.expires),
        "answered": time_text(approval.answered),
        "by": approval.by,
        "note": approval.note,
        "decision": approval.decision,
        "quorum": approval.quorum,
        "given": [{"by": one.by, "at": time_text(one.at), "note": one.note} for one in approval.given],
        "apart": list(approval.apart),
        "asks": approval.asks,
        "rules": list(approval.rules),
        "facts": None if approval.facts is None else dict(approval.facts),
        "editable": approval.editable,
        "groups": dict(approval.asked),
        "lacking": list(approval.lacking()),
        "edits": None if approval.edits is None else dict(approval.edits),
    }
