"""The JSON API of comparing: two runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from tallystick.api import compare_shapes as shapes
from tallystick.api.settings import ReadsRuns

RunA = Annotated[
    str,
    QueryParameter(name="a", min_length=1, max_length=128, description="A run's id, or the beginning of it."),
]
RunB = Annotated[
    str, QueryParameter(name="b", min_length=1, max_length=128, description="The run to hold against it.")
]
Every = Annotated[bool, QueryParameter(name="all", description="Also the rows that are equal.")]


def compare_handlers(reader: ReadsRuns, find: Mapping[str, Any]) -> list[HTTPRouteHandler]:
    """The handlers; ``find`` are the options of those that may not find what was asked for."""

    @get("/api/compare", summary="Two runs, step by step", **find)
    def diff(first: RunA, second: RunB, every: Every = False) -> shapes.ComparedShape:
        """Steps aligned by what they mean; only differences, and where the runs part."""
        return cast(shapes.ComparedShape, reader.diff(first, second, every=every))

    return [diff]
