"""One of two runs, made ready to be held against the other.

Steps stand in the order in which they are shown (depth first, children by start), repeats left out. A step is an
*act* (a call of a model or a tool, a handoff, a decision, …) or a *frame*: an agent, a chain, a node of a graph that
has acts inside it. Frames come from the framework as often as from the agent, so acts are aligned first and frames
follow what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from tallystick.model.span import Span
from tallystick.model.step import Kind, Step
from tallystick.observe.contents import Contents, read_contents
from tallystick.observe.lineage import agents_of

_FRAMES: Final = frozenset({Kind.AGENT, Kind.OTHER, Kind.GOAL})
# What an attribute's name ends in when its value is another one in every run.
_VOLATILE: Final = (
    "call.id", "call_id", "response.id", "tallystick.seq", "run.id", "tallystick.previous", "tallystick.process",
    "decision.id", "approval.id", "budget.hold", "thread.id", "tool.id", "conversation.id", "session.id",
    "start_record", "tallystick.alive", "request_id", "time_to_first_chunk",
)  # fmt: skip
_BARE: Final = (("agent", "invoke_agent "), ("tool", "execute_tool "), ("handoff", "handoff "))


@dataclass(slots=True)
class Item:
    """One step of a side. ``up``: index of the step around it, or -1; ``last``: index of the last step inside it."""

    at: int
    step: Step
    span: Span
    up: int
    depth: int
    agent: str | None
    name: str = ""
    frame: bool = False
    last: int = 0
    outer: int = -1  # the nearest act or agent around it
    together: int = -1  # the group of siblings that ran at the same time, or -1
    _contents: Contents | None = None
    _print: int | None = None
    _meaning: int | None = None
    _leaves: frozenset[Any] | None = None

    @property
    def contents(self) -> Contents:
        """What the step was given and what came of it, read when somebody asks."""
        if self._contents is None:
            self._contents = read_contents(self.step, self.span)
        return self._contents

    @property
    def rough(self) -> tuple[str, str]:
        """Kind and name: what two steps must share to be the same act. A model's name is no part of it."""
        return self.step.kind.value, self.name

    @property
    def print(self) -> int:
        """Equal for two steps whose spans say the same, but for ids that providers give out. Needs no contents."""
        if self._print is None:
            told = [
                (key, value if type(value) is not str else _without_ids(value) if "_" in value else value)
                for key, value in self.span.attributes.items()
                if not key.endswith(_VOLATILE)
            ]
            told.sort(key=_by_key)
            step = self.step
            self._print = hash(
                (
                    step.kind, self.name, self.agent, step.status, step.decision, step.error,
                    self.span.status_message, repr(told), len(self.span.events) and _events(self.span),
                )
            )  # fmt: skip
        return self._print


_by_key: Final = itemgetter(0)
_IDS: Final = re.compile(
    r"\b(?:call|toolu|chatcmpl|resp|msg)[_-](?=[0-9A-Za-z]*[0-9])[0-9A-Za-z]{8,}\b"
)  # what model providers give to calls and answers


def _without_ids(text: str) -> str:
    return (
        _IDS.sub("", text)
        if "call_" in text or "toolu_" in text or "resp_" in text or "msg_" in text
        else text
    )


def _events(span: Span) -> int:
    return hash(tuple((event.name, repr(sorted(event.attributes.items()))) for event in span.events))


@dataclass(slots=True)
class Side:
    """The steps of one run in shown order; ``dialects``: how they were recorded."""

    items: list[Item]
    dialects: frozenset[str]
    kinds: frozenset[Kind] = field(default_factory=frozenset)

    @property
    def acts(self) -> list[Item]:
        """What was done, in order."""
        return [item for item in self.items if not item.frame]

    @property
    def frames(self) -> list[Item]:
        """What stands around acts."""
        return [item for item in self.items if item.frame]


def side_of(steps: Sequence[Step], spans: Mapping[str, Span]) -> Side:
    """A run's steps (as ``TraceStore.steps`` gives them) and their spans by span id, ready to be compared.

    A step that repeats another is left out, and what is inside it hangs where it hung. Linear in the steps.
    """
    agents = agents_of(steps)
    items = [
        Item(
            at, step, spans[step.span], up, depth, agents[step.span],
            intern_name(step, agents[step.span]),
        )
        for at, (step, up, depth) in enumerate(_shown([step for step in steps if step.span in spans]))
    ]  # fmt: skip
    _mark(items)
    _mark_parallel(items)
    return Side(
        items,
        frozenset((item.step.dialect + "/" + item.step.scope) for item in items if not item.step.derived),
        frozenset(item.step.kind for item in items),
    )


def intern_name(step: Step, agent: str | None) -> str:
    """What a step is called for being aligned: the tool's own name, the agent's, or the span's without its verb."""
    if step.kind in (Kind.MODEL, Kind.HANDOFF):
        return ""
    if step.tool is not None:
        return step.tool.rpartition("__")[2] or step.tool  # mcp__server__tool
    if step.kind is Kind.AGENT:
        return agent or ""
    name = step.name
    for kind, verb in _BARE:
        if step.kind.value == kind:
            name = name.removeprefix(verb)
    return name


def _shown(steps: Sequence[Step]) -> list[tuple[Step, int, int]]:
    """(step, index of its parent in this list or -1, depth), depth first; rings are cut, repeats folded away."""
    by_id = {step.span: step for step in steps}
    children: dict[str, list[Step]] = {}
    roots: list[Step] = []
    for step in steps:
        if step.parent is None or step.parent not in by_id or step.parent == step.span:
            roots.append(step)
        else:
            children.setdefault(step.parent, []).append(step)
    found: list[tuple[Step, int, int]] = []
    seen: set[str] = set()
    for start in [*roots, *steps]:  # the second pass finds only rings
        stack = [(start, -1, 0)]
        while stack:
            step, up, depth = stack.pop()
            if step.span in seen:
                continue
            seen.add(step.span)
            below, deeper = up, depth
            if step.same_as is None or step.same_as not in by_id:
                below, deeper = len(found), depth + 1
                found.append((step, up, depth))
            stack.extend((child, below, deeper) for child in reversed(children.get(step.span, ())))
    return found


def _mark(items: Sequence[Item]) -> None:
    """Find frames, the last step inside each step, and the nearest act or agent around it."""
    holds = [False] * len(items)
    for item in items:
        item.last = item.at
    for item in reversed(items):
        item.frame = item.step.kind in _FRAMES and holds[item.at]
        if item.up >= 0:
            above = items[item.up]
            above.last = max(above.last, item.last)
            holds[item.up] = holds[item.up] or not item.frame or holds[item.at]
    for item in items:
        if item.up >= 0:
            above = items[item.up]
            item.outer = above.outer if above.frame and above.step.kind is not Kind.AGENT else above.at


def _mark_parallel(items: Sequence[Item]) -> None:
    """Number the groups of acts under one act or agent that ran at the same time."""
    groups: dict[int, list[Item]] = {}
    for item in items:
        if not item.frame and item.step.kind is not Kind.MODEL:
            groups.setdefault(item.outer, []).append(item)
    number = 0
    for siblings in groups.values():
        timed = sorted(
            (one for one in siblings if one.step.started and one.step.ended),
            key=lambda one: (one.step.started, one.at),
        )
        until, before = 0, None  # type: int, Item | None
        for item in timed:
            if before is not None and item.step.started < until:
                if before.together < 0:
                    before.together = number = number + 1
                item.together = before.together
            before, until = item, max(until, item.step.ended or 0)
