"""The static files: read once from the package, served under a digest so that browsers may keep them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Assets:
    """File name to bytes, and the digest of them all."""

    contents: dict[str, bytes]
    digest: str

    def url(self, name: str) -> str:
        """Where a file is served; an unknown name is a mistake in a template and raises KeyError."""
        if name not in self.contents:
            raise KeyError(name)
        return f"/static/{self.digest}/{name}"


@cache
def load() -> Assets:
    """Read every static file of the package."""
    folder = files("tallystick.web") / "static"
    contents = {
        item.name: item.read_bytes()
        for item in sorted(folder.iterdir(), key=lambda item: item.name)
        if "." + item.name.rpartition(".")[2] in _TYPES
    }
    digest = hashlib.sha256()
    for name, body in contents.items():
        digest.update(name.encode() + b"\0" + body)
    return Assets(contents, digest.hexdigest()[:12])


def handler(assets: Assets) -> HTTPRouteHandler:
    """``GET /static/{digest}/{name}``; an outdated digest gets the present file, not to be kept."""

    @get("/static/{digest:str}/{name:str}", include_in_schema=False, sync_to_thread=False)
    def static_file(request: Request[Any, Any, Any]) -> Response[Any]:
        """One static file."""
        digest, name = request.path_params["digest"], request.path_params["name"]
        body = assets.contents.get(name)
        if body is None:
            raise NotFoundException(f"there is no file {name!r}")
        keep = "public, max-age=31536000, immutable" if digest == assets.digest else "no-cache"
        headers = {"Cache-Control": keep, "X-Content-Type-Options": "nosniff"}
        return Response(body, media_type=_TYPES["." + name.rpartition(".")[2]], headers=headers)

    return static_file
