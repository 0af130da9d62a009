"""How the sums of runs fall to agents, tools, models and workflows, in memory. In SQL: adapters/sqlite/spending.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


def owners_of(run: Run) -> list[PartKey]:
    """The agent and the workflow that a run names for itself."""
    return [
        (kind, name) for kind, name in (("agent", run.agent), ("workflow", run.workflow)) if name is not None
    ]  # fmt: skip


def sightings_of(type: str, runs: Iterable[tuple[Run, int, Mapping[PartKey, Part]]]) -> list[Sighting]:
    """What was seen of one type in runs, each with its place in time and its parts; last seen first."""
    seen: dict[str, Sighting] = {}
    for run, place, parts in runs:
        here: set[str] = set()
        for name, part in shares(type, run, parts):
            if name is None or not (part.steps or part.cost_nano or part.cost_gaps):
                continue
            one = Sighting(
                type, name, part.first or place, part.last or place, name not in here, part.steps, part.errors,
                part.cost_nano, part.cost_gaps,
            )  # fmt: skip
            here.add(name)
            seen[name] = joined(seen[name], one) if name in seen else one
    return sorted(seen.values(), key=lambda one: (-one.last, one.name))
