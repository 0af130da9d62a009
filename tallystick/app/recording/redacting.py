"""Redacting: what may not be stored is taken out of spans before anything is read from them.

Every way into the trace store passes here (``app.recording.record``): what comes out is stored, committed to and shown.
The span says what was taken out: ``tallystick.redacted`` holds counts by kind as JSON, ``{"email":1,"secret":2}``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import msgspec

from tallystick.app.recording.blobs import AT_LEAST, BlobTaker
from tallystick.govern.redaction import Counts, Redactor, is_marked
from tallystick.model.attributes import REDACTED
from tallystick.model.masking import mark_of
from tallystick.model.span import Attributes, Event, Link, Source, Span
from tallystick.observe.dialects import READERS
from tallystick.ports import BlobTraces

_AT_ONCE: Final = (
    128 * 1024
)  # characters looked at together: one look costs as much as reading a hundred bytes
_SHORTEST: Final = 6  # characters: nothing shorter is of any kind
_PLAIN: Final = frozenset({int, float, bool, type(None)})
_NAMES: Final = 2_048  # sets of attribute names remembered
_MOST_NAMES: Final = 64
_DEEPEST: Final = 64
# Whose run it is must stay what it is: it is how the run is found and erased.
HANDLES: Final = frozenset(
    name
    for reader in READERS.values()
    for name, (column, *_) in reader.keys.items()
    if column in ("subject", "conversation")
)

_encode: Final = msgspec.json.Encoder(order="sorted").encode


class Rule(Protocol):
    """Something beside patterns that takes contents out of a span (rules by field, digests, large binaries)."""

    def apply(self, span: Span, counts: Counts) -> Span:
        """The span itself, or another one; ``counts`` grows by kind."""
        ...


class SpanRedactor:
    """Takes out of spans what a redactor finds in them, after ``rules`` had their turn."""

    def __init__(
        self, redactor: Redactor, rules: Sequence[Rule] = (), blobs: BlobTaker | None = None
    ) -> None:
        self._redactor = redactor
        self._blobs = blobs
        self._rules = tuple(rules)
        self._named: dict[tuple[str, ...], tuple[tuple[str, str | None], ...]] = {}

    def spans(self, spans: Sequence[Span]) -> Sequence[Span]:
        """The spans as they may be stored, in the same order; those that hold nothing are the same objects."""
        if self._rules:
            spans = [self._ruled(span) for span in spans]
        made: list[Span] | None = None
        sources: dict[int, Source] = {}
        texts: list[str] = []
        ends: list[int] = []  # where the texts of each span end
        first = size = 0
        for index, span in enumerate(spans):
            more = self._collect(span, texts, sources)
            if more >= AT_LEAST and self._blobs is not None:
                taken = self._without_blobs(span)
                if taken is not span:
                    if made is None:
                        spans = made = list(spans)
                    made[index] = taken
                    del texts[ends[-1] if ends else 0 :]
                    more = self._collect(taken, texts, sources)
            size += more
            ends.append(len(texts))
            if size >= _AT_ONCE or index + 1 == len(spans):
                if self.may_hold(texts):
                    made = list(spans) if made is None else made
                    for at, begin, end in zip(range(first, index + 1), (0, *ends), ends, strict=False):
                        if self.may_hold(texts[begin:end]):
                            made[at] = self._one(spans[at])
                texts.clear()
                ends.clear()
                first, size = index + 1, 0
        return self._sourced(spans if made is None else made, sources)

    def begin(self) -> None:
        """A batch begins, whose spans may be given in several parts."""
        if self._blobs is not None:
            self._blobs.begin()

    def committed(self, traces: BlobTraces) -> None:
        """The spans that were given since ``begin`` are in the store, or were refused for good."""
        if self._blobs is not None:
            self._blobs.keep(traces)

    def _without_blobs(self, span: Span) -> Span:
        assert self._blobs is not None
        counts: Counts = Counter()
        made = self._blobs.take(span, counts)
        return said(made, counts) if counts else made

    def attributes(self, attributes: Attributes, counts: Counts) -> Attributes:
        """A mapping of attributes without what was found in it, names included."""
        made: dict[str, Any] = {}
        changed = False
        named = dict(self._names(attributes))
        for name, value in attributes.items():
            kind = named.get(name)
            if kind is not None and value and not is_marked(value):
                counts[kind] += 1
                kept: Any = mark_of(kind)
            else:
                kept = value if name in HANDLES else self._redactor.value(value, counts)
            key = self._redactor.text(name, counts) if name in named or type(name) is not str else name
            changed = changed or kept is not value or key is not name
            made[key] = kept
        return made if changed else attributes

    @property
    def ruled(self) -> bool:
        """Whether there are rules beside patterns."""
        return bool(self._rules)

    def may_hold(self, texts: Sequence[str]) -> bool:
        """Whether any of some texts may hold something; never wrong when it says no."""
        return bool(texts) and self._redactor.may_hold("\n".join(texts).encode("utf-8", "replace"))

    def is_clean(self, text: str) -> bool:
        """Whether a text holds nothing, for certain."""
        return self._redactor.text(text, Counter()) == text

    def tells(self, names: tuple[str, ...]) -> bool:
        """Whether any of some names of attributes says what stands under it."""
        return bool(self._names(dict.fromkeys(names)))

    def _collect(self, span: Span, texts: list[str], sources: dict[int, Source]) -> int:
        """Put every text of a span that may hold something among ``texts``; how many characters that was."""
        size = 0
        attributes = span.attributes
        for value in attributes.values():
            kind = type(value)
            if kind is str:
                if len(value) >= _SHORTEST:
                    texts.append(value)
                    size += len(value)
            elif kind not in _PLAIN:
                size += _nested(value, texts, 0)
        if self._names(attributes):
            texts.append("password=")  # any sign that this span must be looked at
        texts.append(span.name)
        if span.status_message:
            texts.append(span.status_message)
            size += len(span.status_message)
        for event in span.events:
            texts.append(event.name)
            size += _nested(event.attributes, texts, 0)
        for link in span.links:
            size += _nested(link.attributes, texts, 0)
        sources[id(span.source)] = span.source
        return size

    def _names(self, attributes: Attributes) -> tuple[tuple[str, str | None], ...]:
        """Names of attributes that say what stands under them, with its kind; those that may hold something, with None.

        The same sets of names come again.
        """
        names = tuple(attributes)
        found = self._named.get(names)
        if found is None:
            kinds = ((name, self._redactor.kind_of_name(name[-128:])) for name in names if type(name) is str)
            found = tuple((name, kind) for name, kind in kinds if kind is not None or self.may_hold([name]))
            if len(names) <= _MOST_NAMES:
                if len(self._named) >= _NAMES:
                    self._named.clear()
                self._named[names] = found
        return found

    def _one(self, span: Span) -> Span:
        counts: Counts = Counter()
        attributes = self.attributes(span.attributes, counts)
        name = self._redactor.text(span.name, counts)
        message = self._redactor.text(span.status_message, counts)
        events = tuple(
            Event(self._redactor.text(one.name, counts), one.at, self.attributes(one.attributes, counts))
            for one in span.events
        )
        links = tuple(
            Link(one.trace, one.span, self.attributes(one.attributes, counts)) for one in span.links
        )
        if not counts:
            return span
        made = replace(
            span, attributes=attributes, name=name, status_message=message, events=events, links=links
        )
        return said(made, counts)

    def _ruled(self, span: Span) -> Span:
        counts: Counts = Counter()
        made = span
        for rule in self._rules:
            made = rule.apply(made, counts)
        return said(made, counts) if counts else made

    def _sourced(self, spans: Sequence[Span], sources: Mapping[int, Source]) -> Sequence[Span]:
        """The same for what a span's sender says of itself, once for each sender."""
        cleaned: dict[int, Source] = {}
        for key, source in sources.items():
            counts: Counts = Counter()
            text = self._redactor.text
            made = Source(
                self.attributes(source.resource, counts), text(source.scope, counts),
                text(source.scope_version, counts), text(source.schema_url, counts),
            )  # fmt: skip
            if counts:
                cleaned[key] = made
        if not cleaned:
            return spans
        return [replace(one, source=cleaned.get(id(one.source), one.source)) for one in spans]


def said(span: Span, counts: Mapping[str, int]) -> Span:
    """The span with what was taken out of it added to what it said before."""
    total = Counter(redacted(span.attributes)) + Counter(counts)
    return replace(span, attributes={**span.attributes, REDACTED: _encode(dict(total)).decode()})


def redacted(attributes: Attributes) -> Mapping[str, int]:
    """What was taken out of a span, by kind; empty where nothing was, or where the span says it in another way."""
    text = attributes.get(REDACTED)
    if type(text) is not str or len(text) > 1_000:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, int])
    except msgspec.DecodeError:
        return {}


def _nested(value: Any, texts: list[str], depth: int) -> int:
    size = 0
    if isinstance(value, str):
        texts.append(value)
        return len(value)
    if isinstance(value, bytes | bytearray | memoryview):
        texts.append(bytes(value).decode("latin-1"))
        return len(value)
    if depth >= _DEEPEST:
        texts.append(repr(value))
        return 1
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(key, str) and isinstance(item, str):
                texts.append(f"{key}={item}")
                size += len(item) + len(key)
            else:
                size += _nested(key, texts, depth + 1) + _nested(item, texts, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            size += _nested(item, texts, depth + 1)
    return size
