"""Parts of runs as rows."""

from __future__ import annotations

from typing import Any, Final

from tallystick.observe.summary import Part

ADD_PART: Final = (
    "INSERT INTO part (type, run, name, steps, errors, cost_nano, cost_gaps, input_tokens, output_tokens,"
    " token_gaps, first, last) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET steps=steps+excluded.steps,"
    " errors=errors+excluded.errors, cost_nano=cost_nano+excluded.cost_nano, cost_gaps=cost_gaps+excluded.cost_gaps,"
    " input_tokens=input_tokens+excluded.input_tokens, output_tokens=output_tokens+excluded.output_tokens,"
    " token_gaps=token_gaps+excluded.token_gaps,"
    " first=CASE WHEN first=0 THEN excluded.first WHEN excluded.first=0 THEN first ELSE min(first, excluded.first) END,"
    " last=max(last, excluded.last)"
)


def part_row(kind: int, run: int, name: int, part: Part) -> tuple[Any, ...]:
    """The values of ADD_PART: ``kind`` is the place in PART_TYPES, ``run`` and ``name`` are row numbers."""
    return (
        kind, run, name, part.steps, part.errors, part.cost_nano, part.cost_gaps,
        part.input_tokens, part.output_tokens, part.token_gaps, part.first, part.last,
    )  # fmt: skip
