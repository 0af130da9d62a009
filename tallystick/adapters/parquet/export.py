"""Runs as one Parquet file for anybody: the archive's columns, and what was said in them as JSON text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tallystick.adapters.archive_columns import columns_of
from tallystick.adapters.parquet.archive import write_table
from tallystick.adapters.parquet.engine import Engine, installed, no_engine
from tallystick.model.span import Span
from tallystick.model.step import Step
from tallystick.ports.archive import ARCHIVE_COLUMNS

TEXTS: Final = {
    "attributes": "all attributes of the span, as JSON",
    "resource": "attributes of the resource that sent it, as JSON",
    "events": "events of the span, as JSON",
    "links": "links of the span, as JSON",
}
_TYPES: Final = {
    **{name: kind for name, (kind, _) in ARCHIVE_COLUMNS.items()}, **dict.fromkeys(TEXTS, "VARCHAR")
}  # fmt: skip
_FORMAT: Final = "(FORMAT parquet, COMPRESSION zstd)"


def write_runs(file: Path, pairs: Iterable[tuple[Step, Span]]) -> int:
    """Write steps with their spans into a new file; how many there were. Raises StoreFault."""
    if not installed():
        raise no_engine("a Parquet file")
    engine = Engine(file.parent)
    count = 0

    def rows() -> Iterable[tuple[Any, ...]]:
        nonlocal count
        for step, span in pairs:
            count += 1
            columns = columns_of(step)
            events = [{"name": one.name, "at": one.at, "attributes": one.attributes} for one in span.events]
            links = [
                {"trace": one.trace, "span": one.span, "attributes": one.attributes} for one in span.links
            ]
            yield (
                *(columns[name] for name in ARCHIVE_COLUMNS), _json(span.attributes), _json(span.source.resource),
                _json(events), _json(links),
            )  # fmt: skip

    try:
        write_table(engine, file, _TYPES, rows(), _FORMAT)
    finally:
        engine.close()
    return count


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, OverflowError, TypeError):  # surrogates, huge numbers, odd keys
        return msgspec.json.encode(_plain(value)).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return str(value)
    return value
