"""Chains: the ways by which an agent's work reaches others, each written out only when it is asked for.

A chain of delegation can have thousands of agents, and telemetry can make one: all chains of it together would not fit
into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Chains(Mapping[str, tuple[str, ...]]):
    """Chains by the agent that they lead to, in the order in which the agents were found. It is its own chain."""

    def __init__(self, agent: str) -> None:
        self._before: dict[str, str | None] = {agent: None}

    def add(self, agent: str, before: str) -> bool:
        """Go on from the end of a chain to an agent; False where a chain leads to it already."""
        if agent in self._before:
            return False
        self._before[agent] = before
        return True

    def __getitem__(self, agent: str) -> tuple[str, ...]:
        chain, at = [agent], self._before[agent]
        while at is not None:
            chain.append(at)
            at = self._before[at]
        return tuple(reversed(chain))

    def __contains__(self, agent: object) -> bool:
        return agent in self._before

    def __iter__(self) -> Iterator[str]:
        return iter(self._before)

    def __len__(self) -> int:
        return len(self._before)
