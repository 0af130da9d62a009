"""Groups: which policies of the registry cover an agent.

A policy's scope is a query of the registry. An agent that nobody declared is judged by the tools that it calls, from
its first call on. What it called stays known, so that a policy pushed later covers it at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tallystick.app.acting.feed import Heard, HeldPolicy
from tallystick.govern.policy import PolicyFile
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.query import REGISTRY, Query, parse_query
from tallystick.registry.graph import Graph
from tallystick.registry.search import covers
from tallystick.registry.snapshot import Snapshot

_MOST_AGENTS: Final = 10_000
_MOST_TOOLS: Final = 1_000  # of one agent


@dataclass(frozen=True, slots=True)
class Covering:
    """A policy that covers an agent, as a file of its policy set. ``problem``: why nobody can say whom it covers."""

    key: tuple[str, str]
    file: PolicyFile
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Scoped:
    covering: Covering
    query: Query
    graph: Graph


@dataclass(slots=True)
class _Calling:
    """What an agent called. ``full``: more tools than are kept, so that every group is taken to be its own. ``late``:
    it may be one of those that were forgotten."""

    tools: dict[str, ToolDeclaration] = field(default_factory=dict)
    full: bool = False
    late: bool = False

    def add(self, tool: ToolDeclaration) -> None:
        """Keep a tool."""
        if len(self.tools) >= _MOST_TOOLS and tool.name not in self.tools:
            self.full = True
        else:
            self.tools[tool.name] = tool


class Groups:
    """The scoped policies that a guard has heard of. Not safe for several threads: the policy book has the lock."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._scoped: tuple[_Scoped, ...] = ()
        self._calling: OrderedDict[str, _Calling] = OrderedDict()
        self._forgotten = _Calling()  # what agents called that had to make room for others
        self._chosen: dict[str, tuple[Covering, ...]] = {}

    def heed(self, heard: Heard) -> None:
        """Take what is known now in the place of what was."""
        self._chosen.clear()
        found: list[_Scoped] = []
        for nth, part in enumerate(heard.parts):
            scoped = [one for one in part.policies if one.scope is not None]
            if scoped:
                graph = Graph(part.snapshot or Snapshot())
                found.extend(_scoped(one, graph, nth) for one in scoped)
        self._scoped = tuple(sorted(found, key=lambda one: one.covering.file.name))

    @property
    def scoped(self) -> bool:
        """Whether there is a policy with a scope."""
        return bool(self._scoped)

    def covering(self, agent: str, tool: ToolDeclaration) -> tuple[Covering, ...]:
        """The policies that cover an agent that is about to call a tool, in order of name."""
        calling = self._calling.get(agent) or self._begin(agent)
        last = calling.tools.get(tool.name)
        if last is not tool and last != tool and not calling.full:
            calling.add(tool)
            self._chosen.pop(agent, None)
        if not self._scoped:
            return ()
        chosen = self._chosen.get(agent)
        if chosen is None:
            chosen = self._chosen[agent] = self._choose(agent, calling)
        return chosen

    def _begin(self, agent: str) -> _Calling:
        """Remember one agent more. What is forgotten for it counts for each that begins later: names cost nothing."""
        late = bool(self._forgotten.tools)
        calling = self._calling[agent] = _Calling(full=late and self._forgotten.full, late=late)
        if len(self._calling) > _MOST_AGENTS:
            gone, called = self._calling.popitem(last=False)
            self._chosen.pop(gone, None)
            for tool in called.tools.values():
                self._forgotten.add(tool)
            self._forgotten.full = self._forgotten.full or called.full
        return calling

    def _choose(self, agent: str, calling: _Calling) -> tuple[Covering, ...]:
        now, tools = self._now(), calling.tools
        if calling.late:
            tools = {**self._forgotten.tools, **tools}
        return tuple(
            one.covering for one in self._scoped
            if calling.full or one.covering.problem is not None
            or covers(one.graph, one.query, agent, tools, now=now)
        )  # fmt: skip


def base_files(heard: Heard) -> list[PolicyFile] | None:
    """The policies of the registry for processes without a folder of their own; None where there is none."""
    found = {
        (one.name, one.digest): PolicyFile(f"registry/{_named(one, nth)}", one.text)
        for nth, part in reversed(list(enumerate(heard.parts))) for one in part.policies if one.scope is None
    }  # fmt: skip
    return sorted(found.values(), key=lambda one: one.name) or None


def _scoped(policy: HeldPolicy, graph: Graph, nth: int) -> _Scoped:
    file = PolicyFile(f"pushed/{_named(policy, nth)}", policy.text)
    key = (file.name, policy.digest)
    try:
        query = parse_query(policy.scope or "", REGISTRY)
    except (
        BadInput
    ) as error:  # written by a newer release: whom it covers is not known, so it covers everybody
        problem = f"the scope of policy {policy.name} cannot be read: {error.message}"
        return _Scoped(Covering(key, file, problem), Query(), graph)
    return _Scoped(Covering(key, file), query, graph)


def _named(policy: HeldPolicy, nth: int) -> str:
    """The file name of a policy; those of a server are told from those of the own store."""
    return f"server/{policy.name}.cedar" if nth else f"{policy.name}.cedar"
