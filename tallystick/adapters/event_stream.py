"""The live stream of a server, read so that a broken connection loses nothing and tells nothing twice.

Each event carries the store's cursor. After a break, or when not even a heartbeat has come for a while, the stream is
asked for anew from the last cursor that was seen; what was seen already is left out.

Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from tallystick.model.errors import BadInput, ConfigError, NotSignedIn, UnknownThing, Unreachable

SILENT_S: Final = 45.0  # three heartbeats
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_LONGEST: Final = 1_048_576  # bytes of a line; a server of ours sends some hundred
_MOST: Final = 256 * 1_048_576  # bytes of an answer


@dataclass(frozen=True, slots=True)
class Told:
    """One event: ``change`` (with the run), ``cursor`` (where the store stands) or ``resync`` (some were left out)."""

    event: str
    cursor: int
    run: str = ""


class ServerReader:
    """A server's stream and the read model behind it; not safe to use from several threads."""

    def __init__(
        self, server: str, *, token: str | None, silent_s: float = SILENT_S,
        say: Callable[[str], None] = lambda _: None, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        """``server``: http(s)://host[:port][/prefix]. Raises ConfigError for anything else."""
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{server!r} is not a server address", hint="for example http://127.0.0.1:4777")
        self._parts = parts
        self._token = token
        self._silent_s = silent_s
        self._say = say
        self._sleep = sleep

    def events(self, since: int | None = None, *, run: str | None = None) -> Iterator[Told]:
        """Events for ever, from now or after a cursor, of all runs or of one (an id, or what only it begins with).

        Raises NotSignedIn, and UnknownThing where there is no such run; a server that is away is waited for.
        """
        last, failures = since, 0
        while True:
            try:
                for told in self._connected(last, run):
                    failures = 0
                    if told.event == "change" and last is not None and told.cursor <= last:
                        continue
                    last = told.cursor
                    yield told
                why = "ended"
            except (OSError, http.client.HTTPException, Unreachable) as error:
                why = f"broke: {type(error).__name__}"
            if not failures:
                self._say(f"the connection {why}; connecting anew")
            self._sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    def _connected(self, after: int | None, run: str | None) -> Iterator[Told]:
        connection = self._connect(self._silent_s)
        try:
            more = {} if after is None else {"last-event-id": str(after)}
            of = "" if run is None else f"?run={quote(run, safe='')}"
            connection.request("GET", f"{self._prefix}/events{of}", headers=self._headers(more))
            response = connection.getresponse()
            if response.status == 404 and run is not None:
                raise UnknownThing(
                    f"the server has no run {run[:80]!r}, or several", hint="tally runs ls shows ids"
                )
            _check(response.status)
            event, data = "", b""
            while line := response.readline(_LONGEST):
                line = line.rstrip(b"\r\n")
                if not line:
                    told = _told(event, data)
                    if told is not None:
                        yield told
                    event, data = "", b""
                elif line.startswith(b"event:"):
                    event = line[6:].strip().decode("utf-8", "replace")
                elif line.startswith(b"data:"):
                    data += line[5:].strip()
        finally:
            connection.close()

    def runs(self, query: str = "", *, limit: int = 50) -> Mapping[str, Any]:
        """As ``app.reading.read.Reader.runs``."""
        return self._ask(f"/api/runs?limit={limit}&q={quote(query)}")

    def skeleton(self, run: str) -> Mapping[str, Any]:
        """As ``app.reading.read.Reader.skeleton``."""
        return self._ask(f"/api/runs/{quote(run, safe='')}/skeleton")

    def _ask(self, path: str) -> Mapping[str, Any]:
        """One answer; a server that goes away in between is waited for."""
        for pause in (*_PAUSES, 5.0, 5.0, 5.0, None):
            connection = self._connect(30.0)
            try:
                connection.request("GET", self._prefix + path, headers=self._headers({}))
                response = connection.getresponse()
                body = response.read(_MOST)
                _check(response.status)
                return dict(msgspec.json.decode(body))
            except (OSError, http.client.HTTPException, Unreachable) as error:
                if pause is None:
                    raise Unreachable(
                        f"no answer from {self._shown} ({type(error).__name__})", hint="is the server up?"
                    ) from error
                self._sleep(pause)
            finally:
                connection.close()
        raise AssertionError("the last pause raises")

    @property
    def _prefix(self) -> str:
        return self._parts.path.rstrip("/")

    @property
    def _shown(self) -> str:
        return f"{self._parts.scheme}://{self._parts.netloc.rsplit('@', 1)[-1]}"

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        own = {"user-agent": "tallystick", "accept": "*/*", **more}
        return own if self._token is None else {**own, "authorization": f"Bearer {self._token}"}

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        return http.client.HTTPConnection(host, port, timeout=timeout)


def _check(status: int) -> None:
    if status in (401, 403):
        raise NotSignedIn(f"the server wants a token (HTTP {status})", hint="set TALLYSTICK_TOKEN")
    if status == 400:
        raise BadInput(
            "the server cannot read the query", hint="tally runs ls QUERY says what is wrong with it"
        )
    if status != 200:
        raise Unreachable(f"the server answered HTTP {status}")


def _told(event: str, data: bytes) -> Told | None:
    try:
        found = msgspec.json.decode(data) if data else None
    except msgspec.MsgspecError:
        return None
    if not isinstance(found, dict) or type(found.get("cursor")) is not int:
        return None
    run = found.get("run")
    return Told(event, found["cursor"], run if isinstance(run, str) else "")
