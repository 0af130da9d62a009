"""Scopes: what tells a policy's scope from a question.

An agent must not leave a group by what it does. What it calls, sends and shows is its own word, so such things only
ever bring it into a group: a term that they could make false is judged by what is declared alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tallystick.model.query import Term
from tallystick.registry.graph import Graph

_ABSENT: Final = (  # what is so as long as something was not seen
    ("flag", "unevaluated"), ("standing", "declared-only"), ("missing", "policy"),
)  # fmt: skip


def shrinks(term: Term) -> bool:
    """Whether more that was seen can make a term false that was true."""
    absent = term.field == "never-used" or (term.field, term.value) in _ABSENT
    return term.negated is not absent


def declared_half(graph: Graph) -> Graph:
    """The same registry without what was seen of agents and tools."""
    return graph.remember(
        ("declared half",), lambda: Graph(replace(graph.snapshot, uses=(), shown=(), seen=()))
    )
