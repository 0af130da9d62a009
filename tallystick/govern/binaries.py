"""Large binaries in what agents send: images, audio and files as base64 in messages, and bytes.

Found are data URLs, and strings that are base64 from end to end where something says that they stand for bytes: a media
type beside them (``media_type``, ``mime_type``, ``format``) or the first bytes of a known kind of file. A long text
that only looks like base64 stays what it is.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tallystick.govern.finding import expression
from tallystick.govern.json_text import COLON, TOKENS, looks_like_json, quoted
from tallystick.model.blob import UNKNOWN_TYPE, Blob, media_type, reference, reference_text

LARGE: Final = 16 * 1024  # bytes: what is not longer stays where it is
SHORTEST: Final = LARGE * 4 // 3  # characters of base64 for more than that
_LOOKED_AT: Final = (
    4_096  # a run of SHORTEST characters has a whole stretch of so many that begins at a multiple of it
)
_FIRST: Final = 64
_NESTED_TEXTS: Final = 8
_DEEPEST: Final = 64
_BESIDE: Final = 400  # characters before and after a string in which its media type is looked for
_MAYBE: Final = re.compile(r"[A-Za-z0-9+/_=\\\s-]*")
_HEAD: Final = re.compile(
    r"data:([A-Za-z0-9.+-]{1,60}/[A-Za-z0-9.+-]{1,60})?(?:;[A-Za-z0-9.+=_-]{1,100}){0,8};base64,"
)
_URL: Final = expression(
    r"data:([A-Za-z0-9.+-]{1,60}/[A-Za-z0-9.+-]{1,60})?(?:;[A-Za-z0-9.+=_-]{1,100}){0,8};base64,([A-Za-z0-9+/_-]+={0,2})"
)
_BASE64: Final = expression(r"[A-Za-z0-9+/_\s-]+={0,2}\s*")
_SPACE: Final = str.maketrans({" ": None, "\t": None, "\r": None, "\n": None, "-": "+", "_": "/"})
_TELLING: Final = ("media_type", "mediaType", "mime_type", "mimeType", "format")
_SIBLING: Final = re.compile(r'"(?:media_type|mediaType|mime_type|mimeType|format)"\s*:\s*"([^"\\]{1,100})"')
_KEY: Final = re.compile(r'"([^"\\]{1,60})"\s*:\s*$')
_FORMATS: Final = {
    "wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "opus": "audio/opus", "aac": "audio/aac",
    "pcm16": "audio/pcm", "ogg": "audio/ogg", "m4a": "audio/mp4", "mp4": "video/mp4", "webm": "video/webm",
    "png": "image/png", "jpeg": "image/jpeg", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    "pdf": "application/pdf",
}  # fmt: skip
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"), (b"ID3", "audio/mpeg"), (b"OggS", "audio/ogg"), (b"fLaC", "audio/flac"),
    (b"PK\x03\x04", "application/zip"), (b"\x1f\x8b\x08", "application/gzip"), (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"), (b"\x1a\x45\xdf\xa3", "video/webm"),
)  # fmt: skip
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}

Take = Callable[[bytes, str], Blob]  # bytes and their media type -> what was kept of them


def without_binaries(value: Any, take: Take) -> Any:
    """An attribute's value with references in the place of large binaries; the value itself where it has none."""
    if isinstance(value, bytes | bytearray | memoryview):
        return reference_text(_taken(bytes(value), None, take)) if len(value) > LARGE else value
    made = _value(value, None, take, 0)
    return reference_text(made) if isinstance(made, Blob) else made


def _value(value: Any, told: str | None, take: Take, depth: int) -> Any:
    """A Blob for what is one from end to end; nested ones stand as references already."""
    if isinstance(value, str):
        return _string(value, told, take, 0) if may_be_binary(value) else value
    if isinstance(value, bytes | bytearray | memoryview):
        return _taken(bytes(value), told, take) if len(value) > LARGE else value
    if depth >= _DEEPEST:
        return value
    if isinstance(value, Mapping):
        beside = _beside(value)
        made = {
            key: _placed(_value(item, None if key == "text" else beside, take, depth + 1))
            for key, item in value.items()
        }
        return made if any(made[key] is not item for key, item in value.items()) else value
    if isinstance(value, list | tuple):
        items = [_placed(_value(item, None, take, depth + 1)) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return items if isinstance(value, list) else tuple(items)
    return value


def _placed(value: Any) -> Any:
    return reference(value) if isinstance(value, Blob) else value


def may_be_binary(text: str) -> bool:
    """Whether a text may hold a large binary: cheap, and never wrong when it says no."""
    if len(text) < SHORTEST:
        return False
    for at in range(0, len(text) - _LOOKED_AT + 1, _LOOKED_AT):
        if (
            _MAYBE.fullmatch(text, at, at + _FIRST) is not None
            and _MAYBE.fullmatch(text, at, at + _LOOKED_AT) is not None
        ):
            return True
    return False


def _string(text: str, told: str | None, take: Take, nested: int) -> str | Blob:
    """A text, which may be JSON, a data URL, base64, or words with data URLs among them."""
    head = _HEAD.match(text)
    if head is not None:
        raw = _decoded(text[head.end() :])
        if raw is not None:
            return _taken(raw, head[1], take)
    elif text.lstrip()[:1] not in ("{", "["):
        raw = _decoded(text)
        kind = None if raw is None else told or _sniffed(raw)
        if raw is not None and kind is not None:
            return _taken(raw, kind, take)
    elif nested < _NESTED_TEXTS and looks_like_json(text):
        return _json(text, take, nested)
    if "data:" not in text:
        return text
    made = str(_URL.sub(lambda found: _url(found, take), text))
    return text if made == text else made


def _url(found: Any, take: Take) -> str:
    raw = _decoded(found[2])
    return str(found[0]) if raw is None else reference_text(_taken(raw, found[1], take))


def _json(text: str, take: Take, nested: int) -> str:
    """The same string by string; what stands between them is kept. A key stays a string."""
    made: list[str] = []
    at = 0
    for found in TOKENS.finditer(text):
        start, end = found.span()
        if end - start < SHORTEST:
            continue
        try:
            value = json.loads(text[start:end])
        except ValueError:
            continue
        if not isinstance(value, str) or not may_be_binary(value):
            continue
        new = _string(value, _beside_token(text, start, end), take, nested + 1)
        if new is value:
            continue
        if isinstance(new, Blob):
            new = quoted(reference_text(new)) if COLON.match(text, end) else reference_text(new)
        else:
            new = quoted(new)
        made += (text[at:start], new)
        at = end
    if not made:
        return text
    made.append(text[at:])
    return "".join(made)


def _beside_token(text: str, start: int, end: int) -> str | None:
    """The media type that an object of JSON says of one of its strings."""
    before = text[max(0, start - _BESIDE) : start]
    key = _KEY.search(before)
    if key is None or key[1] == "text":
        return None
    before = before[before.rfind("{") + 1 :]
    after = text[end : end + _BESIDE].partition("}")[0].partition("{")[0]
    for found in (*_SIBLING.finditer(before), *_SIBLING.finditer(after)):
        kind = _kind(found[1])
        if kind is not None:
            return kind
    return None


def _beside(value: Mapping[Any, Any]) -> str | None:
    for name in _TELLING:
        said = value.get(name)
        kind = _kind(said) if isinstance(said, str) else None
        if kind is not None:
            return kind
    return None


def _kind(said: str) -> str | None:
    known = _FORMATS.get(said.lower())
    if known is not None:
        return known
    made = media_type(said.partition(";")[0])
    return made if made != UNKNOWN_TYPE or said.lower() == UNKNOWN_TYPE else None


def _decoded(text: str) -> bytes | None:
    """The bytes of a text that is base64 from end to end; None for another one, and for one that is not large."""
    if len(text) < SHORTEST or not text.isascii() or _BASE64.fullmatch(text) is None:
        return None
    plain = text.translate(_SPACE).rstrip("=")
    try:
        raw = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return None
    return raw if len(raw) > LARGE else None


def _sniffed(raw: bytes) -> str | None:
    for magic, kind in _MAGIC:
        if raw.startswith(magic):
            return kind
    if raw[:4] == b"RIFF":
        return _RIFF.get(raw[8:12])
    return "video/mp4" if raw[4:8] == b"ftyp" else None


def _taken(raw: bytes, told: str | None, take: Take) -> Blob:
    return take(raw, media_type(told or _sniffed(raw) or UNKNOWN_TYPE))
