"""A blob: a large binary that left its span. In its place stands a reference, and its bytes lie once in the store.

The reference is ``{"tallystick.blob": {"sha256", "bytes", "media_type"}}``: an object where JSON or a mapping holds it,
its JSON text where a text stands. ``"kept": false`` is added where the bytes were more than the store takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.model.span import Span

REFERENCE: Final = "tallystick.blob"
_LONGEST: Final = 400  # characters of a reference after its name, however often its quotes are escaped
_DEEPEST: Final = 64
_DIGEST: Final = re.compile(r'sha256[\\"]+\s*:\s*[\\"]+([0-9a-f]{64})[\\"]')
_BYTES: Final = re.compile(r'bytes[\\"]+\s*:\s*([0-9]{1,15})(?![0-9])')
_TYPE: Final = re.compile(r'media_type[\\"]+\s*:\s*[\\"]+([a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60})[\\"]')
_UNKEPT: Final = re.compile(r'kept[\\"]+\s*:\s*"?[Ff]alse')
_FIELDS: Final = ("sha256", "bytes", "media_type", "kept")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")
UNKNOWN_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Blob:
    """``sha256`` in hexadecimal of ``bytes`` bytes; ``kept`` false: only the digest was kept."""

    sha256: str
    bytes: int
    media_type: str
    kept: bool = True


def reference(blob: Blob) -> dict[str, Any]:
    """What stands in the place of a blob inside JSON or a mapping."""
    held: dict[str, Any] = {"sha256": blob.sha256, "bytes": blob.bytes, "media_type": blob.media_type}
    return {REFERENCE: held if blob.kept else {**held, "kept": False}}


def reference_text(blob: Blob) -> str:
    """The same where a text stands."""
    return json.dumps(reference(blob), separators=(",", ":"))


def is_digest(text: str) -> bool:
    """Whether a text is a digest as references have it."""
    return _SHA256.fullmatch(text) is not None


def media_type(text: str) -> str:
    """A media type as it may be written down, or the one for unknown bytes."""
    lowered = text.strip().lower()
    return lowered if _MEDIA_TYPE.fullmatch(lowered) else UNKNOWN_TYPE


def named_by(span: Span) -> Iterator[Blob]:
    """The blobs that a span names; asked only of those that say they do (``tallystick.blobs``)."""
    yield from references(span.attributes)
    for said in (*(one.attributes for one in span.events), *(one.attributes for one in span.links)):
        yield from references(said)


def references(value: Any, depth: int = 0) -> Iterator[Blob]:
    """The blobs that a value names, however deep and however often escaped; whoever wrote it is not trusted."""
    if isinstance(value, str):
        yield from _in_text(value)
    elif isinstance(value, Mapping) and depth < _DEEPEST:
        for key, item in value.items():
            if key == REFERENCE and isinstance(item, Mapping):
                told = {
                    name: str(item[name]) if name != "bytes" else item[name]
                    for name in _FIELDS
                    if name in item
                }
                yield from _in_text(f'{REFERENCE}":{json.dumps(told, default=str)}')
            else:
                yield from references(item, depth + 1)
    elif isinstance(value, list | tuple) and depth < _DEEPEST:
        for item in value:
            yield from references(item, depth + 1)


def _in_text(text: str) -> Iterator[Blob]:
    at = text.find(REFERENCE)
    while at >= 0:
        start = at + len(REFERENCE)
        at = text.find(REFERENCE, start)
        end = text.find("}", start, start + _LONGEST)
        held = text[start:end] if end > 0 else ""
        digest, size, kind = _DIGEST.search(held), _BYTES.search(held), _TYPE.search(held)
        if digest is not None and size is not None:
            told = UNKNOWN_TYPE if kind is None else kind[1]
            yield Blob(digest[1], int(size[1]), told, _UNKEPT.search(held) is None)
