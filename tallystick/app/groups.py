"""Groups: which policies of the registry cover an agent.

A policy's scope is a query of the registry. An agent that nobody declared is judged by the tools that it calls, from
its first call on. What it called stays known, so that a policy pushed later covers it at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tallystick.app.feed import Heard, HeldPolicy
from tallystick.govern.policy import PolicyFile
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.query import REGISTRY, Query, parse_query
from tallystick.registry.graph import Graph
from tallystick.registry.search import covers
from tallystick.registry.snapshot import Snapshot

_MOST_AGENTS: Final = 1_000
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


class Groups:
    """The scoped policies that a guard has heard of. Not safe for several threads: the policy book has the lock."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._scoped: tuple[_Scoped, ...] = ()
        self._calling: OrderedDict[str, dict[str, ToolDeclaration]] = OrderedDict()
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

    def covering(self, agent: str, tool: ToolDeclaration) -> tuple[Covering, ...]:
        """The policies that cover an agent that is about to call a tool, in order of name."""
        calling = self._calling.get(agent)
        if calling is None:
            calling = self._calling[agent] = {}
            if len(self._calling) > _MOST_AGENTS:
                gone, _ = self._calling.popitem(last=False)
                self._chosen.pop(gone, None)
        last = calling.get(tool.name)
        if last is not tool and last != tool:
            if len(calling) >= _MOST_TOOLS:
                calling.clear()
            calling[tool.name] = tool
            self._chosen.pop(agent, None)
        if not self._scoped:
            return ()
        chosen = self._chosen.get(agent)
        if chosen is None:
            now = self._now()
            chosen = self._chosen[agent] = tuple(
                one.covering for one in self._scoped
                if one.covering.problem is not None or covers(one.graph, one.query, agent, calling, now=now)
            )  # fmt: skip
        return chosen


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
