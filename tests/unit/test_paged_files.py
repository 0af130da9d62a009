"""Parquet files of small pages: anybody reads them, any rows of them are read alone, and damage is told."""

from __future__ import annotations

import io
import os
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.adapters.parquet import paged
from tallystick.adapters.parquet.paged import BYTES, NUMBER, PageWriter
from tallystick.adapters.parquet.reading import PagedFiles
from tallystick.adapters.parquet.thrift import Damaged, read_struct, write_struct
from tallystick.model.errors import StoreFault

ROWS = st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=60)), max_size=40)


def written(rows: list[tuple[int, bytes]], *, page: int = 100) -> bytes:
    file = io.BytesIO()
    pages = PageWriter(file, {"number": NUMBER, "text": BYTES}, page=page)
    for row in rows:
        pages.add(*row)
    pages.close()
    return file.getvalue()


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paged, "_GROUP", 300)


@settings(max_examples=60)
@given(rows=ROWS, first=st.integers(0, 45), count=st.integers(0, 45), some=st.sets(st.integers(-2, 45)))
def test_any_rows_come_back(tmp_path_factory, rows, first, count, some):
    file = tmp_path_factory.getbasetemp() / "any.parquet"
    file.write_bytes(written(rows))
    with PagedFiles().open(str(file)) as opened:
        assert opened is not None
        assert opened.values("number", first, count) == [row[0] for row in rows[first : first + count]]
        assert opened.values("text", first, count) == [row[1] for row in rows[first : first + count]]
        found = opened.some("text", some)
        assert found == {at: rows[at][1] for at in some if 0 <= at < len(rows)}
        assert list(found) == sorted(found)


@pytest.mark.parametrize("count", [0, 1, 7, 500])
def test_another_reader_reads_the_same(tmp_path, small_groups, count):
    rows = [(number, os.urandom(number % 50)) for number in range(count)]
    file = tmp_path / "a.parquet"
    file.write_bytes(written(rows))
    assert duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(file)]).fetchall() == rows
    groups = duckdb.connect().execute(
        "SELECT count(DISTINCT row_group_id) FROM parquet_metadata(?)", [str(file)]
    )
    assert groups.fetchone()[0] > 3 or count < 500
    with PagedFiles().open(str(file)) as opened:
        assert opened is not None
        assert (
            list(zip(opened.values("number", 0, count), opened.values("text", 0, count), strict=True)) == rows
        )


@settings(max_examples=150)
@given(st.integers(0, 10**6), st.integers(1, 255), st.booleans())
def test_a_damaged_file_never_gives_other_rows(tmp_path_factory, place, change, cut):
    rows = [(number, b"text %d" % number) for number in range(40)]
    whole = written(rows)
    place %= len(whole)
    data = whole[:place] if cut else whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :]
    file = tmp_path_factory.getbasetemp() / "damaged.parquet"
    file.write_bytes(data)
    try:
        with PagedFiles().open(str(file)) as opened:
            found = None if opened is None else opened.values("text", 0, 40)
    except StoreFault as error:
        found = str(file) if str(file) in error.message else "a file without a name"
    assert found in (None, str(file), [row[1] for row in rows])


def test_what_is_kept_is_of_the_file_that_is_there(tmp_path):
    files, file = PagedFiles(), tmp_path / "a.parquet"

    def text() -> bytes:
        with files.open(str(file)) as opened:
            assert opened is not None
            return bytes(opened.values("text", 0, 1)[0])

    file.write_bytes(written([(1, b"one")]))
    assert text() == text() == b"one"
    other = Path(f"{file}.new")
    other.write_bytes(written([(1, b"two")]))
    other.rename(file)
    assert text() == b"two"
    file.unlink()
    with pytest.raises(StoreFault, match="is missing"):
        text()
    assert files._held == 0
    assert not files._files


def test_what_is_kept_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("tallystick.adapters.parquet.reading._PAGES", 4_000)
    monkeypatch.setattr("tallystick.adapters.parquet.reading._FILES", 2)
    files = PagedFiles()
    for number in range(6):
        file = tmp_path / f"{number}.parquet"
        file.write_bytes(written([(at, b"x" * 20) for at in range(100)]))
        with files.open(str(file)) as opened:
            assert opened is not None
            assert len(opened.values("text", 0, 100)) == 100
        assert files._held <= 4_000
        assert len(files._files) <= 2
    files.forget(str(tmp_path))
    files.clear()
    assert (files._held, len(files._pages)) == (0, 0)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader_of_headers(data):
    try:
        read_struct(data)
    except Damaged:
        return
    assert read_struct(data)[1] <= len(data)


def test_headers_hold_large_numbers_and_many_items():
    fields = {1: (6, -(2**63)), 40: (8, b"x" * 300), 41: (9, (5, list(range(-20, 20))))}
    assert read_struct(write_struct(fields)) == (
        {1: -(2**63), 40: b"x" * 300, 41: list(range(-20, 20))}, len(write_struct(fields))
    )  # fmt: skip
