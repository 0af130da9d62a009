"""A server's JSON API, asked with a token: answers as JSON has them, and the server's errors as if they were our own.

What a server says is somebody else's text: bounded here, and escaped by whoever shows it.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from tallystick.model.errors import (
    AnswerIsNo,
    BadInput,
    ConfigError,
    Denied,
    Fault,
    NotSignedIn,
    TallystickError,
    Unreachable,
)

_TIMEOUT_S: Final = 30.0
_MOST: Final = 16 * 1_048_576
_LONGEST: Final = 2_000
_BY_STATUS: Final[Mapping[int, type[TallystickError]]] = {401: NotSignedIn, 403: Denied, 429: NotSignedIn}


def _kinds(root: type[TallystickError]) -> Iterator[type[TallystickError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)


class ServerDoor:
    """One server. ``server``: http(s)://host[:port][/prefix]; raises ConfigError for anything else."""

    def __init__(self, server: str, *, token: str | None) -> None:
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{server!r} is not a server address", hint="for example http://127.0.0.1:4777")
        self._parts = parts
        self._token = token

    def get(self, path: str) -> dict[str, Any]:
        """One answer. Raises what the server says went wrong, and Unreachable."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One change and its answer. Raises what the server says went wrong, and Unreachable."""
        return self._ask("POST", path, msgspec.json.encode(body))

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"user-agent": "tallystick", "accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        connection = self._connect()
        try:
            connection.request(method, self._parts.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            status, answer = response.status, response.read(_MOST + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(
                f"no answer from {self._shown} ({type(error).__name__})", hint="is the server up?"
            ) from error
        finally:
            connection.close()
        return _read(status, answer)

    @property
    def _shown(self) -> str:
        return f"{self._parts.scheme}://{self._parts.netloc.rsplit('@', 1)[-1]}"

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)


def _read(status: int, body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body) if len(body) <= _MOST else None
    except (msgspec.MsgspecError, RecursionError):
        found = None
    if 200 <= status < 300 and isinstance(found, dict):
        return found
    if status < 400:
        raise Unreachable(
            f"the server's answer cannot be read (HTTP {status})", hint="is it a Tallystick server?"
        )
    raise _error(status, found)


def _error(status: int, found: Any) -> TallystickError:
    """The error that a server tells of; its code, else the status, says which kind it is."""
    told = found.get("error") if isinstance(found, dict) else None
    told = told if isinstance(told, dict) else {}
    kinds = {kind.code: kind for kind in _kinds(TallystickError)}
    kind = _BY_STATUS.get(status) or kinds.get(str(told.get("code")))
    if kind is None:
        kind = Fault if status >= 500 else AnswerIsNo if status == 403 else BadInput
    message, hint = told.get("message"), told.get("hint")
    if not isinstance(message, str):
        message = f"the server answered HTTP {status}"
    if kind is NotSignedIn and not isinstance(hint, str):
        hint = "set TALLYSTICK_TOKEN to a token of your own"
    return kind(
        f"{message[:_LONGEST]} (said by the server)", hint=hint[:_LONGEST] if isinstance(hint, str) else None
    )
