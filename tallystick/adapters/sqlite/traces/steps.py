"""The steps of a run and their spans (``ports.StepReader``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tallystick.adapters.naming import is_span_id
from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.nearby import read_nearby
from tallystick.adapters.sqlite.outlining import read_outline
from tallystick.adapters.sqlite.payloads import Place
from tallystick.adapters.sqlite.ties import TieTable
from tallystick.adapters.sqlite.traces.file import TraceFile
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.observe.outline import Outline


def in_order(steps: list[Step]) -> list[Step]:
    """Steps by start time, then sequence number, then as they came."""
    steps.sort(key=lambda step: (step.started, step.seq is None, step.seq or 0))
    return steps


class SqliteSteps(TraceFile):
    """Reads runs step by step, wherever their steps are: in the file or in the archive."""

    def steps(self, run: str) -> Sequence[Step]:
        """All steps of a run without contents, by start time, then sequence number, then arrival."""
        self._settle()
        with self._reading() as connection:
            number, name = self._run_of(connection, run)
            found = self._shelf.rows(connection, number)
            shapes = self._shapes.read(connection, {row[4] for row in found})
            steps = [rows.from_row(row, name, shapes) for row in found]
        return in_order(steps)

    def nearby(self, run: str, prefix: str) -> Sequence[Step]:
        """The steps whose id begins so, and what a look at one needs of those around it. Raises UnknownThing."""
        self._settle()
        with self._reading() as connection:
            number, name = self._run_of(connection, run)
            if self._shelf.place(connection, number) is None:
                return in_order(read_nearby(connection, number, name, prefix, self._shapes))
        return self.steps(run)

    def spans(self, run: str, spans: Iterable[str] | None = None) -> Mapping[str, Span]:
        """The original spans of a run by span id. Unknown span ids are left out."""
        raw: dict[Place, bytes] = {}
        wanted = None
        if spans is not None:
            wanted = [bytes.fromhex(span) for span in dict.fromkeys(spans) if is_span_id(span)]
        with self._reading() as connection:
            found = self._shelf.rows(connection, self._number(connection, run), spans=wanted, raw=raw)
            made: dict[str, Span] = {}
            for step, one in self._shelf.pairs(connection, found, run, self._shapes, raw):
                made.setdefault(step.span, one)
            return made

    def revision(self, run: str) -> int:
        """A number that grows whenever the run changes. Raises UnknownThing."""
        with self._reading() as connection:
            number = self._number(connection, run)
            return int(connection.execute("SELECT revision FROM run WHERE no=?", (number,)).fetchone()[0])

    def tied(self, run: str) -> Mapping[str, str]:
        """The traces of a run that no id puts there, each with the trace that it goes with. Raises UnknownThing."""
        with self._reading() as connection:
            return dict(TieTable(connection).tied_in(self._number(connection, run)))

    def outline(self, run: str) -> Outline:
        """The run's steps as columns, without making one of them. Raises UnknownThing."""
        with self._reading() as connection:
            return read_outline(connection, self._number(connection, run), self._shapes, self._shelf)
