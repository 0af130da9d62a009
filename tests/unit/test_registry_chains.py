"""Delegation that goes on for thousands of agents, as telemetry can claim it: answered in little memory."""

from __future__ import annotations

import tracemalloc

from tallystick.model.registry import Declared, Use
from tallystick.registry.chains import Chains
from tallystick.registry.graph import Graph
from tallystick.registry.snapshot import Snapshot

LENGTH = 5_000


def test_a_circle_of_thousands_of_agents_is_walked_in_little_memory() -> None:
    uses = [Use(f"a{one}", "delegate", f"a{(one + 1) % LENGTH}") for one in range(LENGTH)]
    uses.append(Use(f"a{LENGTH - 1}", "tool", "care"))
    tool = Declared("tool", "care", "d" * 64, body={"effect": "read", "data": ["customer_pii"]})
    graph = Graph(Snapshot((tool,), uses=tuple(uses)))
    tracemalloc.start()
    try:
        assert list(graph.tools_of("a0")) == ["care"]
        assert len(graph.tools_of("a0")["care"]) == LENGTH
        assert graph.classes_of_agent("a1") == {"customer_pii"}
        assert tracemalloc.get_traced_memory()[1] < 20_000_000  # all chains written out have 100 MB
    finally:
        tracemalloc.stop()


def test_a_chain_leads_to_its_end() -> None:
    chains = Chains("a")
    assert chains.add("b", "a")
    assert chains.add("c", "b")
    assert not chains.add("a", "c")
    assert dict(chains) == {"a": ("a",), "b": ("a", "b"), "c": ("a", "b", "c")}
    assert ("d" in chains, "c" in chains, len(chains)) == (False, True, 3)
