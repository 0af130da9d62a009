"""How the words of a query read the registry: wildcards, cards, standings, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from tallystick.model.registry import Declared, Lifecycle
from tallystick.registry.graph import Graph, Key

_AGENTS_ONLY: Final = ("budget", "policy", "suite")


def matching(value: str) -> Callable[[str], bool]:
    """A test of names: equal, or with ``*`` for any text, in time linear in the name."""
    if "*" not in value:
        return value.__eq__
    first, *middle, last = value.split("*")

    def test(name: str) -> bool:
        if not name.startswith(first) or len(name) < len(first) + len(last) or not name.endswith(last):
            return False
        at, end = len(first), len(name) - len(last)
        for part in middle:
            found = name.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return test


def chosen(value: str, among: Iterable[str]) -> list[str]:
    """Those of the names that the value means."""
    test = matching(value)
    return [name for name in among if test(name)]


def object_of(graph: Graph, key: Key) -> Declared | None:
    """What is declared of a thing, also where it is retired."""
    return graph.objects.get(key) or graph.retired.get(key)


def owner_of(one: Declared) -> str | None:
    """Its owner; the bodies of old declarations held it."""
    return one.card.owner or _text(one, "owner")


def purpose_of(one: Declared) -> str | None:
    """Its purpose; the bodies of old declarations held it."""
    return one.card.purpose or _text(one, "purpose")


def lifecycle_of(graph: Graph, key: Key) -> str | None:
    """Where a thing stands in its life; None for what nobody declared."""
    one = graph.objects.get(key)
    if one is not None:
        return one.card.lifecycle.value
    return Lifecycle.RETIRED.value if key in graph.retired else None


def budgeted(graph: Graph, agent: str) -> bool:
    """Whether some budget limits every run of an agent: its own, its workflow's, or one on each run."""
    workflow = graph.body("agent", agent).get("workflow")
    scopes = {f"agent:{agent}", "agent:*", "run:*"}
    if isinstance(workflow, str):
        scopes |= {f"workflow:{workflow}", "workflow:*"}
    return not scopes.isdisjoint(graph.budgets)


def evaluated(graph: Graph, agent: str) -> bool:
    """Whether a suite names an agent and an evaluation of it was seen."""
    return bool(graph.suites.get(agent)) and bool(graph.believed(agent, "evaluation"))


def lacks(graph: Graph, key: Key, what: str, policed: Callable[[str], bool]) -> bool:
    """Whether a thing lacks what ``missing:`` asks for. ``policed``: whether a policy is in force for an agent."""
    kind, name = key
    if what in _AGENTS_ONLY:
        if kind != "agent":
            return False
        if what == "budget":
            return not budgeted(graph, name)
        return not policed(name) if what == "policy" else not graph.suites.get(name)
    one = graph.objects.get(key)
    if one is None:
        return kind != "budget"
    if what == "owner":
        return not owner_of(one)
    if what == "purpose":
        return not purpose_of(one)
    if what == "version":
        return one.version is None
    return what != "declaration" and not one.card.links.get(what)


def _text(one: Declared, field: str) -> str | None:
    value = one.body.get(field)
    return value if isinstance(value, str) and value else None
