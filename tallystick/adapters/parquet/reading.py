"""Rows of paged files, a page at a time; the last pages and where all pages lie are kept at hand.

What is kept is kept of a file as it stands: one that is gone or that another took the place of is not read from memory.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tallystick.adapters.parquet.paged import BYTES, Pages, read_index, read_page
from tallystick.adapters.parquet.thrift import Damaged
from tallystick.model.errors import StoreFault

_PAGES: Final = 33_554_432  # bytes of pages kept
_VALUE: Final = 48  # bytes that a value costs besides its own
_FILES: Final = 512  # files of which it is kept where their pages lie
_HINT: Final = "put the file of a backup in its place; other runs can be read"


@dataclass(frozen=True, slots=True)
class _File:
    number: int  # of this reading of its index: pages are kept by it
    identity: tuple[int, int, int]  # inode, time of the last change, size
    pages: dict[str, Pages] | None


class Rows:
    """One file for one job: values by column and row. Raises Damaged, which ``PagedFiles.open`` turns into a fault."""

    def __init__(self, page: Callable[[str, int], list[Any]], pages: dict[str, Pages]) -> None:
        self._page = page
        self._pages = pages

    def values(self, column: str, first: int, count: int) -> list[Any]:
        """The values of rows ``first`` and following, as far as there are any."""
        pages = self._pages[column]
        found: list[Any] = []
        for number in pages.holding(first, first + count):
            begin = pages.first[number]
            values = self._page(column, number)
            found += values[max(0, first - begin) : max(0, first + count - begin)]
        return found

    def some(self, column: str, rows: Collection[int]) -> dict[int, Any]:
        """The values of some rows, those that there are."""
        pages = self._pages[column]
        found: dict[int, Any] = {}
        begin = end = 0
        values: list[Any] = []
        for row in sorted(rows):
            if not begin <= row < end:
                held = pages.holding(row, row + 1) if row >= 0 else range(0)
                if not held:
                    continue
                begin, values = pages.first[held[0]], self._page(column, held[0])
                end = begin + len(values)
            if row < end:
                found[row] = values[row - begin]
        return found


class PagedFiles:
    """Opens paged files. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._pages: OrderedDict[tuple[int, str, int], tuple[int, list[Any]]] = OrderedDict()
        self._held = 0
        self._count = 0

    @contextmanager
    def open(self, file: str) -> Iterator[Rows | None]:
        """A file for one job; None for a Parquet file that something else wrote. Raises StoreFault with its name."""
        handle = -1

        def pread(size: int, offset: int) -> bytes:
            nonlocal handle
            if handle < 0:
                handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            data = os.pread(handle, size, offset)
            if len(data) != size:
                raise Damaged("it is cut off")
            return data

        try:
            known = self._known(file, pread)
            pages = known.pages
            yield (
                None
                if pages is None
                else Rows(
                    lambda column, number: self._read(known.number, pages, column, number, pread), pages
                )
            )
        except FileNotFoundError as error:
            self.forget(file)
            raise missing(file) from error
        except Damaged as error:
            raise StoreFault(f"{file} cannot be used: {error}", hint=_HINT, file=file) from error
        except OSError as error:
            raise StoreFault(f"{file} cannot be used: {error.strerror}", hint=_HINT, file=file) from error
        finally:
            if handle >= 0:
                os.close(handle)

    def _known(self, file: str, pread: Callable[[int, int], bytes]) -> _File:
        stands = os.stat(file)
        identity = (stands.st_ino, stands.st_mtime_ns, stands.st_size)
        with self._lock:
            known = self._files.get(file)
            if known is not None and known.identity == identity:
                self._files.move_to_end(file)
                return known
        if known is not None:
            self.forget(file)
        pages = read_index(pread, stands.st_size)
        with self._lock:
            self._count += 1
            known = self._files[file] = _File(self._count, identity, pages)
            while len(self._files) > _FILES:
                self._files.popitem(last=False)
        return known

    def _read(
        self, number: int, pages: dict[str, Pages], column: str, page: int, pread: Callable[[int, int], bytes]
    ) -> list[Any]:
        key = number, column, page
        with self._lock:
            held = self._pages.get(key)
            if held is not None:
                self._pages.move_to_end(key)
                return held[1]
        lies = pages[column]
        values = read_page(pread(lies.sizes[page], lies.offsets[page]), lies.kind)
        cost = len(values) * _VALUE + (sum(map(len, values)) if lies.kind == BYTES else 0)
        with self._lock:
            if key not in self._pages and cost < _PAGES // 4:
                self._pages[key] = cost, values
                self._held += cost
            while self._held > _PAGES:
                self._held -= self._pages.popitem(last=False)[1][0]
        return values

    def forget(self, *under: str) -> None:
        """Let go of what is kept of files, and of those in folders."""
        with self._lock:
            gone = {
                known.number
                for file, known in self._files.items()
                if file in under or os.path.dirname(file) in under
            }
            self._files = OrderedDict(
                (file, known) for file, known in self._files.items() if known.number not in gone
            )
            for key in [key for key in self._pages if key[0] in gone]:
                self._held -= self._pages.pop(key)[0]

    def forget_missing(self) -> None:
        """Let go of what is kept of files that another process removed: they may have held what was erased."""
        with self._lock:
            files = list(self._files)
        self.forget(*[file for file in files if not os.path.exists(file)])

    def clear(self) -> None:
        """Let go of all that is kept."""
        with self._lock:
            self._files.clear()
            self._pages.clear()
            self._held = 0


def missing(file: str) -> StoreFault:
    """The fault of a file that is not there."""
    return StoreFault(f"{file} is missing", hint=_HINT, file=file)
