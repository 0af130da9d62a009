"""The witness's door: C2SP tlog-witness over HTTP, and its status as JSON.

Anybody may call: what is co-signed is decided by the log's signature and the proof, never by who sends them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec

from tallystick.api.ingest import read_body
from tallystick.api.problems import Receive, Scope, Send, respond, respond_error
from tallystick.app.prove.witnessing import Witness
from tallystick.model.errors import Fault, TallystickError, UnknownThing
from tallystick.proof.witness import LONGEST_REQUEST

_log = logging.getLogger("tallystick.api")
_NO_STORE: Final = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class WitnessApp:
    """One witness as an ASGI application."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    def stopping(self) -> None:
        """The server begins to stop; there are no streams to end here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            await self._answer(scope, receive, send)
        except TallystickError as error:
            await respond_error(send, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours: the log has it, the caller only that it is
            _log.error("answering %s failed", scope["path"], exc_info=error)
            await respond_error(send, Fault("something of ours went wrong", hint="see the witness's log"))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if method == "POST" and path == "/add-checkpoint":
            body = await read_body(dict(scope["headers"]), receive, LONGEST_REQUEST)
            reply = await asyncio.to_thread(self._witness.add_checkpoint, body)
            await respond(send, reply.status, reply.body.encode(), reply.content_type.encode(), _NO_STORE)
        elif method == "GET" and path == "/":
            status = await asyncio.to_thread(self._witness.status)
            await respond(send, 200, msgspec.json.encode(status), headers=_NO_STORE)
        else:
            raise UnknownThing(
                f"a witness does not answer {method[:10]} {path[:200]}",
                hint="POST /add-checkpoint, or GET / for its status",
            )


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
