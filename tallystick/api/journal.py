"""The journal over HTTP: its state and verification as JSON, and the log itself as C2SP tlog-tiles."""

from __future__ import annotations

import threading
from typing import Annotated, Any, Final, cast

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter

from tallystick.api import shapes
from tallystick.api.settings import ReadsJournal
from tallystick.model.errors import Conflict

TilePath = Annotated[str, PathParameter(description="A path of tlog-tiles, such as 0/x001/234.p/5.")]
_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"


def journal_handlers(
    journal: ReadsJournal, read: dict[str, Any], find: dict[str, Any], busy: dict[str, Any]
) -> list[HTTPRouteHandler]:
    """The handlers; ``read``, ``find`` and ``busy`` are what handlers of the API that read are declared with."""
    turn = threading.Lock()  # a verification reads everything: one at a time, and nobody queues for the next

    @get("/api/journal", summary="The journal's head, who vouches for it, and its lamps", **read)
    def state() -> shapes.JournalShape:
        """Head, public key, newest checkpoints, witnesses, exports, and the two lamps with the reason."""
        return cast(shapes.JournalShape, journal.state())

    @get("/api/journal/verify", summary="Verify the journal", **busy)
    def verify() -> shapes.VerifyShape:
        """Recompute everything that can be checked here; takes as long as the journal is large."""
        if not turn.acquire(blocking=False):
            raise Conflict("the journal is being verified already", hint="ask again when that is done")
        try:
            steps = [cast(shapes.VerifyStepShape, step) for step in journal.verify_steps()]
        finally:
            turn.release()
        return {"steps": steps, "lamps": cast(shapes.LampsShape, journal.lamps())}

    @get("/journal/checkpoint", summary="The newest checkpoint, a signed note", media_type=_TEXT, **find)
    def checkpoint() -> Response[bytes]:
        """The head of the log as C2SP tlog-checkpoint, with all cosignatures."""
        return Response(journal.file("checkpoint"), media_type=_TEXT)

    @get(
        "/journal/tile/{place:path}",
        summary="A tile or an entry bundle of the log",
        media_type=_BYTES,
        **find,
    )
    def tile(place: TilePath) -> Response[bytes]:
        """Hashes or leaves as C2SP tlog-tiles lays them out."""
        return Response(journal.file("tile/" + place.removeprefix("/")), media_type=_BYTES)

    return [state, verify, checkpoint, tile]
