"""What a migration of ``traces.db`` has to count anew, because SQL alone cannot read a step."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from tallystick.adapters.sqlite import rows
from tallystick.adapters.sqlite.parts import ADD_PART, part_row
from tallystick.observe.summary import PART_TYPES, count_all

_VERSION: Final = 16  # place of the label of the agent's version in a shape
_unpack = msgspec.msgpack.Decoder().decode


def count_anew(connection: sqlite3.Connection) -> None:
    """Give the runs whose steps say their agent's version the parts and the column that hold it from schema 4 on, those
    whose steps are numbered the counts by process, and all runs the number of calls that were denied.

    Neither a run's revision nor what the journal attests changes by it.
    """
    runs: set[int] = set()
    for run, state in connection.execute("SELECT no, state FROM run").fetchall():
        tally = rows.unpack_tally(state)
        if tally.denials:
            connection.execute("UPDATE run SET denials=? WHERE no=?", (tally.denials, run))
        if tally.seqs:
            runs.add(run)
    labelled = [
        number for number, body in connection.execute("SELECT id, body FROM shape")
        if len(shape := _unpack(body)) > _VERSION and shape[_VERSION] is not None
    ]  # fmt: skip
    wanted = "SELECT DISTINCT run FROM step WHERE shape IN (SELECT value FROM json_each(?))"
    runs.update(run for (run,) in connection.execute(wanted, (str(labelled),)))
    shapes, names = rows.Shapes(), rows.Names()
    for run in sorted(runs):
        name, state = connection.execute("SELECT id, state FROM run WHERE no=?", (run,)).fetchone()
        found = connection.execute(f"{rows.READ} WHERE s.run=? ORDER BY s.id", (run,)).fetchall()
        known = shapes.read(connection, {row[4] for row in found})
        tally, parts = count_all(
            [rows.from_row(row, name, known) for row in found], rows.unpack_tally(state), name
        )
        label = tally.version[1] if tally.version else None
        connection.execute(
            "UPDATE run SET state=?, version=? WHERE no=?", (rows.pack_tally(tally), label, run)
        )
        kind = PART_TYPES.index("version")
        connection.executemany(ADD_PART, [
            part_row(kind, run, names.code(connection, key), part)
            for (what, key), part in parts.items() if what == "version"
        ])  # fmt: skip
