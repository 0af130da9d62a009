"""Parquet files of plain columns in small pages, each of which can be read by itself.

Anybody reads them; this process needs no engine to: where each page of a column lies stands in the file's offset index,
so that a few rows cost a read and a decompression for each page that has one of them. Columns are never empty, their
values are plain, and a page is one zstd frame with a checksum of its content.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import IO, Any, Final

import zstandard

from tallystick.adapters.parquet.thrift import (
    BINARY,
    I32,
    I64,
    LIST,
    STRUCT,
    Damaged,
    Fields,
    read_struct,
    structs,
    write_struct,
)

NUMBER: Final = 2  # Parquet's INT64
BYTES: Final = 6  # BYTE_ARRAY
MAKER: Final = b"tallystick paged 1"  # by which a file that this module wrote is known
_MAGIC: Final = b"PAR1"
_PLAIN, _RLE, _ZSTD, _DATA_PAGE = 0, 3, 6, 0
_MOST_VALUES: Final = {NUMBER: 8_192, BYTES: 2_048}  # of a page: a reader takes all of them apart
_GROUP: Final = 16_777_216  # compressed bytes of a row group, held in memory while it is written
_LEVEL: Final = 9
_LARGEST: Final = 2**31 - 1
_length = struct.Struct("<I")
_ZERO: Final = array("q", [0])
Value = int | bytes


@dataclass(slots=True)
class _Column:
    name: str
    kind: int
    values: list[Value] = field(default_factory=list)
    size: int = 0
    first: int = 0  # row of the group that ``values`` begin with
    pages: list[tuple[int, bytes]] = field(default_factory=list)  # of the group: first row, header and data
    plain: int = 0  # bytes of those pages without compression

    def add(self, value: Value) -> None:
        self.values.append(value)
        self.size += 8 if isinstance(value, int) else 4 + len(value)


class PageWriter:
    """Writes rows into a file that is open for writing. ``close`` ends it; the caller closes the file itself."""

    def __init__(self, file: IO[bytes], columns: Mapping[str, int], *, page: int) -> None:
        """``columns`` are names with NUMBER or BYTES; a page ends with ``page`` bytes before compression."""
        self._file = file
        self._most = page
        self._columns = [_Column(name, kind) for name, kind in columns.items()]
        self._compress = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress
        self._rows = self._held = self._total = 0
        self._groups: list[Fields] = []
        self._indexes: list[list[bytes]] = []
        self._at = file.write(_MAGIC)

    def add(self, *row: Value) -> None:
        """One row, a value a column."""
        for column, value in zip(self._columns, row, strict=True):
            column.add(value)
            if column.size >= self._most or len(column.values) >= _MOST_VALUES[column.kind]:
                self._page(column, self._rows + 1)
        self._rows += 1
        if self._held >= _GROUP:
            self._group()

    def _page(self, column: _Column, upto: int) -> None:
        plain = _plain(column)
        packed = self._compress(plain)
        head = write_struct({
            1: (I32, _DATA_PAGE), 2: (I32, len(plain)), 3: (I32, len(packed)),
            5: (STRUCT, {1: (I32, len(column.values)), 2: (I32, _PLAIN), 3: (I32, _RLE), 4: (I32, _RLE)}),
        })  # fmt: skip
        column.pages.append((column.first, head + packed))
        column.plain += len(head) + len(plain)
        column.values, column.size, column.first = [], 0, upto
        self._held += len(packed)

    def _group(self) -> None:
        """Write the rows so far as a row group."""
        chunks: list[Fields] = []
        indexes: list[bytes] = []
        size = 0
        for column in self._columns:
            if column.values:
                self._page(column, self._rows)
            begun, places = self._at, []
            for first, page in column.pages:
                places.append({1: (I64, self._at), 2: (I32, len(page)), 3: (I64, first)})
                self._at += self._file.write(page)
            indexes.append(write_struct({1: structs(places)}))
            chunks.append({2: (I64, begun), 3: (STRUCT, {
                1: (I32, column.kind), 2: (LIST, (I32, [_PLAIN])), 3: (LIST, (BINARY, [column.name.encode()])),
                4: (I32, _ZSTD), 5: (I64, self._rows), 6: (I64, column.plain), 7: (I64, self._at - begun),
                9: (I64, begun),
            })})  # fmt: skip
            size += column.plain
            column.pages, column.plain, column.first = [], 0, 0
        self._groups.append({1: structs(chunks), 2: (I64, size), 3: (I64, self._rows)})
        self._indexes.append(indexes)
        self._total += self._rows
        self._rows = self._held = 0

    def close(self) -> None:
        """Write what is left, the offset indexes and the footer."""
        if self._rows:
            self._group()
        groups = []
        for group, indexes in zip(self._groups, self._indexes, strict=True):
            chunks = []
            for chunk, index in zip(group[1][1][1], indexes, strict=True):
                chunks.append({**chunk, 4: (I64, self._at), 5: (I32, len(index))})
                self._at += self._file.write(index)
            groups.append({**group, 1: structs(chunks)})
        top: Fields = {4: (BINARY, b"rows"), 5: (I32, len(self._columns))}
        names: list[Fields] = [
            {1: (I32, one.kind), 3: (I32, 0), 4: (BINARY, one.name.encode())} for one in self._columns
        ]
        footer = write_struct({
            1: (I32, 1), 2: structs([top, *names]), 3: (I64, self._total), 4: structs(groups), 6: (BINARY, MAKER),
        })  # fmt: skip
        self._file.write(footer + _length.pack(len(footer)) + _MAGIC)


def _plain(column: _Column) -> bytes:
    if column.kind == NUMBER:
        return struct.pack(f"<{len(column.values)}q", *column.values)
    parts: list[bytes] = []
    for value in column.values:
        assert isinstance(value, bytes)
        parts += (_length.pack(len(value)), value)
    return b"".join(parts)


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Pages:
    """Where the pages of a column lie: their first rows, offsets and sizes; ``rows`` are all there are."""

    kind: int
    rows: int
    first: Sequence[int]
    offsets: Sequence[int]
    sizes: Sequence[int]

    def holding(self, first: int, upto: int) -> range:
        """The pages that have rows ``first`` to ``upto`` (excluded)."""
        last = min(upto, self.rows)
        if first >= last:
            return range(0)
        return range(bisect_right(self.first, first) - 1, bisect_right(self.first, last - 1))


def read_index(pread: Callable[[int, int], bytes], size: int) -> dict[str, Pages] | None:
    """The pages of a file's columns by name; None for a whole file that ``PageWriter`` did not write.

    ``pread`` reads (size, offset) of the file. Raises Damaged where it is no whole Parquet file.
    """
    end = pread(8, max(0, size - 8))
    if size < 12 or end[4:] != _MAGIC:
        raise Damaged("it has no end")
    (length,) = _length.unpack_from(end)
    if length > size - 12:
        raise Damaged("its end is damaged")
    try:
        footer, _ = read_struct(pread(length, size - 8 - length))
        if footer.get(6) != MAKER:
            return None
        return _index(footer, pread)
    except (Damaged, ValueError, LookupError, TypeError, OverflowError) as error:
        raise Damaged(f"its end is damaged ({type(error).__name__})") from error


def _index(footer: Mapping[int, Any], pread: Callable[[int, int], bytes]) -> dict[str, Pages]:
    found: dict[str, Pages] = {}
    for place, element in enumerate(footer[2][1:]):
        first, offsets, sizes = array("q"), array("q"), array("q")
        base = 0
        for group in footer[4]:
            chunk = group[1][place]
            places, _ = read_struct(pread(chunk[5], chunk[4]))
            for one in places[1]:
                first.append(base + one[3])
                offsets.append(one[1])
                sizes.append(one[2])
            base += group[3]
        if any(one >= other for one, other in pairwise((*first, base))) or first[:1] != _ZERO[:base]:
            raise Damaged("its pages are not in order")
        found[element[4].decode()] = Pages(element[1], base, first, offsets, sizes)
    return found


def read_page(data: bytes, kind: int) -> list[Any]:
    """The values of a page: numbers or bytes. Raises Damaged for a damaged one."""
    try:
        head, at = read_struct(data)
        size, packed, count = head[2], head[3], head[5][1]
        if not 0 <= size <= _LARGEST or packed != len(data) - at:
            raise Damaged("a page is damaged")
        plain = zstandard.ZstdDecompressor().decompress(data[at:], max_output_size=size)
        if len(plain) != size:
            raise Damaged("a page is damaged")
        values = list(struct.unpack(f"<{count}q", plain)) if kind == NUMBER else list(_values(plain))
    except (ValueError, LookupError, TypeError, MemoryError, struct.error, zstandard.ZstdError) as error:
        raise Damaged(f"a page is damaged ({type(error).__name__})") from error
    if len(values) != count:
        raise Damaged("a page is damaged")
    return values


def _values(plain: bytes) -> Iterator[bytes]:
    at, end, read = 0, len(plain), _length.unpack_from
    while at < end:
        begin = at + 4
        at = begin + read(plain, at)[0]
        if at > end:
            raise Damaged("a page is damaged")
        yield plain[begin:at]
