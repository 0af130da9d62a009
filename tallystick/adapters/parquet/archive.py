"""Segments as folders of three Parquet files: ``steps.parquet``, ``spans.parquet`` and ``contents.parquet``.

``steps.parquet`` has what anybody may read of the steps; DuckDB writes it. The other two have what the store reads, a
few rows at a time and without DuckDB (``paged``). A segment of the first form has no ``spans.parquet``: all of its
steps is in ``steps.parquet`` and is read by DuckDB, as its contents are.

Rows are in the order of runs and their steps. A segment is written to a folder with a name of its own, brought to disk,
and renamed: it is there whole or not at all. See docs/reference/archive.md.
"""

from __future__ import annotations

import os
import shutil
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tallystick.adapters.durable import to_disk
from tallystick.adapters.parquet import first_form
from tallystick.adapters.parquet.engine import Engine, installed, no_engine
from tallystick.adapters.parquet.paged import BYTES, MAKER, NUMBER, PageWriter
from tallystick.adapters.parquet.reading import PagedFiles, Rows
from tallystick.adapters.parquet.thrift import Damaged
from tallystick.model.errors import StoreFault, StoreFull
from tallystick.ports.archive import ARCHIVE_COLUMNS, ArchivedStep

STEPS: Final = "steps.parquet"
SPANS: Final = "spans.parquet"
CONTENTS: Final = "contents.parquet"
_UNFINISHED: Final = ".unfinished"
_END: Final = 64  # bytes at the end of a file among which its maker is named
_INSERT: Final = 1_024  # rows handed over at a time
_TYPES: Final = {
    "position": "INTEGER", "row": "BIGINT", **{name: kind for name, (kind, _) in ARCHIVE_COLUMNS.items()}
}  # fmt: skip
_FORMAT: Final = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 9)"
_SPANS: Final = {"row": NUMBER, "span": BYTES, "rest": BYTES, "body": BYTES}
_CONTENTS: Final = {"position": NUMBER, "content": BYTES}
# Bytes of a page: a run's steps lie in one or two of either. Texts are alike over long distances, and so a page of them
# of 64 KiB takes half as much space again as one of 1 MiB, which is read in 2 ms.
_SPANS_PAGE: Final = 262_144
_CONTENTS_PAGE: Final = 1_048_576


class ParquetArchive:
    """Segments under ``folder`` (``ports.archive.Archive``)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._engine = Engine(folder / "spill")
        self._files = PagedFiles()

    def available(self) -> bool:
        """Whether DuckDB is installed."""
        return installed()

    def write(self, segment: str, steps: Iterable[ArchivedStep], contents: Sequence[bytes]) -> int:
        """Write a segment, durable on return; its size in bytes."""
        if not installed():
            raise no_engine("archiving")
        target = self._folder / segment
        made = target.with_name(target.name + _UNFINISHED)
        files = [made / name for name in (STEPS, SPANS, CONTENTS)]
        try:
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True)
            self._write_steps(made, steps)
            _write_contents(made / CONTENTS, contents)
            size = sum(file.stat().st_size for file in files)
            for path in (*files, made):
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

    def _write_steps(self, made: Path, steps: Iterable[ArchivedStep]) -> None:
        """Both files of the steps, in one pass over them."""
        with (made / SPANS).open("wb") as file:
            pages = PageWriter(file, _SPANS, page=_SPANS_PAGE)

            def rows() -> Iterator[tuple[Any, ...]]:
                for step in steps:
                    pages.add(step.row, step.span, step.rest, step.body)
                    columns = step.columns
                    yield step.position, step.row, *[columns[name] for name in ARCHIVE_COLUMNS]

            write_table(self._engine, made / STEPS, _TYPES, rows(), _FORMAT)
            pages.close()

    def steps(
        self, segment: str, first: int, count: int, *, after: int = -1, limit: int | None = None,
        spans: Collection[bytes] | None = None, bodies: bool = False,
    ) -> list[ArchivedStep]:  # fmt: skip
        """Steps at positions ``first`` and following, in order."""
        folder = self._folder / segment
        file = f"{folder}/{SPANS}"
        if not os.path.exists(file) and SPANS not in files_of(folder):
            old = folder / STEPS
            return first_form.steps(
                self._engine, old, first, count, after=after, limit=limit, spans=spans, bodies=bodies
            )  # fmt: skip
        with self._rows(file) as rows:
            numbers = rows.values("row", first, count)
            ids = rows.values("span", first, count)
            begin = bisect_right(numbers, after)
            if spans is None:
                end = len(numbers) if limit is None else min(len(numbers), begin + limit)
                places: Sequence[int] = range(begin, end)
                rests = rows.values("rest", first + begin, len(places))
                texts = rows.values("body", first + begin, len(places)) if bodies else [b""] * len(places)
            else:
                wanted = set(spans)
                places = [place for place in range(begin, len(ids)) if ids[place] in wanted][:limit]
                at = [first + place for place in places]
                rests = [*rows.some("rest", at).values()]
                texts = [*rows.some("body", at).values()] if bodies else [b""] * len(at)
            return [
                ArchivedStep(first + place, numbers[place], ids[place], {}, rest, text)
                for place, rest, text in zip(places, rests, texts, strict=True)
            ]

    def columns(self, segment: str, first: int, count: int) -> list[Mapping[str, Any]]:
        """The readable columns of steps."""
        return first_form.columns(self._engine, self._folder / segment / STEPS, first, count)

    def contents(self, segment: str, positions: Collection[int]) -> dict[int, bytes]:
        """Contents by position."""
        file = self._folder / segment / CONTENTS
        with self._files.open(f"{file}") as rows:
            if rows is not None:
                return rows.some("content", positions)
        return first_form.contents(self._engine, file, positions)

    @contextmanager
    def _rows(self, file: str) -> Iterator[Rows]:
        with self._files.open(file) as rows:
            if rows is None:
                raise Damaged("it is not the archive's")
            yield rows

    def readable(self, segment: str) -> bool:
        """Whether what is installed reads a segment."""
        return installed() or SPANS in files_of(self._folder / segment)

    def found(self) -> dict[str, int]:
        """Segments that have files, also unfinished ones, with their size in bytes."""
        self._files.forget_missing()
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
        self._files.forget(str(target))
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
        """Let go of DuckDB and of what is kept in memory. Closing twice is allowed."""
        self._engine.close()
        self._files.clear()


def files_of(folder: Path) -> tuple[str, ...]:
    """The names of the files that a segment has to have; those of the first form are known by their contents."""
    try:
        with (folder / CONTENTS).open("rb") as file:
            file.seek(-min(_END, file.seek(0, os.SEEK_END)), os.SEEK_END)
            return (STEPS, SPANS, CONTENTS) if MAKER in file.read() else (STEPS, CONTENTS)
    except OSError:  # whoever needs it says that it cannot be read
        return STEPS, CONTENTS


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


def _write_contents(file: Path, contents: Sequence[bytes]) -> None:
    with file.open("wb") as opened:
        pages = PageWriter(opened, _CONTENTS, page=_CONTENTS_PAGE)
        for position, content in enumerate(contents):
            pages.add(position, content)
        pages.close()


def _batches(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    left = iter(rows)
    while some := list(islice(left, _INSERT)):
        yield some
