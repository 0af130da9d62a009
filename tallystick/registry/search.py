"""Search: what the registry answers to a query of the one grammar.

What a term asks (a value may hold ``*``; names and classes are compared letter by letter, free text is not):

==================  ================================================================================================
kind, name          type and name of the thing
owner, env,         its owner; an alias it has; the label or the start of the digest of its newest version; where it
version, lifecycle  stands in its life (what is retired is found by ``lifecycle:retired`` alone)
autonomy, workflow  of an agent, as declared
standing            declared-and-observed, declared-only, observed-only, drifted
touches             an agent reaches, at any distance, a tool that reads or writes this class or data source, or was
                    seen handling the class; a tool or data source does so itself
data                the same, of data sources only
effect              an agent reaches a tool with this effect (``effect:>=write``); a tool has it
tool                an agent reaches it
model, prompt       an agent is declared with it or was seen using it
delegates-to        an agent hands work to that agent, at any distance
policy              the policy is in force for an agent and has a rule that can match one of its tools; for a tool: a
                    rule of it can match the tool. In a scope, where rules are not read: it is in force
used, never-used    an agent was seen using a tool, a model, a class, a data source, a prompt or a delegate; it was
                    declared with a tool, model or delegate and not seen using it. With since and until: in that time
since, until        without used and never-used: the thing was seen in that time
missing             see ``lacks``
unevaluated         of an agent: no suite names it, or no evaluation of it was seen
drifted, shadow     what was observed differs; observed and not declared
quarantined         a tool with a definition that waits for a person; an agent that has such a tool
==================  ================================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tallystick.model.query import Query, Term
from tallystick.model.registry import TYPES, Declared
from tallystick.registry.graph import Graph
from tallystick.registry.terms import NO_TOOLS, Asking, Force, Rules, Tools, scope_of

__all__ = ["Force", "Found", "Rules", "covers", "find", "in_force", "scope_of"]


class Found(NamedTuple):
    """A thing that matches."""

    type: str
    name: str


def find(graph: Graph, query: Query, *, now: int, rules: Rules | None = None) -> list[Found]:
    """The things that match, by type in the order of TYPES and then by name."""
    tests = Asking(graph, query, now, rules).tests()
    retired = any(_asks_for_retired(term) for term in query.terms)
    asked = [term.value for term in query.terms if term.field == "kind" and not term.negated]
    found: list[Found] = []
    for kind in TYPES:
        if any(one != kind for one in asked):
            continue
        names: Sequence[str] = graph.names[kind]
        if retired:
            names = sorted({*names, *(name for gone, name in graph.retired if gone == kind)})
        found.extend(Found(kind, name) for name in names if all(test((kind, name)) for test in tests))
    return found


def covers(graph: Graph, query: Query, agent: str, tools: Tools, *, now: int) -> bool:
    """Whether an agent matches a scope, given that it is about to call ``tools`` besides what the graph knows of it.

    The agent need not be known. A tool whose effect nobody declared counts as one with every effect. Nothing that was
    seen takes an agent out of a scope, see ``scopes``: so more agents may be covered than ``find`` finds.
    """
    key = ("agent", agent)
    return all(test(key) for test in Asking(graph, query, now, None, tools, scope=True).tests())


def in_force(graph: Graph, agent: str, *, now: int, tools: Tools = NO_TOOLS) -> list[Declared]:
    """The policies of the registry that are in force for an agent, by name.

    Those without a scope, and those whose scope covers it; a scope that cannot be read covers every agent.
    """
    return Force(graph, now, tools).of(agent)


def _asks_for_retired(term: Term) -> bool:
    return term.field == "lifecycle" and term.value == "retired" and not term.negated
