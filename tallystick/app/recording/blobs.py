"""Blobs: large binaries leave spans before they are stored, and lie once beside the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from tallystick.govern.binaries import LARGE, SHORTEST, without_binaries
from tallystick.govern.redaction import Counts, Redactor
from tallystick.model.attributes import BLOBS
from tallystick.model.blob import Blob
from tallystick.model.span import Attributes, Event, Link, Span
from tallystick.ports import Blobs, BlobTraces

AT_LEAST: Final = min(LARGE, SHORTEST)  # characters or bytes: a span with fewer has no large binary


class BlobTaker:
    """Takes large binaries out of spans into ``blobs``, those of at most ``limit`` bytes; of others the digest is kept.

    A binary that is a text (an attached letter) is redacted as texts are.
    """

    def __init__(self, blobs: Blobs, redactor: Redactor, *, limit: int) -> None:
        self._blobs = blobs
        self._redactor = redactor
        self._limit = limit
        self._mine = threading.local()

    def begin(self) -> None:
        """A batch begins: what this thread took for another one needs no keeping."""
        self._mine.put = {}

    def keep(self, traces: BlobTraces) -> None:
        """The batch is committed: what was taken away just before, because no run named it yet, is put again.

        What no run names even now goes at once: its span came for an erased run, was a repeat, or was refused.
        """
        put = self._put()
        for digest, raw in put.items():
            self._blobs.put(digest, raw)
        if put:
            traces.settle_blobs(put)
        self._mine.put = {}

    def take(self, span: Span, counts: Counts) -> Span:
        """The span with references in the place of large binaries; the span itself where it has none.

        ``counts`` grows by what was redacted in them. Raises StoreFull and StoreFault.
        """
        number = 0

        def one(raw: bytes, kind: str) -> Blob:
            nonlocal number
            number += 1
            return self._taken(raw, kind, counts)

        attributes = _mapping(span.attributes, one)
        events = tuple(Event(two.name, two.at, _mapping(two.attributes, one)) for two in span.events)
        links = tuple(Link(two.trace, two.span, _mapping(two.attributes, one)) for two in span.links)
        if not number:
            return span
        before = span.attributes.get(BLOBS)
        total = number + (before if type(before) is int and 0 < before < 2**31 else 0)
        return replace(span, attributes={**attributes, BLOBS: total}, events=events, links=links)

    def _taken(self, raw: bytes, kind: str, counts: Counts) -> Blob:
        raw = self._clean(raw, counts)
        digest = sha256(raw).hexdigest()
        if len(raw) > self._limit:
            return Blob(digest, len(raw), kind, kept=False)
        self._blobs.put(digest, raw)
        self._put()[digest] = raw
        return Blob(digest, len(raw), kind)

    def _clean(self, raw: bytes, counts: Counts) -> bytes:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return raw
        return self._redactor.text(text, counts).encode("utf-8", "surrogatepass")

    def _put(self) -> dict[str, bytes]:
        found: dict[str, bytes] | None = getattr(self._mine, "put", None)
        if found is None:
            found = self._mine.put = {}
        return found


def _mapping(attributes: Attributes, take: Callable[[bytes, str], Blob]) -> Mapping[str, Any]:
    made = {name: without_binaries(value, take) for name, value in attributes.items()}
    return made if any(made[name] is not value for name, value in attributes.items()) else attributes
