"""Comparisons, contrasts, signals over time and completeness of the invented world, in the shapes of the API."""

from __future__ import annotations

from typing import Any

from web_world import Row

LOSS: Row = {
    "accepted": 48_210,
    "repeats": 12,
    "rejected": [{"reason": "the trace id has 30 digits", "count": 3}],
    "dropped": [{"where": "the SDK's spool", "why": "it was full", "count": 41, "since": "2026-11-22T08:00:00Z"}],
    "watermark": 48_207,
    "indexed": {"revision": 48_000, "behind": 4},
}  # fmt: skip


def brief(step: Row) -> Row:
    keys = (
        "step",
        "kind",
        "name",
        "agent",
        "tool",
        "model",
        "status",
        "depth",
        "cost_nano_usd",
        "duration_ns",
    )
    return {key: step[key] for key in keys}


def diff_of(a: Row, b: Row, steps: list[Row], *, every: bool = False) -> Row:
    """The runs have the same steps, but for an argument, a result, a step that only one has, and one that moved."""
    rows: list[Row] = []
    hidden = skipped = 0
    for index, step in enumerate(steps):
        op, changes = "same", []
        if index == 8:
            op, changes = "changed", [
                {"field": "arguments.order_id", "a": "A-1003", "b": "A-1004"},
                {"field": "result.total", "a": "400.00", "b": {"amount": 380, "lines": [step["name"], None]}},
                {"field": "cost_nano_usd", "a": 635_200, "b": 1_204_000},
            ]  # fmt: skip
        elif index in (9, 10, 12):
            op = {9: "only a", 10: "only b", 12: "moved"}[index]
        if op == "same" and not every:
            hidden, skipped = hidden + 1, skipped + 1
            continue
        sides = {"only a": (step, None), "only b": (None, step)}.get(op, (step, step))
        rows.append(
            {"op": op, "a": sides[0] and brief(sides[0]), "b": sides[1] and brief(sides[1]), "changes": changes,
             "equal_before": skipped}
        )  # fmt: skip
        skipped = 0
    first = next((index for index, row in enumerate(rows) if row["op"] != "same"), None)
    fields = ("agent", "goal", "status", "steps", "cost_nano_usd", "duration_ns")
    totals = [{"field": field, "a": a[field], "b": b[field]} for field in fields]
    cause = {"kind": "arguments", "text": f"the model asked {steps[8]['name']} for another order"}
    return {
        "a": a, "b": b, "same": False, "first": first, "cause": cause, "rows": rows, "hidden": hidden,
        "totals": totals, "notes": [f"repeats of {steps[5]['name']} are left out"],
    }  # fmt: skip


def completeness_of(runs: list[Row], by: str) -> Row:
    groups: dict[Any, list[Row]] = {}
    for run in runs:
        groups.setdefault(run["agent"] if by == "agent" else (run["started"] or "")[:10], []).append(run)
    rows = []
    for key, found in groups.items():
        states = [run["completeness"] for run in found]
        rows.append(
            {"key": key, "runs": len(found), "missing": sum(run["missing"] or 0 for run in found),
             "missing_unknown": sum(run["missing"] is None for run in found),
             **{name: states.count(name) for name in ("complete", "lossy", "open", "crashed")}}
        )  # fmt: skip
    return {"by": by, "rows": rows}


class FakeSets:
    """What separates two sets of runs, and an agent's signals; ``say`` is put into every text."""

    def __init__(self, say: str = "") -> None:
        self._say = say

    def contrast(self, a: str, b: str | None = None) -> Row:
        say = self._say
        rows = [
            ("tool", f"lookup_customer{say}", 18, 22, 9, 108, 0.73, 0.52, 0.86, "strong"),
            ("version", f"1.4.0{say}", 15, 22, 40, 108, 0.31, 0.08, 0.5, "likely"),
            ("prompt", None, 3, 22, 5, 108, 0.09, -0.04, 0.29, "weak"),
        ]
        return {
            "a": {"query": a, "runs": 22, "measured": 22}, "b": {"query": b or "", "runs": 110, "measured": 108},
            "attributes": [
                {"attribute": what + say, "value": value, "a": {"with": aw, "of": ao}, "b": {"with": bw, "of": bo},
                 "difference": d, "low": low, "high": high, "p": 0.001, "q": 0.004, "confidence": sure,
                 "aliases": [{"attribute": "first tool" + say, "value": f"search{say}"}]}
                for what, value, aw, ao, bw, bo, d, low, high, sure in rows
            ],
            "tested": 64, "notes": [f"two runs of B were not judged{say}"],
        }  # fmt: skip

    def signals_over(self, agent: str, by: str, since: str | None) -> Row:
        rows = []
        for index in range(4):
            share = None if index == 2 else {"value": 0.8 + index / 20, "low": 0.7, "high": 0.97}
            money = {"value": 2_400_000 - 210_000 * index, "low": 1_900_000, "high": 2_900_000}
            unknown = {"value": None, "low": None, "high": None, "n": 0, "unmeasured": 30}
            one = unknown if share is None else {**share, "n": 30, "unmeasured": 2}
            day = f"2026-11-{18 + index}T00:00:00Z"
            rows.append(
                {"version": None if index == 3 else f"1.{index}.0{self._say}", "from": day, "to": day, "runs": 30,
                 "completion": one, "tool_calls": one, "adherence": unknown,
                 "cost_per_run_nano_usd": {**money, "n": 30, "unmeasured": 0}, "cost_per_success_nano_usd": unknown}
            )  # fmt: skip
        return {"agent": agent, "since": since, "by": by, "rows": rows}
