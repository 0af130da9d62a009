"""Which run a step belongs to.

A step that its sender stamped with a run id belongs to that run. Every other step belongs to the run of its trace,
and traces that share a link (a conversation, a response, a tool call) are one run, because several frameworks break
one run into many traces. Pure: the store gives what it knows of the keys in a batch and gets back the decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tallystick.model.step import Step


@dataclass(slots=True)
class Known:
    """What a store knows of the keys of a batch.

    ``runs`` maps a key (a trace id or a link) to the run it leads to; ``stamped`` holds the runs among those, and
    among the stamped ids of the batch, whose id a sender gave; ``age`` orders runs by when they came first, so that
    the older of two merged runs keeps its id.
    """

    runs: Mapping[str, str] = field(default_factory=dict)
    stamped: frozenset[str] = frozenset()
    age: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Assignment:
    """The decisions: one run per step of the batch, keys to remember, and runs that are another run now.

    ``merged`` maps the id of a run that ends here to the one that takes its steps over. ``stamped`` are the runs of
    this batch whose id came from a sender.
    """

    runs: list[str]
    keys: dict[str, str]
    merged: dict[str, str]
    stamped: set[str]


def keys_of(steps: Iterable[Step]) -> set[str]:
    """The keys whose runs a store must look up before ``assign``: traces, and the links of unstamped steps."""
    keys: set[str] = set()
    for step in steps:
        keys.add(step.trace)
        if step.links and not step.run:
            keys.update(step.links)
    return keys


def adds_to(step: Step, held: Step) -> bool:
    """Whether a record adds something to the one that is here: an end to a start, or a later sign of life.

    A derived step is read out of every history that quotes it, and the first of these calls is the nearest to when it
    ran. Any other record of the same span is a repeat and changes nothing.
    """
    if held.ended is not None:
        return step.derived and held.derived and step.started < held.started
    return step.ended is not None or _alive(step) > _alive(held)


def _alive(step: Step) -> int:
    value = step.facts.get("alive") if step.facts else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def parted(
    steps: Iterable[tuple[str, Iterable[str]]], tied: Iterable[tuple[str, str]], stamped: Iterable[str] = ()
) -> list[set[str]]:
    """The traces of one run as the groups that still belong together, in the order of their first steps.

    ``steps``: trace and links of each, in order of arrival. ``tied``: traces that belong together besides. ``stamped``:
    traces with steps whose sender named the run.
    """
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    order: dict[str, None] = {}
    for trace, links in steps:
        order.setdefault(trace)
        for link in links:
            leader[find("link " + link)] = find(trace)
    known = order.keys()
    for one, other in tied:
        if one in known and other in known:
            leader[find(one)] = find(other)
    for trace in stamped:
        leader[find(trace)] = find("stamp")
    groups: dict[str, set[str]] = {}
    for trace in order:
        groups.setdefault(find(trace), set()).add(trace)
    return list(groups.values())


def joins(pairs: Iterable[tuple[str, str]], known: Known) -> dict[str, str]:
    """Runs that are another one now, as pairs of them turn out to be one; two stamped ones are never joined."""
    union = _Union(known)
    for one, other in pairs:
        union.join(one, other)
    return {run: union.find(run) for run in union.leader}


class _Union:
    """Union-find over run ids; the root of a set is the run that keeps its id."""

    def __init__(self, known: Known) -> None:
        self.leader: dict[str, str] = {}
        self.stamped = set(known.stamped)
        self._age = dict(known.age)

    def find(self, run: str) -> str:
        leader = self.leader
        top = run
        while top in leader:
            top = leader[top]
        while run != top:
            leader[run], run = top, leader[run]
        return top

    def join(self, one: str, other: str) -> None:
        """Make two runs one, unless both are stamped."""
        first, second = self.find(one), self.find(other)
        if first == second or (first in self.stamped and second in self.stamped):
            return
        keeps, goes = (first, second) if self._keeps(first, second) else (second, first)
        self.leader[goes] = keeps

    def _keeps(self, one: str, other: str) -> bool:
        if (one in self.stamped) != (other in self.stamped):
            return one in self.stamped
        return (self._rank(one), one) <= (self._rank(other), other)

    def _rank(self, run: str) -> int:
        return self._age.setdefault(run, len(self._age) + 2**62)


def assign(steps: Iterable[Step], known: Known) -> Assignment:
    """Assign a batch of steps, in the order given.

    Two stamped runs are never merged, whatever they share; an unstamped run that turns out to share a trace or a
    link with a stamped one is taken over by it.
    """
    union = _Union(known)
    keys: dict[str, str] = dict(known.runs)
    raw: list[str] = []
    for step in steps:
        trace = step.trace
        if step.run:
            run = step.run
            union.stamped.add(run)
            before = keys.get(trace)
            if before is None:
                keys[trace] = run
            elif before != run:
                union.join(before, run)
        else:
            run = keys.setdefault(trace, trace)
            for link in step.links:
                before = keys.setdefault(link, run)
                if before != run:
                    union.join(before, run)
        raw.append(run)
    find = union.find
    if not union.leader:
        changed = {key: run for key, run in keys.items() if known.runs.get(key) != run}
        return Assignment(raw, changed, {}, union.stamped)
    final = {key: find(run) for key, run in keys.items()}
    changed = {key: run for key, run in final.items() if known.runs.get(key) != run}
    merged = {run: find(run) for run in union.leader}
    return Assignment([find(run) for run in raw], changed, merged, union.stamped)
