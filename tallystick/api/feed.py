"""What guards must know of this registry, for agents whose records come here."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from tallystick.app.acting.feed import Feed, Heard, feed_document

_JSON = "application/json"


class FeedPage:
    """The answer to those who ask, made once for each change."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._lock = threading.Lock()
        self._last: tuple[Heard, bytes, str] | None = None

    def now(self) -> tuple[str, bytes]:
        """The entity tag, and the document. Raises what the store raises."""
        heard = self._feed.heard()
        with self._lock:
            last = self._last
            if last is None or last[0] is not heard:
                document = feed_document(heard.parts[0])
                mark = hashlib.sha256(document).hexdigest()[:16]
                last = self._last = (heard, document, f'"{heard.parts[0].revision}-{mark}"')
        return last[2], last[1]


def feed_handlers(feed: Feed, read: dict[str, Any]) -> list[HTTPRouteHandler]:
    """The handlers; ``read`` is what handlers of the API that read are declared with."""
    page = FeedPage(feed)

    @get("/api/feed", summary="What guards must know of the registry", **read)
    def told(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Policies with their scopes, tools, retired tools, accepted definitions, and what scopes are judged by.

        The entity tag is the registry's revision and a digest of the answer: two stores, or one and its backup, may
        have the same revision. Ask with If-None-Match, and what has not changed is answered 304.
        """
        tag, document = page.now()
        if request.headers.get("if-none-match") == tag:
            return Response(b"", status_code=304, headers={"etag": tag}, media_type=_JSON)
        return Response(document, headers={"etag": tag}, media_type=_JSON)

    return [told]
