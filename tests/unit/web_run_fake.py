"""What the run page's tree asks for, out of the invented world: outlines, lines and places in contents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from web_world import Row

from tallystick.app.reading.outline import packed
from tallystick.observe.outline import Look, Outline

_STARTED = 1_000_000_000


def packed_skeleton(skeleton: Row) -> bytes:
    """A skeleton's columns as the bytes that the browser reads; the order stays."""
    columns = skeleton["columns"]
    size = len(columns["step"])
    looks: dict[Look, int] = {}
    spans = [bytes.fromhex(step) for step in columns["step"]]
    look = [
        looks.setdefault(
            Look(
                columns["kind"][row], columns["status"][row], columns["name"][row], columns["agent"][row],
                columns["decision"][row], None, False, None, None,
            ),
            len(looks),
        )
        for row in range(size)
    ]  # fmt: skip
    outline = Outline(
        spans=spans,
        parents=[None if parent < 0 else spans[parent] for parent in columns["parent"]],
        started=[0 if at is None else at + _STARTED for at in columns["started_ns"]],
        durations=columns["duration_ns"],
        costs=columns["cost_nano_usd"],
        tokens=columns["tokens"],
        same_as=[None if twin is None else bytes(8) for twin in columns["same_as"]],
        look=look,
        looks=list(looks),
    )
    return packed(outline, _STARTED, skeleton["run"])


def line_of(step: Row) -> Row:
    """A step's line; the texts are the step's own, so that hostile ones come through here too."""
    text = _text(step["arguments"] if step["arguments"] is not None else step["output"])
    result = None if step["result"] is None else _text(step["result"])
    tags = [{"text": str(step["error"]), "tone": "bad"}] if step["error"] else []
    return {"text": text, "result": result, "tags": tags}


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def found_in(steps: Sequence[Row], query: str) -> list[Row]:
    """Places in contents that hold the text, as ``GET /api/runs/{run}/find`` gives them."""
    found = []
    for step in steps:
        for field in ("name", "arguments", "result", "output", "error"):
            text = _text(step[field])
            at = text.lower().find(query.lower())
            if at >= 0:
                start = max(0, at - 60)
                found.append(
                    {"step": step["step"], "field": field, "snippet": text[start : start + 200], "at": at - start,
                     "length": len(query)}
                )  # fmt: skip
    return found
