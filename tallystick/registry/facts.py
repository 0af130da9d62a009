"""Facts about a graph that are looked up one by one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from tallystick.model.registry import Definition, Use


class Facts(Protocol):
    """What is looked up when a difference depends on it, because a snapshot would be too large with it."""

    def labels(self, agent: str) -> Collection[str]:
        """The labels of all versions of an agent."""
        ...

    def told(self, use: Use) -> Definition | None:
        """What a model was told of a tool; None where it is no longer known."""
        ...
