"""Facts: what is looked up in the stores when a difference depends on it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from tallystick.app.registry.uses import told_definition
from tallystick.model.registry import Definition, Use
from tallystick.ports import ControlStore, Traces

_MOST: Final = 10_000  # definitions that are remembered


class StoreFacts:
    """Looks facts up; what models were told is remembered by its digest."""

    def __init__(self, control: ControlStore, traces: Traces) -> None:
        self._control = control
        self._traces = traces
        self._told: dict[str, Definition | None] = {}

    def labels(self, agent: str) -> Collection[str]:
        """The labels of all versions of an agent."""
        return {one.label for one in self._control.versions("agent", agent) if one.label is not None}

    def told(self, use: Use) -> Definition | None:
        """What a model was told of a tool, from the step that shows it; None where it is there no longer."""
        if use.detail not in self._told:
            if len(self._told) >= _MOST:
                self._told.clear()
            self._told[use.detail] = told_definition(self._traces, use)
        return self._told[use.detail]
