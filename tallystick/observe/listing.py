"""Uses of one run, read from its steps alone: tools, models, classes of data, delegates, versions and evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tallystick.model.registry import CLAIMED_USE, Use
from tallystick.model.step import EffectOutcome, Kind, Step, StepStatus
from tallystick.observe.lineage import agents_of

_NOT_DONE: Final = frozenset({StepStatus.DENIED, StepStatus.HELD})
BY_STEPS: Final = ("tool", "model", "data", "version", "evaluation")  # types that need no contents
_SHOWING: Final = frozenset({Kind.MODEL, Kind.HANDOFF, Kind.EVALUATION})
_Key = tuple[str, str, str, str]


@dataclass(slots=True)
class _Sum:
    first: int
    last: int
    step: str
    steps: int = 0
    errors: int = 0


@dataclass(slots=True)
class Listing:
    """The uses of one run while they are gathered. ``place``: when the run began, for steps that do not say."""

    place: int
    sums: dict[_Key, _Sum] = field(default_factory=dict)

    def add(self, agent: str, type: str, name: str, step: Step, *, detail: str = "", steps: int = 1) -> None:
        """Count a step, or ``steps`` of which this is the newest, as a use."""
        first = step.started or self.place
        last = step.ended or first
        held = self.sums.get((agent, type, name, detail))
        if held is None:
            held = self.sums[agent, type, name, detail] = _Sum(first, last, step.span)
        elif (last, step.span) > (held.last, held.step):
            held.last, held.step = last, step.span
        held.first = min(held.first, first)
        held.steps += steps
        if step.status is StepStatus.ERROR:
            held.errors += 1

    def uses(self) -> list[Use]:
        """What was gathered, in no order."""
        return [
            Use(*key, one.first, one.last, 1, one.steps, one.errors, step=one.step)
            for key, one in self.sums.items()
        ]


def owners(steps: Sequence[Step], agent: str | None) -> dict[str, str | None]:
    """Span id -> whose step it is: the agent of the step or of the nearest one around it, else the run's."""
    return {span: found or agent for span, found in agents_of(steps).items()}


def shows(step: Step) -> bool:
    """Whether a step may show a use by itself, so that it matters whose it is and when it was."""
    return (
        step.kind in _SHOWING or step.tool is not None or step.model is not None or bool(step.classes)
        or step.version is not None
    )  # fmt: skip


def list_steps(
    listing: Listing,
    steps: Iterable[Step],
    owner: Mapping[str, str | None],
    lineage: Mapping[str, str | None],
) -> None:
    """Gather what steps show by themselves. A step of nobody and one that repeats another show nothing.

    ``lineage``: the agent of each step or of the nearest one around it, by span id. The run's own agent is not taken to
    have handed work to those that stand beside it. A call that was denied or is held, or that did not happen, is no use
    of its tool.
    """
    for step in steps:
        agent = owner[step.span]
        if agent is None or step.same_as is not None:
            continue
        kind, said = step.kind, CLAIMED_USE if step.claimed else ""
        if kind is Kind.MODEL:
            if step.model is not None:
                listing.add(agent, "model", step.model, step, detail=said)
        elif kind is Kind.EVALUATION:
            listing.add(agent, "evaluation", step.name, step, detail=said)
        elif kind is not Kind.HANDOFF and happened(step):
            if step.tool is not None:
                listing.add(agent, "tool", step.tool, step, detail=said)
            for one in step.classes:
                listing.add(agent, "data", one, step, detail=said)
        if step.version is not None:
            listing.add(agent, "version", step.version, step, detail=said)
        if step.agent is not None and step.parent is not None:
            above = lineage.get(step.parent)
            if above is not None and above != step.agent:
                listing.add(above, "delegate", step.agent, step, detail=said)


def happened(step: Step) -> bool:
    """Whether what a step is about was done, as far as anybody knows."""
    return (
        step.status not in _NOT_DONE
        and step.decision != "deny"
        and step.outcome is not EffectOutcome.DID_NOT_HAPPEN
    )
