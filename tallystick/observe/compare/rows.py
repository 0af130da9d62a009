"""Two runs as one list of rows: equal, changed, moved, or on one side only; and the row where they part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tallystick.model.span import Span
from tallystick.model.step import Kind, Step
from tallystick.observe.compare.align import rising
from tallystick.observe.compare.cause import Cause, cause_of
from tallystick.observe.compare.differences import ANSWERED, Comparing, Difference
from tallystick.observe.compare.pairing import pair
from tallystick.observe.compare.side import Item, Side, side_of

SAME, CHANGED, ONLY_A, ONLY_B, MOVED = "same", "changed", "only a", "only b", "moved"


@dataclass(frozen=True, slots=True)
class Row:
    """One step of either run, or of both. ``frame``: it belongs to the framework, and the runs have different ones."""

    op: str
    a: Item | None
    b: Item | None
    changes: tuple[Difference, ...] = ()
    frame: bool = False

    @property
    def behaviour(self) -> bool:
        """Whether the agent did or met something else here."""
        item = self.a or self.b
        assert item is not None
        if self.op in (ONLY_A, ONLY_B):
            return not self.frame and (not item.frame or item.step.kind is Kind.AGENT)
        return self.op == MOVED or any(change.behaviour for change in self.changes)


@dataclass(frozen=True, slots=True)
class Compared:
    """All rows in shown order. ``first``: index of the row where the runs first part, None where they do the same."""

    rows: tuple[Row, ...]
    first: int | None
    cause: Cause | None
    notes: tuple[str, ...] = field(default=())


def compare(
    a: tuple[Sequence[Step], Mapping[str, Span]], b: tuple[Sequence[Step], Mapping[str, Span]]
) -> Compared:
    """Hold two runs (steps in order, spans by span id) against each other. Never raises for what a span may hold."""
    one, two = side_of(*a), side_of(*b)
    # A run that ended early lacks what its other half recorded later: that is no other instrumentation.
    loose = not (one.dialects <= two.dialects or two.dialects <= one.dialects)
    paired = pair(one, two)
    comparing = Comparing(loose=loose)
    rows: list[Row] = []
    for left, right in _merged(one, two, paired.pairs):
        if left is None or right is None:
            item = left or right
            assert item is not None
            rows.append(
                Row(ONLY_B if left is None else ONLY_A, left, right, (), _framed(item, one, two, loose))
            )
            continue
        changes = tuple(comparing.differences(left, right))
        op = MOVED if left.at in paired.moved else CHANGED if changes else SAME
        rows.append(Row(op, left, right, changes))
    first = _parting(rows)
    cause = None if first is None else cause_of(rows[first].a, rows[first].b, rows[first].changes)
    return Compared(tuple(rows), first, cause, tuple(_notes(rows, comparing, loose, paired.rough)))


def _framed(item: Item, one: Side, two: Side, loose: bool) -> bool:
    """Whether a step that only one run has says nothing of what the agent did: the other's recorder has none of it."""
    if not loose:
        return False
    kind = item.step.kind
    if item.frame or kind in (Kind.OTHER, Kind.AGENT, Kind.GOAL):
        return True
    return kind not in one.kinds or kind not in two.kinds


def _merged(a: Side, b: Side, pairs: Mapping[int, int]) -> list[tuple[Item | None, Item | None]]:
    """Pairs and steps of one side only, in an order that is that of ``a`` and, as far as may be, that of ``b``."""
    keys = sorted(pairs)
    spine = [keys[at] for at in rising([pairs[key] for key in keys])]
    taken = set(pairs.values())
    found: list[tuple[Item | None, Item | None]] = []
    i = j = 0
    for key in [*spine, len(a.items)]:
        until = pairs[key] if key < len(a.items) else len(b.items)
        for item in a.items[i:key]:
            found.append((item, b.items[pairs[item.at]] if item.at in pairs else None))
        found.extend((None, item) for item in b.items[j:until] if item.at not in taken)
        if key < len(a.items):
            found.append((a.items[key], b.items[until]))
        i, j = key + 1, until + 1
    return found


def _parting(rows: Sequence[Row]) -> int | None:
    """The first row, in the order in which things happened, whose behaviour differs.

    What a step was asked happens where it stands; what came of it, after all that is inside it.
    """
    found: tuple[int, int, int] | None = None
    for at, row in enumerate(rows):
        if not row.behaviour:
            continue
        item = row.a or row.b
        assert item is not None
        answered = all(change.sort == ANSWERED for change in row.changes if change.behaviour)
        late = answered if row.op == CHANGED else item.frame
        end = at
        if late and item.last > item.at:
            end = _end(rows, at, item)
        key = (end, 1 if end > at else 0, at)
        found = key if found is None else min(found, key)
    return None if found is None else found[2]


def _end(rows: Sequence[Row], at: int, item: Item) -> int:
    """Index of the last row of a step that is inside ``item``."""
    end = at
    for place in range(at + 1, len(rows)):
        inner = rows[place].a or rows[place].b
        assert inner is not None
        if inner.depth <= item.depth and (rows[place].a is None) == (rows[at].a is None):
            break
        end = place
    return end


def _notes(rows: Sequence[Row], comparing: Comparing, loose: bool, rough: bool) -> list[str]:
    said = []
    if loose:
        framed = sum(row.frame for row in rows)
        said.append(
            "The runs were recorded by different instrumentation: numbers as text, single arguments without their name,"
            " and wrapping steps are not taken for differences."
        )
        if framed:
            said.append(f"{framed} steps that only one framework has are left out.")
        if comparing.one_sided:
            said.append(f"{comparing.one_sided} contents are recorded in one run only and were not compared.")
    if comparing.noise:
        said.append(f"{comparing.noise} differences are only times of day or made-up ids.")
    if comparing.repeated:
        said.append(f"{comparing.repeated} differences only repeat in later steps what is told before.")
    if comparing.cut:
        said.append(f"{comparing.cut} steps differ in more places than are listed.")
    if rough:
        said.append("The runs differ so much that a part of them was aligned by order alone.")
    return said
