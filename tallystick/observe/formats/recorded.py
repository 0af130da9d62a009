"""What an importer makes: recorded runs as spans with canonical attributes, and ids that come from the
content alone.

A source without timestamps gives spans that start and end at 0 (unknown); the sequence numbers keep their
order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tallystick.model import attributes as own
from tallystick.model.errors import BadInput
from tallystick.model.span import Source, Span

_HEX = re.compile(r"[0-9a-f]+")
IMPORT = "tallystick.import."  # facts of the source that are annotations, not what happened


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run of a source, root span first. ``run`` is its id (32 hex digits), also stamped on every span, but for
    formats of spans as they were sent: there it is the trace's."""

    run: str
    spans: list[Span]


@dataclass(frozen=True, slots=True)
class Format:
    """One format. ``detect`` looks at the bytes and never raises; ``read`` takes the parsed JSON and raises
    BadInput that names the place and what was expected there. ``stitched``: the file holds spans as they were
    sent, one group a trace, and which run they belong to is the store's to say."""

    name: str
    detect: Callable[[bytes], bool]
    read: Callable[[Any], Iterator[RecordedRun]]
    stitched: bool = False


def parse_json(content: bytes, what: str) -> Any:
    """Parse a JSON file. Raises BadInput with line and column."""
    try:
        text = content.decode("utf-8-sig")
        return json.loads(text, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{what}: not UTF-8 text at byte {error.start}",
            hint="JSON files are UTF-8; .gz files are read as they are",
        ) from error
    except json.JSONDecodeError as error:
        raise BadInput(
            f"{what}: not JSON at line {error.lineno}, column {error.colno}: {error.msg}",
            hint="is the file whole?", line=error.lineno, column=error.colno,
        ) from error  # fmt: skip
    except RecursionError as error:
        raise BadInput(f"{what}: nested too deeply to be read") from error


def _no_constant(name: str) -> Any:
    raise BadInput(f"{name} is not JSON", hint="the writer of this file left the JSON standard")


def expect(value: Any, kind: type | tuple[type, ...], where: str, expected: str) -> Any:
    """The value, if it is of the kind; else BadInput that says where and what was expected."""
    if not isinstance(value, kind) or (isinstance(value, bool) and bool not in _kinds(kind)):
        raise BadInput(f"{where}: expected {expected}, found {shape(value)}", where=where)
    return value


def _kinds(kind: type | tuple[type, ...]) -> tuple[type, ...]:
    return kind if isinstance(kind, tuple) else (kind,)


def shape(value: Any) -> str:
    """What a JSON value is, in words for an error."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object with " + (", ".join(str(key)[:40] for key in list(value)[:6]) or "nothing in it")
    names: dict[type, str] = {
        list: "a list",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), type(value).__name__)


def hex_id(value: Any, digits: int, where: str) -> str:
    """A trace or span id in lower-case hex; zeros that a writer left away in front are put back. Raises BadInput."""
    text = expect(value, str, where, f"an id of {digits} hex digits").lower()
    if not 0 < len(text) <= digits or not _HEX.fullmatch(text):
        raise BadInput(f"{where}: {text[:40]!r} is not an id of {digits} hex digits", where=where)
    return str(text.zfill(digits))


def by_trace(spans: Iterable[Span]) -> Iterator[RecordedRun]:
    """Spans that were sent, one group for each trace, in the order in which the traces began."""
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace, []).append(span)
    for trace, group in sorted(traces.items(), key=lambda item: min(span.started for span in item[1])):
        group.sort(key=lambda span: (span.started, span.parent is not None, span.span))
        yield RecordedRun(trace, group)


def run_id(source: str, *identity: Any) -> str:
    """32 hex digits from the source's name and whatever identifies the run in it (JSON values)."""
    text = json.dumps([source, *identity], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:32]


def span_id(run: str, place: object) -> str:
    """16 hex digits from the run and the place in it."""
    return sha256(f"{run}\0{place}".encode("utf-8", "replace")).hexdigest()[:16]


def json_text(value: Any) -> str:
    """A JSON value as compact text; text stays as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Builder:
    """Collects the spans of one run of a source that has no timestamps and no ids."""

    def __init__(self, run: str, source: str) -> None:
        self.run = run
        self.source = Source(scope=f"tallystick.import.{source}")
        self.spans: list[Span] = []

    def add(
        self, name: str, attributes: Mapping[str, Any], *, failed: str | None = None, ended: bool = True
    ) -> Span:
        """Append the next span (the first one is the root); ``failed`` is an error message. None values are
        left out."""
        seq = len(self.spans) + 1
        span = Span(
            trace=self.run,
            span=span_id(self.run, seq),
            parent=self.spans[0].span if self.spans else None,
            name=name,
            started=0,
            ended=0 if ended else None,
            source=self.source,
            status=2 if failed is not None else 0,
            status_message=failed or "",
            attributes={
                own.RUN_ID: self.run,
                own.SEQ: seq,
                **{key: value for key, value in attributes.items() if value is not None},
            },
        )
        self.spans.append(span)
        return span

    def finish(self) -> RecordedRun:
        """Write the number of steps on the root, so that a missing one would be seen."""
        root = self.spans[0]
        root.attributes = {**root.attributes, own.RUN_STEPS: len(self.spans)}
        return RecordedRun(self.run, self.spans)


def text_message(role: str, content: str) -> str:
    """One canonical message with one text part, as JSON."""
    return json_text([{"role": role, "parts": [{"type": "text", "content": content}]}])
