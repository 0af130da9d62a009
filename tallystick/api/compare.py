"""The JSON API of comparing: two runs, two sets of runs, and the signals of an agent by version or over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from tallystick.api import compare_shapes as shapes
from tallystick.api.registry import Agent
from tallystick.api.settings import ReadsRuns
from tallystick.app.reading.questions import AsksRegistry

RunA = Annotated[
    str,
    QueryParameter(name="a", min_length=1, max_length=128, description="A run's id, or the beginning of it."),
]
RunB = Annotated[
    str, QueryParameter(name="b", min_length=1, max_length=128, description="The run to hold against it.")
]
Every = Annotated[bool, QueryParameter(name="all", description="Also the rows that are equal.")]
SetA = Annotated[
    str, QueryParameter(name="a", max_length=2000, description="A query: the first set of runs.")
]
SetB = Annotated[
    str | None,
    QueryParameter(
        name="b",
        max_length=2000,
        description="A query: the second set. Left out: the rest of the same selection.",
    ),
]
By = Annotated[Literal["version", "day", "week"], QueryParameter(description="What stands in one row.")]
Since = Annotated[
    str | None,
    QueryParameter(
        name="since",
        pattern=r"^([0-9]{1,5}[smhdw]|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))$",
        description="An age (30d) or a date (2026-11-22). Left out: all runs.",
    ),
]


def compare_handlers(
    reader: ReadsRuns, catalog: AsksRegistry, read: Mapping[str, Any], find: Mapping[str, Any]
) -> list[HTTPRouteHandler]:
    """The handlers; ``read`` and ``find`` are the options of those that may not find what was asked for."""

    @get("/api/compare", summary="Two runs, step by step", **find)
    def compare(first: RunA, second: RunB, every: Every = False) -> shapes.ComparedShape:
        """Steps aligned by what they mean; only differences, and where the runs part."""
        return cast(shapes.ComparedShape, reader.diff(first, second, every=every))

    @get("/api/contrast", summary="What separates two sets of runs", **read)
    def contrast(first: SetA, second: SetB = None) -> shapes.ContrastShape:
        """Attributes of runs, ranked by how well they separate the sets, with counts and confidence."""
        return cast(shapes.ContrastShape, reader.contrast(first, second))

    @get("/api/signals", summary="The four signals of an agent by version or over time", **find)
    def signals(agent: Agent, by: By = "version", since: Since = None) -> shapes.SignalsOverShape:
        """Completion, tool calls, adherence and cost, each with its interval; what was not measured is null."""
        return cast(shapes.SignalsOverShape, catalog.signals_over(agent, by, since))

    return [compare, contrast, signals]
