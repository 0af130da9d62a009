"""Export of runs, some steps at a time: as OTLP, as one JSON object a line, or as rows of columns.

Memory is bounded by a slice of one run, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from tallystick.app.keeping.exporting import otlp_json
from tallystick.app.reading.shapes import Json, run_json, step_json
from tallystick.model.errors import UnknownThing
from tallystick.model.query import parse_query
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.contents import read_contents
from tallystick.ports import Clock, Traces

_SLICE = 512
_PAGE = 200


class RunExport:
    """Exports the runs that ``what`` means: one run by id or unambiguous prefix, or all that match a query."""

    def __init__(self, traces: Traces, clock: Clock) -> None:
        self._traces = traces
        self._clock = clock

    def runs(self, what: str) -> Iterator[str]:
        """Run ids, newest first. Raises UnknownThing for neither a run nor a query, BadInput."""
        try:
            yield self._traces.resolve(what)
            return
        except UnknownThing:
            if not any(letter in what for letter in ':" '):
                raise
        query = parse_query(what)
        before: str | None = None
        more = True
        while more:
            page = self._traces.runs(query, now=self._clock.now(), limit=_PAGE, before=before)
            yield from (run.run for run in page.runs)
            more = len(page.runs) == _PAGE
            before = page.runs[-1].run if page.runs else None

    def otlp(self, what: str) -> Iterator[Json]:
        """The ``resourceSpans`` of an OTLP JSON document, slice by slice. Derived steps are left out."""
        for run in self.runs(what):
            for some in self._slices(run):
                yield from otlp_json([span for step, span in some if not step.derived])["resourceSpans"]

    def lines(self, what: str) -> Iterator[Json]:
        """Each run as ``{"type": "run", …run}``, then its steps in order of arrival as ``{"type": "step", …step}``.

        ``otlp`` of a step is the request that brings it into any store as it was; a derived step was never sent.
        """
        for run in self.runs(what):
            yield {"type": "run", **run_json(self._traces.run(run, now=self._clock.now()))}
            for some in self._slices(run):
                for step, span in some:
                    yield {
                        "type": "step", "run": run, **step_json(step, read_contents(step, span)),
                        "attributes": dict(span.attributes), "resource": dict(span.source.resource),
                        "otlp": None if step.derived else otlp_json([span]),
                    }  # fmt: skip

    def pairs(self, what: str) -> Iterator[tuple[Step, Span]]:
        """Steps with their spans."""
        for run in self.runs(what):
            for some in self._slices(run):
                yield from some

    def _slices(self, run: str) -> Iterator[list[tuple[Step, Span]]]:
        kept = ((one.step, one.span) for one in self._traces.kept(run))
        while some := list(islice(kept, _SLICE)):
            yield some
