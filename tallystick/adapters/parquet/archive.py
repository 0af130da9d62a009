"""Segments as folders of two Parquet files: ``steps.parquet`` and ``contents.parquet``.

Rows are in the order of runs and their steps, in row groups of 2,048, so that the steps of a run lie in one or two of
them and the statistics of ``position`` let a reader pass over all others. A segment is written to a folder with a name
of its own, brought to disk, and renamed: it is there whole or not at all. See docs/reference/archive.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tallystick.adapters.durable import to_disk
from tallystick.adapters.parquet.engine import Engine, installed, no_engine
from tallystick.model.errors import StoreFault, StoreFull
from tallystick.ports.archive import ARCHIVE_COLUMNS, ArchivedStep

STEPS: Final = "steps.parquet"
CONTENTS: Final = "contents.parquet"
_UNFINISHED: Final = ".unfinished"
_GROUP: Final = 2_048  # the fewest rows that DuckDB puts into a row group
_INSERT: Final = 1_024  # rows handed over at a time
_OWN: Final = {"position": "INTEGER", "row": "BIGINT", "rest": "BLOB", "body": "BLOB"}
_TYPES: Final = {**_OWN, **{name: kind for name, (kind, _) in ARCHIVE_COLUMNS.items()}}
_ORDER: Final = ("position", "row", *ARCHIVE_COLUMNS, "rest", "body")
_FORMAT: Final = f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 9, ROW_GROUP_SIZE {_GROUP})"


class ParquetArchive:
    """Segments under ``folder`` (``ports.archive.Archive``)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._engine = Engine(folder / "spill")

    def available(self) -> bool:
        """Whether DuckDB is installed."""
        return installed()

    def write(self, segment: str, steps: Iterable[ArchivedStep], contents: Sequence[bytes]) -> int:
        """Write a segment, durable on return; its size in bytes."""
        if not installed():
            raise no_engine("archiving")
        target = self._folder / segment
        made = target.with_name(target.name + _UNFINISHED)
        try:
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True)
            self._write(made / STEPS, {name: _TYPES[name] for name in _ORDER}, map(_values, steps))
            self._write(made / CONTENTS, {"position": "INTEGER", "content": "BLOB"}, enumerate(contents))
            size = sum((made / name).stat().st_size for name in (STEPS, CONTENTS))
            for path in (made / STEPS, made / CONTENTS, made):
                to_disk(path)
            made.rename(target)
            for path in (target.parent, self._folder, self._folder.parent):
                to_disk(path)
        except OSError as error:
            raise StoreFull(
                f"the archive {target} cannot be written: {error.strerror}",
                hint="free some space; nothing was taken out of the store", path=str(target),
            ) from error  # fmt: skip
        return size

    def _write(self, file: Path, types: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
        write_table(self._engine, file, types, rows, _FORMAT)

    def steps(
        self, segment: str, first: int, count: int, *, after: int = -1, limit: int | None = None,
        spans: Collection[str] | None = None, columns: Collection[str] = tuple(ARCHIVE_COLUMNS), bodies: bool = False,
    ) -> list[ArchivedStep]:  # fmt: skip
        """Steps at positions ``first`` and following, in order."""
        file = self._folder / segment / STEPS
        names = tuple(columns)
        sql = (
            f"SELECT {', '.join(map(_quoted, ('position', 'row', 'rest', *names, *(['body'] if bodies else []))))}"
            ' FROM read_parquet($1) WHERE position >= $2 AND position < $3 AND "row" > $4'
        )
        values: list[Any] = [_plain(file), first, first + count, after]
        if spans is not None:
            sql += " AND list_contains($5::VARCHAR[], span)"
            values.append(list(spans))
        sql += " ORDER BY position"
        if limit is not None:
            sql += f" LIMIT {int(limit)}"
        with self._engine.cursor(file) as cursor:
            found = cursor.execute(sql, values).fetchall()
        last = len(names) + 3
        return [
            ArchivedStep(row[0], row[1], dict(zip(names, row[3:last], strict=True)), row[2], row[-1] if bodies else b"")
            for row in found
        ]  # fmt: skip

    def contents(self, segment: str, positions: Collection[int]) -> dict[int, bytes]:
        """Contents by position; each row group that has one of them is read once."""
        file = self._folder / segment / CONTENTS
        groups: dict[int, list[int]] = {}
        for position in positions:
            groups.setdefault(position // _GROUP, []).append(position)
        found: dict[int, bytes] = {}
        if not groups:
            return found
        with self._engine.cursor(file) as cursor:
            for some in groups.values():
                least, most = min(some), max(some)
                sql = "SELECT position, content FROM read_parquet($1) WHERE position BETWEEN $2 AND $3"
                values: list[Any] = [_plain(file), least, most]
                if len(some) * 2 < most - least + 1:  # else what lies between costs less than picking
                    sql += " AND list_contains($4::INTEGER[], position)"
                    values.append(some)
                found.update(cursor.execute(sql, values).fetchall())
        return found

    def found(self) -> dict[str, int]:
        """Segments that have files, also unfinished ones, with their size in bytes."""
        try:
            folders = [folder for folder in self._folder.glob("*/*") if folder.is_dir()]
            return {
                f"{folder.parent.name}/{folder.name.removesuffix(_UNFINISHED)}": sum(
                    file.stat().st_size for file in folder.iterdir()
                )
                for folder in folders
            }
        except OSError as error:
            raise StoreFault(f"the archive {self._folder} cannot be read: {error.strerror}") from error

    def remove(self, segment: str) -> None:
        """Remove a segment's files, those that are there, and its day's folder when it is empty."""
        target = self._folder / segment
        try:
            for folder in (target, target.with_name(target.name + _UNFINISHED)):
                if folder.exists():
                    shutil.rmtree(folder)
            if target.parent.is_dir() and not any(target.parent.iterdir()):
                target.parent.rmdir()
        except FileNotFoundError:  # another process removes it at the same time
            return
        except OSError as error:
            raise StoreFault(
                f"the archive {target} cannot be removed: {error.strerror}", hint="check permissions"
            ) from error

    def close(self) -> None:
        """Let go of DuckDB. Closing twice is allowed."""
        self._engine.close()


def write_table(
    engine: Engine, file: Path, types: Mapping[str, str], rows: Iterable[tuple[Any, ...]], form: str
) -> None:
    """Write rows with columns of some types into a file; ``form`` is the end of DuckDB's COPY."""
    table = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
    fill = ", ".join(f"unnest(${place}::{kind}[])" for place, kind in enumerate(types.values(), 1))
    with engine.cursor(file) as cursor:
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE made ({table})")
        for some in _batches(rows):
            cursor.execute(
                f"INSERT INTO made SELECT {fill}", [list(values) for values in zip(*some, strict=True)]
            )
        quoted = str(file).replace("'", "''")
        cursor.execute(f"COPY made TO '{quoted}' {form}")
        cursor.execute("DROP TABLE made")


def _values(step: ArchivedStep) -> tuple[Any, ...]:
    return step.position, step.row, *(step.columns[name] for name in ARCHIVE_COLUMNS), step.rest, step.body


def _quoted(name: str) -> str:
    return f'"{name}"'


def _batches(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    left = iter(rows)
    while some := list(islice(left, _INSERT)):
        yield some


def _plain(file: Path) -> str:
    """A path in which DuckDB finds no pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(file))
