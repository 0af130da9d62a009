"""Segments of the first form: everything of a step in ``steps.parquet``, and all files written and read by DuckDB.

They are read for ever and written no more. The columns that anybody may read are in the same file in both forms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from tallystick.adapters.parquet.engine import Engine
from tallystick.ports.archive import ARCHIVE_COLUMNS, ArchivedStep

_GROUP: Final = 2_048  # rows of a row group
# What ``rest`` leaves to the columns.
_NEEDED: Final = ("trace", "span", "parent", "same_as", "started", "response", "error")


def steps(
    engine: Engine, file: Path, first: int, count: int, *, after: int, limit: int | None,
    spans: Collection[bytes] | None, bodies: bool,
) -> list[ArchivedStep]:  # fmt: skip
    """Steps with the columns that ``rest`` lacks (``ports.archive.Archive.steps``). Raises StoreFault."""
    wanted = ("position", "row", "rest", *(("body",) if bodies else ()), *_NEEDED)
    sql = (
        f"SELECT {', '.join(map(_quoted, wanted))} FROM read_parquet($1)"
        ' WHERE position >= $2 AND position < $3 AND "row" > $4'
    )
    values: list[Any] = [_plain(file), first, first + count, after]
    if spans is not None:
        sql += " AND list_contains($5::VARCHAR[], span)"
        values.append([span.hex() for span in spans])
    sql += " ORDER BY position"
    if limit is not None:
        sql += f" LIMIT {int(limit)}"
    with engine.cursor(file) as cursor:
        found = cursor.execute(sql, values).fetchall()
    made = []
    for position, row, rest, *more in found:
        columns = dict(zip(_NEEDED, more[bodies:], strict=True))
        body = more[0] if bodies else b""
        made.append(ArchivedStep(position, row, bytes.fromhex(columns["span"]), columns, rest, body))
    return made


def columns(engine: Engine, file: Path, first: int, count: int) -> list[Mapping[str, Any]]:
    """The readable columns of steps, in either form. Raises StoreFault."""
    sql = (
        f"SELECT {', '.join(map(_quoted, ARCHIVE_COLUMNS))} FROM read_parquet($1)"
        " WHERE position >= $2 AND position < $3 ORDER BY position"
    )
    with engine.cursor(file) as cursor:
        found = cursor.execute(sql, [_plain(file), first, first + count]).fetchall()
    return [dict(zip(ARCHIVE_COLUMNS, row, strict=True)) for row in found]


def contents(engine: Engine, file: Path, positions: Collection[int]) -> dict[int, bytes]:
    """Contents by position; each row group that has one of them is read once. Raises StoreFault."""
    groups: dict[int, list[int]] = {}
    for position in positions:
        groups.setdefault(position // _GROUP, []).append(position)
    found: dict[int, bytes] = {}
    if not groups:
        return found
    with engine.cursor(file) as cursor:
        for some in groups.values():
            least, most = min(some), max(some)
            sql = "SELECT position, content FROM read_parquet($1) WHERE position BETWEEN $2 AND $3"
            values: list[Any] = [_plain(file), least, most]
            if len(some) * 2 < most - least + 1:  # else what lies between costs less than picking
                sql += " AND list_contains($4::INTEGER[], position)"
                values.append(some)
            found.update(cursor.execute(sql, values).fetchall())
    return found


def _quoted(name: str) -> str:
    return f'"{name}"'


def _plain(file: Path) -> str:
    """A path in which DuckDB finds no pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(file))
