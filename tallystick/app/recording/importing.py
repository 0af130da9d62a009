"""Import: a file of recorded runs into the trace store, by the same way that live spans take.

Ids come from the content, so importing a file twice adds nothing.
"""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from tallystick.model.errors import BadInput, TooLarge
from tallystick.model.span import Span
from tallystick.observe.formats import FORMATS, NAMES, guess
from tallystick.observe.formats import otlp as otlp_format
from tallystick.observe.formats.recorded import parse_json

if TYPE_CHECKING:
    from tallystick.app.recording.record import Recorder, Rejection

BATCH: Final = 500  # spans a transaction
LARGEST: Final = 2**30  # bytes of an unpacked file: a small .gz can hold a very large one


def import_file(
    recorder: Recorder,
    name: str,
    format: str,
    content: bytes,
    progress: Callable[[int, int], None],
    *,
    decode_otlp: Callable[[bytes], Sequence[Span]] | None = None,
) -> dict[str, Any]:
    """Import one file (plain or gzip) and return ``{"runs", "steps", "added", "repeats", "rejected"}``.

    ``runs`` are those of the file, new or not. ``progress(done, total)`` counts runs (for OTLP, spans).
    ``rejected`` lists ``{"trace", "span", "reason"}`` of spans that no store can hold. ``decode_otlp`` is
    the server's decoder. Raises BadInput (file, place, what was expected) before anything of a file with
    the wrong shape is written, and StoreFull."""
    content = unpacked(content, name)
    groups = _groups(name, format, content, decode_otlp)
    # what was sent is stitched like any other spans: only the store can tell which runs they are
    stitched = format == otlp_format.NAME or FORMATS[format].stitched
    total = sum(weight for weight, _ in groups)
    totals = {"steps": 0, "repeats": 0}
    runs: set[str] = set()
    rejected: list[Rejection] = []
    done = 0
    progress(0, total)
    for weight, spans in _batched(groups):
        receipt = recorder.record(spans)
        totals["steps"] += receipt.accepted
        totals["repeats"] += receipt.repeats
        runs.update(receipt.runs)
        rejected += receipt.rejected
        done += weight
        progress(done, total)
    return {
        "runs": len(runs) if stitched else len(groups),
        "steps": totals["steps"],
        "added": max(totals["steps"] - totals["repeats"], 0),
        "repeats": totals["repeats"],
        "rejected": [{"trace": item.trace, "span": item.span, "reason": item.reason} for item in rejected],
    }


def unpacked(content: bytes, name: str) -> bytes:
    """The bytes of a gzip file, or the content as it is. Raises BadInput for a damaged file, TooLarge
    beyond 1 GiB."""
    if content[:2] != b"\x1f\x8b":
        return content
    parts: list[bytes] = []
    size = 0
    try:
        while content:  # a gzip file may have several members
            unzip = zlib.decompressobj(wbits=31)
            part = unzip.decompress(content, LARGEST - size + 1)
            size += len(part)
            if size > LARGEST:
                raise TooLarge(f"{name}: more than {LARGEST} bytes when unpacked", hint="split the file")
            if not unzip.eof:
                raise BadInput(f"{name}: the gzip file ends too early", hint="is the file whole?", file=name)
            parts.append(part)
            content = unzip.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise BadInput(
            f"{name}: a damaged gzip file ({error})", hint="is the file whole?", file=name
        ) from error
    return b"".join(parts)


def _groups(
    name: str, form: str, content: bytes, decode_otlp: Callable[[bytes], Sequence[Span]] | None
) -> list[tuple[int, list[Span]]]:
    """The whole file as (weight for the progress, spans that belong together), checked before a first
    write."""
    if form == otlp_format.NAME:
        if decode_otlp is None:
            raise BadInput(
                "OTLP files cannot be read here", hint="post them to /v1/traces of a running server"
            )
        return [(1, [span]) for span in decode_otlp(content)]
    if form not in FORMATS:
        near = difflib.get_close_matches(form, NAMES, 1)
        hint = f"did you mean {near[0]}?" if near else "formats: " + ", ".join(NAMES)
        raise BadInput(f"there is no format {form!r}", hint=hint)
    try:
        document = parse_json(content, name)
        return [(1, recorded.spans) for recorded in FORMATS[form].read(document)]
    except BadInput as error:
        seems = guess(content)
        other = (
            f"this looks like {seems}: tally runs import {seems} {name}"
            if seems not in (None, form)
            else None
        )
        message = error.message if error.message.startswith(name) else f"{name}: {error.message}"
        raise BadInput(message, hint=other or error.hint, **{**error.detail, "file": name}) from error


def _batched(groups: list[tuple[int, list[Span]]]) -> Iterator[tuple[int, list[Span]]]:
    weight, batch = 0, list[Span]()
    for one, spans in groups:
        weight += one
        batch += spans
        if len(batch) >= BATCH:
            yield weight, batch
            weight, batch = 0, []
    if batch:
        yield weight, batch
