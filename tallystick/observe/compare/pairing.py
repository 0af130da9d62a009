"""Which step of one run is which step of the other."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from tallystick.model.step import Kind
from tallystick.observe.compare.align import Aligner, rising
from tallystick.observe.compare.plain import leaves, parts_of, settled, text_of
from tallystick.observe.compare.side import Item, Side

_CHAIN = 12  # frames above a step that may be paired through it
_NEAR = 200  # steps that are looked back for the model call that asked for one
_FEW = 2_000  # leftover steps that are searched for one that was moved


@dataclass(slots=True)
class Paired:
    """``pairs``: index in a -> index in b. ``moved``: those of them (index in a) that stand in another place.

    ``rough``: a part was aligned in order only, because looking at every pair would have taken too long.
    """

    pairs: dict[int, int]
    moved: frozenset[int]
    rough: bool


def pair(a: Side, b: Side) -> Paired:
    """Align acts by what they are and were given, then the frames around them by what they hold."""
    acts_a, acts_b = _ordered(a), _ordered(b)
    aligner = Aligner(
        (
            (lambda at: acts_a[at].print, lambda at: acts_b[at].print),
            (lambda at: _meaning(acts_a[at]), lambda at: _meaning(acts_b[at])),
        ),
        lambda i, j: likeness(acts_a[i], acts_b[j]),
    )
    pairs = {acts_a[i].at: acts_b[j].at for i, j in aligner.align(len(acts_a), len(acts_b))}
    far = _far(acts_a, acts_b, pairs)
    pairs |= far
    _frames(a, b, pairs)
    # Acts that ran at the same time, or were asked for in one breath, may cross: their order means nothing.
    keys = sorted(at for at in pairs if not a.items[at].frame)
    kept = {keys[at] for at in rising([pairs[key] for key in keys])}
    moved = {at for at in keys if at not in kept and not _unordered(a, b, at, pairs[at])}
    return Paired(pairs, frozenset(moved), aligner.exhausted)


def _ordered(side: Side) -> list[Item]:
    """Acts in shown order; those that ran at the same time among themselves in an order that both runs share."""
    acts = side.acts
    groups: dict[int, list[int]] = {}
    for place, item in enumerate(acts):
        if item.together >= 0 and item.last == item.at:
            groups.setdefault(item.together, []).append(place)
    ordered = list(acts)
    for places in groups.values():
        items = sorted((acts[place] for place in places), key=lambda one: (one.rough, _meaning_text(one)))
        for place, item in zip(places, items, strict=True):
            ordered[place] = item
    return ordered


def _meaning_text(item: Item) -> str:
    return text_of(item.contents.arguments)[:2_000]


def _meaning(item: Item) -> Hashable:
    """Equal for two steps that were given the same (a model call: that said the same), whoever recorded them."""
    if item._meaning is None:
        kind = item.step.kind
        if kind is Kind.MODEL:
            said = parts_of(item.contents.output_messages) or item.contents.output
            told = text_of(settled(said))
        elif item.step.tool is not None:
            told = text_of(item.contents.arguments)
        else:
            told = text_of(settled(item.contents.input))
        item._meaning = hash((item.rough, told))
    return item._meaning


def _leaves(item: Item) -> frozenset[str]:
    if item._leaves is None:
        contents = item.contents
        if item.step.kind is Kind.MODEL:
            item._leaves = leaves(settled([part[2] for part in parts_of(contents.output_messages)]))
        elif item.step.tool is not None:
            item._leaves = leaves(contents.arguments)
        else:
            item._leaves = leaves(settled(contents.input))
    return item._leaves


def likeness(a: Item, b: Item) -> float:
    """How far two acts are the same, from 0 to 1. Another kind or another name: not at all."""
    if a.name != b.name or (a.step.kind is not b.step.kind and not (a.step.tool and b.step.tool)):
        return 0.0
    one, two = _leaves(a), _leaves(b)
    shared = len(one & two) / len(one | two) if one or two else 1.0
    return 0.5 + 0.4 * shared + 0.06 * (a.agent == b.agent) + 0.04 * (a.step.kind is b.step.kind)


def _far(a: list[Item], b: list[Item], pairs: dict[int, int]) -> dict[int, int]:
    """Steps that are left on both sides and mean the same: they stand in another place."""
    taken = set(pairs.values())
    left_a = [item for item in a if item.at not in pairs][:_FEW]
    left_b: dict[Hashable, list[Item]] = {}
    for item in [item for item in b if item.at not in taken][:_FEW]:
        left_b.setdefault(_meaning(item), []).append(item)
    found: dict[int, int] = {}
    for item in left_a:
        if item.step.kind is Kind.MODEL and not _leaves(item):
            continue  # a call that says nothing is like every other one
        same = left_b.get(_meaning(item))
        if same:
            found[item.at] = same.pop(0).at
    return found


def _frames(a: Side, b: Side, pairs: dict[int, int]) -> None:
    """Pair the frames around paired acts: those of one kind and name that hold the most pairs together."""
    votes: dict[tuple[int, int], int] = {}
    seen: dict[tuple[int, int], int] = {}
    for one, two in pairs.items():
        ups = (a.items[one].up, b.items[two].up)
        seen[ups] = seen.get(ups, 0) + 1
    for (one, two), count in seen.items():
        above = _above(b, two)
        for item in _above(a, one):
            other = next((it for it in above if it.rough == item.rough), None)
            if other is not None:
                above = above[above.index(other) + 1 :]
                votes[(item.at, other.at)] = votes.get((item.at, other.at), 0) + count
    taken: set[int] = set()
    ranked = sorted(
        votes, key=lambda one: (-votes[one], abs(a.items[one[0]].depth - b.items[one[1]].depth), one)
    )
    for one, two in ranked:
        if one not in pairs and two not in taken:
            pairs[one] = two
            taken.add(two)


def _above(side: Side, at: int) -> list[Item]:
    found: list[Item] = []
    while at >= 0 and len(found) < _CHAIN:
        item = side.items[at]
        if item.frame:
            found.append(item)
        at = item.up
    return found


def _unordered(a: Side, b: Side, at: int, to: int) -> bool:
    """Whether a step only changed places with others that ran at the same time, or were asked for in one message."""
    return any(
        item.together >= 0 or item.step.derived or _asked_with_others(side, item)
        for side, item in ((a, a.items[at]), (b, b.items[to]))
    )


def _asked_with_others(side: Side, item: Item) -> bool:
    """Whether the model call before a step asked for several calls at once."""
    if item.step.tool is None:
        return False
    for at in range(item.at - 1, max(-1, item.at - _NEAR), -1):
        before = side.items[at]
        if before.step.kind is Kind.MODEL:
            said = parts_of(before.contents.output_messages)
            return sum(part[1] == "tool_call" for part in said) > 1
    return False
