"""A run as the trace store in memory holds it, and the uses of all of them (``ports.UseLog``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tallystick.model.registry import Use
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.completeness import Verdict
from tallystick.observe.summary import Part, PartKey, Tally, order_of
from tallystick.observe.uses import UseKey, beyond, key_of, of_run, summed

Pair = tuple[str, str]


@dataclass(slots=True)
class Held:
    """A run: the steps by (trace, span) in order of arrival, and what was last counted from them."""

    no: int
    id: str
    stamped: bool
    created: int
    seen: int
    steps: dict[Pair, tuple[int, Step, Span]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    parts: dict[PartKey, Part] = field(default_factory=dict)
    verdict: Verdict | None = None
    revision: int = 0
    sealed: int = 0
    stale: bool = True
    erased: bool = False
    listed: int = 0  # the revision at which its uses were listed
    listed_steps: int = 0  # how many steps it had then
    uses: dict[UseKey, Use] = field(default_factory=dict)

    @property
    def place(self) -> int:
        """When it began, or came: by this runs are listed."""
        return self.tally.started or self.tally.created

    def ordered(self) -> list[tuple[int, Step, Span]]:
        """Its steps by start time, sequence number and arrival."""
        return sorted(self.steps.values(), key=lambda one: (*order_of(one[1])[:2], one[0]))


def due(runs: Iterable[Held], limit: int) -> Sequence[tuple[str, int]]:
    """Runs whose uses are not listed as they stand, oldest change first."""
    found = [
        (held.revision, held.id) for held in runs
        if held.listed < held.revision and held.verdict is not None
        and (held.verdict.completeness != "open" or held.tally.steps >= 2 * held.listed_steps)
    ]  # fmt: skip
    return [(run, revision) for revision, run in sorted(found)[: max(0, limit)]]


def list_uses(runs: Mapping[str, Held], held: Held, revision: int, uses: Iterable[Use]) -> None:
    """Put a run's uses in the place of those it had; one that came later than ``revision`` stays."""
    if held.listed > revision:
        return
    kept = of_run(held.id, uses)
    held.listed, held.listed_steps, held.uses = revision, max(1, held.tally.steps), kept
    for agent in {use.agent for use in kept.values()}:
        for old in beyond(
            use for use in summed(one.uses for one in runs.values()).values() if use.agent == agent
        ):
            for one in runs.values():
                one.uses.pop(key_of(old), None)


def read_uses(
    rows: Iterable[Mapping[UseKey, Use]],
    *,
    agent: str | None,
    type: str | None,
    name: str | None,
    since: int | None,
) -> Sequence[Use]:
    """Uses summed up over rows of runs, those that match, by agent, type, name and detail."""
    return [
        use for _, use in sorted(summed(rows).items())
        if agent in (None, use.agent) and type in (None, use.type) and name in (None, use.name)
        and (since is None or use.last >= since)
    ]  # fmt: skip
