"""Undoing a request's Content-Encoding, with a bound: a small body must not become a large one."""

from __future__ import annotations

import zlib

import zstandard

from tallystick.model.errors import BadInput, TooLarge

_SIZE_NOT_SAID = (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR)
_PIECE = 512
_WINDOW = 8 << 20  # what RFC 8878 asks every decoder to take; only --ultra levels want more
ENCODINGS = ("identity", "gzip", "deflate", "zstd")


def unpack(body: bytes, encoding: str, *, limit: int) -> bytes:
    """The plain body, at most ``limit`` bytes.

    Raises TooLarge as soon as the limit is passed (never after unpacking it all), BadInput for damaged or cut off
    data and for encodings that are not known.
    """
    if encoding in ("", "identity"):
        plain = body
    elif encoding in ("gzip", "x-gzip"):
        plain = _inflate(body, 31, "gzip", limit)
    elif encoding == "deflate":
        plain = _inflate(body, 15, "deflate", limit)
    elif encoding == "zstd":
        plain = _unzstd(body, limit)
    else:
        raise BadInput(
            f"Content-Encoding {encoding!r} is not known", hint=f"send one of: {', '.join(ENCODINGS)}"
        )
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"the body is larger than {limit} bytes when unpacked", hint="send smaller batches", limit=limit
    )


def _inflate(body: bytes, window: int, name: str, limit: int) -> bytes:
    """Every member of a gzip body, or one zlib stream; stops one byte past the limit."""
    parts: list[bytes] = []
    room = limit + 1
    rest = body
    try:
        while rest and room > 0:
            stream = zlib.decompressobj(window)
            part = stream.decompress(rest, room)
            parts.append(part)
            room -= len(part)
            if not stream.eof and room > 0:
                raise BadInput(f"the {name} body is cut off")
            rest = stream.unused_data if window == 31 else b""
    except zlib.error as error:
        raise BadInput(f"the body is not {name}: {error}") from error
    return b"".join(parts)


def _unzstd(body: bytes, limit: int) -> bytes:
    """Every frame of a zstd body."""
    try:
        size = zstandard.get_frame_parameters(body).content_size
        if size > limit and size not in _SIZE_NOT_SAID:
            raise _too_large(limit)
        if size not in _SIZE_NOT_SAID:
            try:
                whole = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
                return whole.decompress(body, max_output_size=limit, allow_extra_data=False)
            except zstandard.ZstdError:
                pass  # several frames, or damage, which the careful way finds again and names
        return _unzstd_in_pieces(body, limit)
    except zstandard.ZstdError as error:
        raise BadInput(f"the body is not zstd: {error}") from error


def _unzstd_in_pieces(body: bytes, limit: int) -> bytes:
    """Feed little at a time: four bytes can ask for 128 kB, so a piece of 512 overshoots by 16 MB at most."""
    out: list[bytes] = []
    room, rest = limit + 1, body
    while rest and room > 0:
        stream = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
        at = 0
        while at < len(rest) and room > 0 and not stream.eof:
            part = stream.decompress(rest[at : at + _PIECE])
            at += _PIECE
            out.append(part)
            room -= len(part)
        if not stream.eof and room > 0:
            raise BadInput("the zstd body is cut off")
        rest = stream.unused_data + rest[at:]
    return b"".join(out)
