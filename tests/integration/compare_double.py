"""What the stand-in for the read model answers where runs are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick.model.errors import UnknownThing

BRIEF: dict[str, Any] = {
    "step": "b" * 16, "kind": "tool", "name": "execute_tool refund", "agent": None, "tool": "refund", "model": None,
    "status": "ok", "depth": 1, "cost_nano_usd": None, "duration_ns": None,
}  # fmt: skip


class CannedComparing:
    """Two runs that differ in one argument."""

    def __init__(self, run: Mapping[str, Any]) -> None:
        self._run = run

    def diff(self, a: str, b: str, *, every: bool = False) -> Mapping[str, Any]:
        for prefix in (a, b):
            if not self._run["run"].startswith(prefix):
                raise UnknownThing(f"nothing starts with {prefix!r}")
        changes = [{"field": "arguments.amount", "a": 40, "b": "<script>"}]
        row = {"op": "changed", "a": BRIEF, "b": BRIEF, "changes": changes, "equal_before": 0}
        return {
            "a": self._run, "b": self._run, "same": False, "first": 0,
            "cause": {"kind": "arguments", "text": "The tool step was given something else."}, "rows": [row],
            "hidden": 0, "totals": [{"field": "status", "a": "ok", "b": "ok"}], "notes": [],
        }  # fmt: skip

    def contrast(self, a: str, b: str | None = None) -> Mapping[str, Any]:
        row = {
            "attribute": "tool", "value": "<script>", "a": {"with": 3, "of": 4}, "b": {"with": 0, "of": 4},
            "difference": 0.75, "low": 0.1, "high": 0.95, "p": 0.04, "q": 0.08, "confidence": "weak", "aliases": [],
        }  # fmt: skip
        sets = {name: {"query": "", "runs": 4, "measured": 4} for name in ("a", "b")}
        return {**sets, "attributes": [row], "tested": 2, "notes": []}
