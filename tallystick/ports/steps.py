"""The steps of a run and the spans they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.outline import Outline


class StepReader(Protocol):
    """Reads runs step by step, wherever their steps are."""

    def steps(self, run: str) -> Sequence[Step]:
        """All steps of a run without contents, by start time then sequence number; repeats carry ``same_as``."""
        ...

    def nearby(self, run: str, prefix: str) -> Sequence[Step]:
        """The steps whose id begins with ``prefix``; where that is one, also those around it up to the next that names
        an agent, the steps that a log made and that may tell of it, the model calls just before a tool's, and the steps
        around it that pass messages on (at least: a store may give more steps of the run). In the order of ``steps``.
        Raises UnknownThing for no such run."""
        ...

    def tied(self, run: str) -> Mapping[str, str]:
        """The traces of a run that are in it for what their spans say and not by an id, each with the trace that it
        goes with (observe/tying.py). Raises UnknownThing."""
        ...

    def outline(self, run: str) -> Outline:
        """What a tree shows of ``steps``, as columns: fast for runs of many thousand steps. Raises UnknownThing."""
        ...

    def revision(self, run: str) -> int:
        """A number that grows whenever the run changes: while it stands, so does its outline. Raises UnknownThing."""
        ...

    def spans(self, run: str, spans: Iterable[str] | None = None) -> Mapping[str, Span]:
        """The original spans of a run by span id (all of them, or those asked for), attributes byte for byte."""
        ...
