"""History: what an agent did in a time, and what it was granted and did not use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tallystick.model.registry import Use
from tallystick.registry.graph import Graph, names_in

_GRANTS: Final = (("tools", "tool"), ("models", "model"), ("delegates", "delegate"))
_DEEDS: Final = ("tool", "model", "data", "prompt", "delegate")


@dataclass(frozen=True, slots=True)
class Window:
    """A time, open at the ends that are None; nanoseconds since the epoch.

    Uses are summed up, so that of those between the first and the last only these two are known: a use is in the
    window when its first is not after the end and its last is not before the start.
    """

    since: int | None = None
    until: int | None = None

    def holds(self, use: Use) -> bool:
        """Whether a use falls into the window."""
        late_enough = self.since is None or use.last >= self.since
        return late_enough and (self.until is None or use.first <= self.until)


def did(graph: Graph, agent: str, same: Callable[[str], bool], window: Window) -> bool:
    """Whether an agent was seen using something of this name: also a class or source that a tool it called reaches."""
    for use in graph.uses.get(agent, ()):
        if use.type not in _DEEDS or not window.holds(use):
            continue
        if same(use.name) or (use.type == "tool" and _through(graph, use.name, same)):
            return True
    return False


def _through(graph: Graph, tool: str, same: Callable[[str], bool]) -> bool:
    return any(map(same, graph.sources_of_tool(tool))) or any(map(same, graph.classes_of_tool(tool)))


def idle_grants(graph: Graph, agent: str, window: Window) -> Iterator[tuple[str, str]]:
    """What an agent is declared with and was not seen using in a window, as (type of use, name).

    What was only claimed is no use: or whoever may send could keep a grant alive.
    """
    body = graph.body("agent", agent)
    for field, kind in _GRANTS:
        granted = names_in(body, field)
        if granted:
            used = {use.name for use in graph.believed(agent, kind) if window.holds(use)}
            yield from ((kind, name) for name in dict.fromkeys(granted) if name not in used)
