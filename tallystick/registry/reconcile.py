"""Declared against observed: the two halves of the registry, held side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tallystick.model.registry import Declared

BOTH: Final = "declared and observed"
DECLARED_ONLY: Final = "declared only"
SHADOW: Final = "observed only"
DRIFTED: Final = "drifted"


class Seen(Protocol):
    """What was seen of one thing in the traces (a ``ports.Sighting``)."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def first(self) -> int:
        """When it was first seen, in nanoseconds."""
        ...

    @property
    def last(self) -> int:
        """When it was last seen, in nanoseconds."""
        ...

    @property
    def runs(self) -> int:
        """In how many runs."""
        ...

    @property
    def steps(self) -> int:
        """In how many steps."""
        ...

    @property
    def errors(self) -> int:
        """How many of them failed."""
        ...

    @property
    def cost_nano(self) -> int:
        """What is known of its cost."""
        ...

    @property
    def cost_gaps(self) -> int:
        """How many steps have an unknown cost."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """One thing with both halves. ``first`` and ``last`` are None for what was never seen."""

    name: str
    standing: str
    declared: bool
    observed: bool
    version: str | None = None
    digest: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    runs: int = 0
    steps: int = 0
    errors: int = 0
    cost_nano: int = 0
    cost_gaps: int = 0
    first: int | None = None
    last: int | None = None


def reconcile(
    declared: Iterable[Declared], seen: Iterable[Seen], drifted: Collection[str] = ()
) -> list[Standing]:
    """Match by name: what runs undeclared first (it is what people must see), then the rest, by name.

    ``drifted`` names the declared things that differ from what was observed (see ``registry.drift``).
    """
    known = {one.name: one for one in declared}
    observed = {one.name: one for one in seen}
    rows = [_row(name, known.get(name), observed.get(name), name in drifted) for name in {*known, *observed}]
    return sorted(rows, key=lambda row: (row.declared, row.name))


def _row(name: str, declared: Declared | None, seen: Seen | None, drifted: bool) -> Standing:
    standing = BOTH if declared and seen else DECLARED_ONLY if declared else SHADOW
    if declared and drifted:
        standing = DRIFTED
    row = Standing(
        name, standing, declared is not None, seen is not None,
        version=declared.version if declared else None, digest=declared.digest if declared else None,
        body=declared.body if declared else {},
    )  # fmt: skip
    if seen is None:
        return row
    return Standing(
        row.name, row.standing, row.declared, row.observed, row.version, row.digest, row.body, seen.runs, seen.steps,
        seen.errors, seen.cost_nano, seen.cost_gaps, seen.first or None, seen.last or None,
    )  # fmt: skip
