"""Large binaries over HTTP: to be saved, never to be shown by the browser in this server's name."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter

from tallystick.api.settings import ReadsRuns

# What a browser may be told of bytes that an agent or a tool wrote; nothing in it can hold a script.
SAFE_TYPES: Final = {
    "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "audio/mpeg": "mp3",
    "audio/wav": "wav", "audio/ogg": "ogg", "audio/flac": "flac", "audio/mp4": "m4a", "video/mp4": "mp4",
    "video/webm": "webm",
}  # fmt: skip
_OTHER: Final = "application/octet-stream"

DigestPath = Annotated[
    str,
    PathParameter(
        description="The SHA-256 that a reference (tallystick.blob) names.", pattern="^[0-9a-f]{64}$"
    ),
]


def blob_handlers(reader: ReadsRuns, find: dict[str, Any]) -> list[HTTPRouteHandler]:
    """The one handler; ``find`` are the options of handlers that look one thing up."""

    @get("/api/blobs/{sha256:str}", summary="The bytes of a large binary", media_type=_OTHER, **find)
    def blob(sha256: DigestPath) -> Response[bytes]:
        """A blob that some run names, as a file to be saved. The same digest is the same bytes for ever."""
        found, raw = reader.blob(sha256)
        kind = found.media_type if found.media_type in SAFE_TYPES else _OTHER
        return Response(
            raw,
            media_type=kind,
            headers={
                "content-disposition": f'attachment; filename="{sha256[:16]}.{SAFE_TYPES.get(kind, "bin")}"',
                "content-security-policy": "default-src 'none'; sandbox",
                "cache-control": "private, max-age=31536000, immutable",
                "x-content-type-options": "nosniff",
            },
        )

    return [blob]
