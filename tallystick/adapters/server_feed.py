"""The feed over HTTP: what a server's registry says, asked for from a thread so that no call ever waits for a network.

The newest answer is kept in the store's folder. A process that starts while the server is away goes on with that; where
there is none, nobody knows what is in force, and that is a trouble of which the guard must hear.
"""

from __future__ import annotations

import http.client
import os
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from tallystick.adapters.state_file import StateFile
from tallystick.app.acting.feed import Heard, Known, known_from
from tallystick.model.errors import BadInput, StoreFault, Unreachable

EVERY_S: Final = 0.6  # with the server's own look at its store: what is stopped stops within a second
FEED_FILE: Final = "feed.json"
_TIMEOUT_S: Final = 5.0
_MOST: Final = 256 * 1_048_576  # bytes of an answer
_TOO_OLD: Final = (404, 405, 501)


class ServerFeed:
    """A server's registry (``app.acting.feed.Feed``)."""

    def __init__(
        self, server: str, *, token: str | None, folder: Path, say: Callable[[str], None], every_s: float = EVERY_S
    ) -> None:  # fmt: skip
        """``server``: http(s)://host[:port][/prefix]. ``folder`` keeps the newest answer, ``say`` tells people."""
        parts = urlsplit(server)
        self._parts = parts
        self._path = parts.path.rstrip("/") + "/api/feed"
        self._shown = f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}{parts.path.rstrip('/')}"
        self._token = token
        self._kept = StateFile(folder / FEED_FILE, private=True)
        self._say = say
        self._said: set[str] = set()
        self._every = every_s
        self._tag: str | None = None
        known = self._read_kept()
        self._heard = (
            Heard((known,)) if known is not None else Heard((), self._unknown("it has not answered yet"))
        )
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._stop = threading.Event()
        self._answered = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="tallystick-feed", daemon=True)
        self._thread.start()

    def heard(self) -> Heard:
        """See ``Feed``."""
        if os.getpid() != self._pid:  # the thread stayed in the parent
            self._begin()
        return self._heard

    def heard_anew(self) -> Heard:
        """See ``Feed``: to ask the server would be to wait for it."""
        return self.heard()

    def wait(self, seconds: float) -> None:
        """Wait until the server was asked once, at most so long."""
        self._answered.wait(seconds)

    def close(self) -> None:
        """Let the thread end."""
        self._stop.set()

    def _loop(self) -> None:
        stop, answered = self._stop, self._answered
        while not stop.is_set():
            try:
                self._ask()
            except Unreachable as error:
                self._trouble(error.message)
            except Exception as error:  # noqa: BLE001 - the thread asks again, and the guard hears that it must
                self._trouble(f"{type(error).__name__}: {error}")
            answered.set()
            stop.wait(self._every)

    def _ask(self) -> None:
        status, tag, body = self._get()
        if status == 304:
            return
        if status == 200:
            try:
                known = known_from(body)
            except BadInput as error:
                self._trouble(f"its answer cannot be read: {error.message}")
                return
            self._heard, self._tag = Heard((known,)), tag
            self._keep(body)
        elif status in _TOO_OLD:
            self._say_once(
                f"the server {self._shown} tells nothing of its registry (HTTP {status}): "
                "only the rules here are in force"
            )
            if self._heard.trouble is not None:
                self._heard = Heard()
        elif status in (401, 403):
            self._trouble(f"it wants a token (HTTP {status}); set TALLYSTICK_TOKEN")
        else:
            self._trouble(f"it answers HTTP {status}")

    def _trouble(self, why: str) -> None:
        """What was known stays known; where nothing ever was, the guard must hear of it."""
        text = self._unknown(why)
        if self._heard.trouble is not None and self._heard.trouble != text:
            self._heard = Heard((), text)
            self._say_once(text)

    def _unknown(self, why: str) -> str:
        return f"what the registry of the server {self._shown} says is not known: {why}"

    def _say_once(self, text: str) -> None:
        if text not in self._said and len(self._said) < 20:
            self._said.add(text)
            self._say(f"tallystick: {text}")

    def _get(self) -> tuple[int, str | None, bytes]:
        headers = {"user-agent": "tallystick", "accept": "application/json"}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        if self._tag is not None:
            headers["if-none-match"] = self._tag
        connection = self._connect()
        try:
            connection.request("GET", self._path, headers=headers)
            response = connection.getresponse()
            body = response.read(_MOST + 1)
            if len(body) > _MOST:
                raise Unreachable(f"its answer has more than {_MOST:,} bytes")
            return response.status, response.getheader("etag"), body
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            raise Unreachable(f"it cannot be reached ({why})") from error
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)

    def _keep(self, body: bytes) -> None:
        known = msgspec.json.decode(body)

        def put(state: dict[str, Any]) -> None:
            """In the place of what was kept."""
            state.clear()
            state.update(server=self._shown, known=known)

        try:
            self._kept.change(put)
        except StoreFault as error:
            self._say_once(f"what the server says could not be kept: {error.message}")

    def _read_kept(self) -> Known | None:
        """What this server said last, to any process of this store."""
        try:
            state = self._kept.read()
            if state.get("server") != self._shown:
                return None
            return known_from(msgspec.json.encode(state["known"]))
        except (StoreFault, BadInput, KeyError) as error:
            self._say_once(f"what the server said last cannot be read: {error}")
            return None
