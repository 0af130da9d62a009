"""Diff: two runs held against each other, step by step."""

from __future__ import annotations

from tallystick.app.reading.shapes import Json, run_json
from tallystick.model.run import Run
from tallystick.observe.compare import Compared, Row, compare
from tallystick.observe.compare.rows import SAME
from tallystick.observe.compare.side import Item
from tallystick.ports import TraceStore


def diff_runs(traces: TraceStore, a: str, b: str, *, now: int, every: bool = False) -> Json:
    """``{"a", "b", "same", "first", "cause", "rows", "hidden", "totals", "notes"}``; see docs/reference/json.md.

    ``a`` and ``b`` are ids or prefixes. Rows that are equal, and steps that only one framework has, are left out unless
    ``every``; ``first`` is the index in ``rows`` of the first row, in the order in which things happened, where what
    was asked or what came back differs. Raises UnknownThing.
    """
    one, two = (traces.run(traces.resolve(prefix), now=now) for prefix in (a, b))
    found = compare(
        (traces.steps(one.run), traces.spans(one.run)), (traces.steps(two.run), traces.spans(two.run))
    )
    rows, first, hidden = _rows(found, every=every)
    return {
        "a": run_json(one),
        "b": run_json(two),
        "same": found.first is None,
        "first": first,
        "cause": None if found.cause is None else {"kind": found.cause.kind, "text": found.cause.text},
        "rows": rows,
        "hidden": hidden,
        "totals": totals(one, two),
        "notes": [*_run_notes(one, two), *found.notes],
    }


def _rows(found: Compared, *, every: bool) -> tuple[list[Json], int | None, int]:
    """The rows to be shown, where the first difference is among them, and how many equal ones were left out."""
    rows: list[Json] = []
    first: int | None = None
    hidden = skipped = 0
    for at, row in enumerate(found.rows):
        if not every and row.frame:
            continue
        if not every and row.op == SAME:
            hidden, skipped = hidden + 1, skipped + 1
            continue
        if at == found.first:
            first = len(rows)
        rows.append(_row_json(row, skipped))
        skipped = 0
    return rows, first, hidden


def _row_json(row: Row, skipped: int) -> Json:
    return {
        "op": row.op,
        "a": _brief(row.a),
        "b": _brief(row.b),
        "changes": [{"field": one.field, "a": one.a, "b": one.b} for one in row.changes],
        "equal_before": skipped,
    }


def _brief(item: Item | None) -> Json | None:
    if item is None:
        return None
    step = item.step
    return {
        "step": step.span,
        "kind": step.kind.value,
        "name": step.name,
        "agent": item.agent,
        "tool": step.tool,
        "model": step.model,
        "status": step.status.value,
        "depth": item.depth,
        "cost_nano_usd": step.cost_nano,
        "duration_ns": step.ended - step.started if step.ended and step.started else None,
    }


def totals(a: Run, b: Run) -> list[Json]:
    """What the runs are and came to, field by field, the same ones always; unknown is null."""
    return [{"field": name, "a": x, "b": y} for (name, x), (_, y) in zip(_facts(a), _facts(b), strict=True)]


def _facts(run: Run) -> list[tuple[str, str | int | None]]:
    return [
        ("agent", run.agent),
        ("version", run.version),
        ("workflow", run.workflow),
        ("environment", run.environment),
        ("goal", run.goal),
        ("status", run.status.value),
        ("stopped_by", run.stopped_by),
        ("completeness", run.completeness.value),
        ("steps", run.steps),
        ("model_calls", run.model_calls),
        ("tool_calls", run.tool_calls),
        ("errors", run.errors),
        ("denials", run.denials),
        ("input_tokens", run.usage.input_tokens),
        ("output_tokens", run.usage.output_tokens),
        ("cost_nano_usd", run.total_cost_nano),
        ("duration_ns", run.ended - run.started if run.ended and run.started else None),
    ]


def _run_notes(a: Run, b: Run) -> list[str]:
    said = []
    for name, run in (("A", a), ("B", b)):
        if run.erased:
            said.append(f"The contents of run {name} were erased: only what happened can be compared.")
        if run.completeness.value == "lossy":
            said.append(f"Run {name} is not complete: a step that only the other one has may be lost here.")
        if run.completeness.value == "open":
            said.append(f"Run {name} has not ended.")
    return said
