"""What declarations name has to be there: in the same project, or in the registry. And nobody delegates in a circle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Final

from tallystick.model.registry import Declared
from tallystick.registry import fields
from tallystick.registry.declarations import Declarations
from tallystick.registry.fields import DeclarationFile

_NAMED: Final = (
    ("tools", "tool", "declare it in tools/{}.toml"),
    ("prompts", "prompt", "write it as prompts/{}.md"),
    ("delegates", "agent", "declare it in agents/{}.toml"),
    ("suites", "suite", "write it as evals/{}.jsonl"),
)
_WORDS: Final = {
    "tool": "tool", "prompt": "prompt", "agent": "agent", "suite": "suite", "data": "data source",
}  # fmt: skip


def check_references(
    found: Declarations, known: Iterable[Declared] = (), *, types: Sequence[str] = tuple(_WORDS)
) -> None:
    """Raises ConfigError for a name that nobody declares, and for agents that delegate in a circle.

    ``known`` is what the registry has already, ``types`` what is looked up. What stands in no file (an agent that a
    program made) is not judged.
    """
    standing = [one for one in known if not one.retired]
    there = _names(found, standing)
    for agent in found.agents:
        if agent.file is None:
            continue
        for key, kind, hint in _NAMED:
            if kind not in types:
                continue
            for name in getattr(agent, key) or ():
                _look_up(agent.file, key, f"agent {agent.name}", kind, name, there[kind], hint)
    for tool in found.tools:
        for name in (tool.sources or ()) if tool.file is not None else ():
            assert tool.file is not None
            _look_up(
                tool.file, "sources", f"tool {tool.tool.name}", "data", name, there["data"],
                "declare it in data/{}.toml",
            )  # fmt: skip
    _check_circles(found, standing)


def _names(found: Declarations, standing: Sequence[Declared]) -> dict[str, set[str]]:
    there: dict[str, set[str]] = {kind: set() for kind in _WORDS}
    for one in standing:
        if one.type in there:
            there[one.type].add(one.name)
    for wanted in found.wanted():
        if wanted.declared.type in there:
            there[wanted.declared.type].add(wanted.declared.name)
    return there


def _look_up(
    file: DeclarationFile, key: str, who: str, type: str, name: str, there: Set[str], hint: str
) -> None:
    if name in there:
        return
    raise file.error(
        key, f"{who} names {_WORDS[type]} {name!r}, which nobody declares",
        fields.nearest(name, sorted(there)) or hint.format(name),
    )  # fmt: skip


def _check_circles(found: Declarations, standing: Sequence[Declared]) -> None:
    edges: dict[str, Sequence[str]] = {
        one.name: tuple(one.body.get("delegates") or ()) for one in standing if one.type == "agent"
    }
    edges |= {one.name: one.delegates or () for one in found.agents}
    files = {one.name: one.file for one in found.agents}
    for circle in circles(edges):
        here = next((name for name in circle if files.get(name) is not None), None)
        file = None if here is None else files[here]
        if file is None or here is None:
            continue  # it stands in the registry already, and no file of this project is part of it
        at = circle.index(here)
        way = [*circle[at:], *circle[:at], here]
        raise file.error(
            "delegates", "agents delegate in a circle: " + " → ".join(way), "take one of these delegates away"
        )


def circles(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """One circle through each knot of agents that delegate in a circle; each starts where it was entered first."""
    found: list[list[str]] = []
    state: dict[str, int] = {}  # 1: on the way, 2: done
    for start in sorted(edges):
        if start in state:
            continue
        way: list[str] = [start]
        branches = [iter(edges.get(start, ()))]
        state[start] = 1
        while branches:
            step = next(branches[-1], None)
            if step is None:
                branches.pop()
                state[way.pop()] = 2
            elif state.get(step) == 1:
                found.append(way[way.index(step) :])
            elif step not in state:
                state[step] = 1
                way.append(step)
                branches.append(iter(edges.get(step, ())))
    return found
