"""What a look at one step needs of its run, without making the other steps: SQLite passes over their rows."""

from __future__ import annotations

import re
import sqlite3
from heapq import nlargest, nsmallest
from typing import Any, Final

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.outlining import bodies_of
from tallystick.adapters.sqlite.rows import Shapes
from tallystick.adapters.sqlite.runs import pairs_in
from tallystick.model.step import Kind, Step
from tallystick.observe.asked import NEAREST, RELAYS, passes_on

_ID: Final = re.compile("[0-9a-f]{1,16}")
_BEGINS: Final = f"{rows.READ} WHERE s.run=? AND s.span BETWEEN ? AND ?"
_BESIDE: Final = f"{rows.READ} WHERE s.trace=(SELECT no FROM trace WHERE id=?) AND s.span=? AND s.run=?"
_AROUND: Final = f"{rows.READ} WHERE s.run=? AND s.span=?"
# A step that a log made has the key "log" among its facts, and its parent is in its body, both as they are: other rows
# may have these bytes too, and who asks looks again.
_TOLD: Final = (
    f"{rows.READ} WHERE s.run=? AND instr(s.body, x'a36c6f67') AND (s.same_as=? OR instr(s.body, ?))"
)
_MODELS: Final = f"SELECT id, span, body FROM step WHERE run=? AND flags & {rows.MODEL}"
_SHAPES: Final = "SELECT DISTINCT shape FROM step WHERE run=?"
_OF_SHAPES: Final = (
    "SELECT id, span, body FROM step WHERE run=? AND shape IN (SELECT value FROM json_each(?))"
)
_NAME, _DIALECT = 2, 4  # places in a shape
_BY_ROW: Final = f"{rows.READ} WHERE s.id IN ({{}})"

Row = tuple[Any, ...]


def read_nearby(
    connection: sqlite3.Connection, run: int, name: str, prefix: str, shapes: Shapes
) -> list[Step]:
    """The steps of ``StepReader.nearby`` of a run whose steps are in the file, in order of arrival."""
    if not _ID.fullmatch(prefix):
        return []
    ends = bytes.fromhex(prefix.ljust(16, "0")), bytes.fromhex(prefix.ljust(16, "f"))
    found = {row[0]: row for row in connection.execute(_BEGINS, (run, *ends))}
    if len(found) == 1:
        (row,) = found.values()
        step = _step(connection, row, name, shapes)
        found |= {one[0]: one for one in _around(connection, run, step, name, shapes)}
        found |= {one[0]: one for one in connection.execute(_TOLD, (run, row[2], row[2]))}
        if step.kind is Kind.TOOL and step.call_id is not None:
            around = {*_models(connection, run, step), *_relays(connection, run, step, shapes)}
            found |= {one[0]: one for one in pairs_in(connection, _BY_ROW, sorted(around))}
    known = shapes.read(connection, {row[4] for row in found.values()})
    return [rows.from_row(found[number], name, known) for number in sorted(found)]


def _step(connection: sqlite3.Connection, row: Row, name: str, shapes: Shapes) -> Step:
    return rows.from_row(row, name, shapes.read(connection, {row[4]}))


def _around(connection: sqlite3.Connection, run: int, step: Step, name: str, shapes: Shapes) -> list[Row]:
    """Rows of the steps around one, up to the first that names an agent."""
    passed: dict[int, Row] = {}
    while step.agent is None and step.parent is not None:
        parent = bytes.fromhex(step.parent)
        found = connection.execute(_BESIDE, (bytes.fromhex(step.trace), parent, run)).fetchall()
        found = found or connection.execute(_AROUND, (run, parent)).fetchall()
        if not found or found[-1][0] in passed:
            break
        passed |= {row[0]: row for row in found}
        step = _step(connection, found[-1], name, shapes)
    return list(passed.values())


def _models(connection: sqlite3.Connection, run: int, step: Step) -> list[int]:
    """Numbers of the rows of the model calls that began last before a step (``observe.asked.askers``)."""
    found = connection.execute(_MODELS, (run,)).fetchall()
    begun = [body.started for body in bodies_of([row[2] for row in found])]
    before = [
        (at, row[1], row[0]) for at, row in zip(begun, found, strict=True) if at <= step.started
    ]  # as ``askers`` orders them: span ids of one length stand in the same order as bytes and as text
    return [number for _, _, number in nlargest(NEAREST, before)]


def _relays(connection: sqlite3.Connection, run: int, step: Step, shapes: Shapes) -> list[int]:
    """Numbers of the rows of the steps around one in which a runtime passes messages on (``observe.asked.relays``)."""
    known = shapes.read(connection, [row[0] for row in connection.execute(_SHAPES, (run,))])
    passing = [number for number, shape in known.items() if passes_on(shape[_DIALECT], shape[_NAME])]
    found = connection.execute(_OF_SHAPES, (run, str(passing))).fetchall() if passing else []
    begun = [body.started for body in bodies_of([row[2] for row in found])]
    near = [(abs(at - step.started), row[1], row[0]) for at, row in zip(begun, found, strict=True)]
    return [number for _, _, number in nsmallest(RELAYS, near)]
