"""Outline: a run's steps as columns, in the order in which a tree shows them.

A run of fifty thousand steps is opened without an object for each of them: what many steps have in common is a ``Look``
and stands once, the rest are plain columns. The order is root first, depth first, children by start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tallystick.model.step import Step


class Look(NamedTuple):
    """What many steps of a run have in common. ``gap`` says why the cost of such a step is unknown."""

    kind: str
    status: str
    name: str
    agent: str | None
    decision: str | None
    gap: str | None
    derived: bool
    tool: str | None
    model: str | None


@dataclass(slots=True)
class Outline:
    """Steps as columns, by start time, then sequence number, then arrival: the order of ``TraceStore.steps``.

    ``spans``, ``parents`` and ``same_as`` are span ids of eight bytes. Times are nanoseconds (``started`` since the
    epoch, 0 where no time was recorded), ``costs`` nano-dollars, ``tokens`` input and output together; None is unknown.
    ``look`` is the place of each step's look in ``looks``.
    """

    spans: Sequence[bytes]
    parents: Sequence[bytes | None]
    started: Sequence[int]
    durations: Sequence[int | None]
    costs: Sequence[int | None]
    tokens: Sequence[int | None]
    same_as: Sequence[bytes | None]
    look: Sequence[int]
    looks: Sequence[Look]


class Tree(NamedTuple):
    """The order in which an outline is shown: for each row the step's place, its parent's row (-1: none) and depth."""

    places: list[int]
    parents: list[int]
    depths: list[int]


def outline_of(steps: Iterable[Step]) -> Outline:
    """The outline of steps that are in order already."""
    looks: dict[Look, int] = {}
    made = Outline([], [], [], [], [], [], [], [], ())
    columns = (
        made.spans,
        made.parents,
        made.started,
        made.durations,
        made.costs,
        made.tokens,
        made.same_as,
        made.look,
    )
    for step in steps:
        look = Look(
            step.kind.value, step.status.value, step.name, step.agent, step.decision, step.cost_gap, step.derived,
            step.tool, step.model,
        )  # fmt: skip
        used = step.usage
        known = used.input_tokens is not None and used.output_tokens is not None
        values = (
            bytes.fromhex(step.span), None if step.parent is None else bytes.fromhex(step.parent), step.started,
            step.ended - step.started if step.ended and step.started else None, step.cost_nano,
            (used.input_tokens or 0) + (used.output_tokens or 0) if known else None,
            None if step.same_as is None else bytes.fromhex(step.same_as), looks.setdefault(look, len(looks)),
        )  # fmt: skip
        for column, value in zip(columns, values, strict=True):
            column.append(value)  # type: ignore[attr-defined]
    made.looks = tuple(looks)
    return made


def in_order(started: Sequence[int], numbers: Sequence[int | None]) -> list[int] | None:
    """The places by start, then sequence number, then arrival; None where they stand so already."""
    last = 2**63
    keys = list(zip(started, [last if number is None else number for number in numbers], strict=True))
    if all(map(tuple.__le__, keys, keys[1:])):
        return None
    return sorted(range(len(keys)), key=keys.__getitem__)


def arrange(outline: Outline) -> Tree:
    """Root first, depth first, children in the outline's order.

    A step whose parent is not here stands at the top, and so does one whose ancestors form a ring.
    """
    size = len(outline.spans)
    index: dict[bytes | None, int] = dict(zip(outline.spans, range(size), strict=True))
    above = list(map(index.get, outline.parents))
    first = [-1] * (size + 1)  # the first child of each step; those at the top hang under place ``size``
    following = [-1] * size
    for place in range(size - 1, -1, -1):
        parent = above[place]
        if parent is None or parent == place:
            parent = size
        following[place] = first[parent]
        first[parent] = place
    tree = Tree([], [], [])
    _walk(first, following, first[size], tree, None)
    if len(tree.places) < size:
        _rings(first, following, tree, size)
    return tree


def _walk(first: list[int], following: list[int], start: int, tree: Tree, seen: bytearray | None) -> None:
    """Put ``start``, its later siblings and all that hangs under them into the tree.

    With ``seen`` only ``start`` and what hangs under it, each step once: so that a ring ends.
    """
    places, parents, depths = tree
    stack: list[tuple[int, int]] = []
    at, parent, depth = start, -1, 0
    while True:
        while at < 0:
            if not stack:
                return
            at, parent = stack.pop()
            depth -= 1
        if seen is not None and seen[at]:
            at = following[at] if depth else -1
            continue
        if seen is not None:
            seen[at] = 1
        row = len(places)
        places.append(at)
        parents.append(parent)
        depths.append(depth)
        after = following[at] if seen is None or depth else -1
        below = first[at]
        if below >= 0:
            stack.append((after, parent))
            at, parent, depth = below, row, depth + 1
        else:
            at = after


def _rings(first: list[int], following: list[int], tree: Tree, size: int) -> None:
    """Add the steps whose ancestors form a ring: the first of each ring stands at the top."""
    seen = bytearray(size)
    for place in tree.places:
        seen[place] = 1
    for place in range(size):
        if not seen[place]:
            _walk(first, following, place, tree, seen)


def agents_in(outline: Outline, tree: Tree) -> list[str | None]:
    """The agent of each row: what its step says, else that of the nearest step around it that says one."""
    own = [look.agent for look in outline.looks]
    looks = outline.look
    found: list[str | None] = []
    for place, parent in zip(tree.places, tree.parents, strict=True):
        agent = own[looks[place]]
        found.append(found[parent] if agent is None and parent >= 0 else agent)
    return found
