"""How the sums of runs fall to agents, tools, models and workflows, in memory. In SQL: adapters/sqlite/spending.py."""

from __future__ import annotations

from collections.abc import Mapping

from tallystick.model.run import Run
from tallystick.observe.summary import Part, PartKey
from tallystick.ports import Sighting


def shares(by: str, run: Run, parts: Mapping[PartKey, Part]) -> list[tuple[str | None, Part]]:
    """How a run's sums fall to the keys of one type; what no part claims goes to the run's own agent or workflow."""
    known = run.usage_known
    rest = Part(
        run.steps,
        run.errors,
        run.cost_nano,
        run.cost_gaps,
        known.input_tokens or 0,
        known.output_tokens or 0,
        run.token_gaps,
    )
    if by == "run":
        return [(run.run, rest)]
    named: list[tuple[str | None, Part]] = [
        (name, part) for (kind, name), part in parts.items() if kind == by
    ]
    for _, part in named:
        rest.steps -= part.steps
        rest.errors -= part.errors
        rest.cost_nano -= part.cost_nano
        rest.cost_gaps -= part.cost_gaps
        rest.input_tokens -= part.input_tokens
        rest.output_tokens -= part.output_tokens
        rest.token_gaps -= part.token_gaps
    if rest != Part():
        named.append((getattr(run, by) if by in ("agent", "workflow") else None, rest))
    return named


def joined(one: Sighting, other: Sighting) -> Sighting:
    """Two sightings of one name as one."""
    return Sighting(
        one.type, one.name, min(one.first, other.first), max(one.last, other.last), one.runs + other.runs,
        one.steps + other.steps, one.errors + other.errors, one.cost_nano + other.cost_nano,
        one.cost_gaps + other.cost_gaps,
    )  # fmt: skip
