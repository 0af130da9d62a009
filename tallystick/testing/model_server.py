"""A model server that says what a script tells it to, and is real in everything else.

It listens on a loopback port and speaks OpenAI's Chat Completions: plain and streamed answers, tool calls, usage,
finish reasons, ``/v1/models``, errors and delays. Point any OpenAI-compatible client at ``server.url``:

    with ModelServer([Say("hello")]) as server:
        client = OpenAI(base_url=server.url, api_key="none")

Only the words are scripted. Requests are parsed, output limits are obeyed, tokens are counted from what was sent.
A request that the script has no answer for gets a 400 that names what was asked.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tallystick.testing.completions import Answer
from tallystick.testing.turns import Ask, Fail, Playbook, Say, Script, ScriptError

_MAX_BODY = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Served:
    """One request and what it got. ``usage`` is the usage object that was counted (None for an error)."""

    ask: Ask
    status: int
    answer: str | None  # id of the response
    usage: Mapping[str, Any] | None


class ModelServer:
    """Serves a script until it is closed; a context manager. Thread-safe.

    ``models``: the names that exist; a request for another gets a 404 as from the real service (None: any name).
    """

    def __init__(self, script: Script, *, models: Iterable[str] | None = None) -> None:
        self._playbook = Playbook(script)
        self._models = tuple(models) if models is not None else None
        self._lock = threading.Lock()
        self._served: list[Served] = []
        self._attempts: dict[str, int] = {}
        self._answers = 0
        self._token = secrets.token_hex(4)  # keeps response ids of two servers apart
        self.closing = threading.Event()
        self._http = _Http(("127.0.0.1", 0), _Handler, self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="scripted-model", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The base URL for a client, ``http://127.0.0.1:PORT/v1``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def served(self) -> list[Served]:
        """Every Chat Completions request so far, in order of arrival."""
        with self._lock:
            return list(self._served)

    @property
    def models(self) -> tuple[str, ...]:
        """The names that ``/v1/models`` lists."""
        if self._models is not None:
            return self._models
        return tuple(sorted({item.ask.model for item in self.served}))

    def close(self) -> None:
        """Stop listening, break what is open and wait for the handlers. Closing twice is allowed."""
        if self.closing.is_set():
            return
        self.closing.set()
        self._http.shutdown()
        self._http.drop_connections()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> ModelServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def decide(self, ask: Ask) -> tuple[Answer, Say] | Fail:
        """The answer to one request; counts it. Raises ScriptError."""
        with self._lock:
            if self._models is not None and ask.model not in self._models:
                turn: Say | Fail = Fail(404, f"The model '{ask.model}' does not exist", times=0)
            else:
                turn = self._playbook.turn(ask)
            if isinstance(turn, Fail):
                key = json.dumps(dict(ask.body), sort_keys=True)
                self._attempts[key] = self._attempts.get(key, 0) + 1
                if turn.then is None or self._attempts[key] <= turn.times:
                    self._served.append(Served(ask, turn.status, None, None))
                    return turn
                turn = turn.then
            self._answers += 1
            answer = Answer(ask, turn, number=self._answers, created=int(time.time()), token=self._token)
            self._served.append(Served(ask, 200, answer.id, answer.usage()))
            return answer, turn


class _Http(ThreadingHTTPServer):
    """Keeps its connections, so that closing does not wait for a client that keeps one open."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], owner: ModelServer
    ) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was first

    def handle_error(self, request: Any, client_address: Any) -> None:
        gone = isinstance(sys.exception(), ConnectionError)
        if not gone and not self.owner.closing.is_set():
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        if self.path.split("?")[0] != "/v1/models":
            self._refuse(404, f"GET {self.path[:200]} is not served; this server has GET /v1/models")
            return
        models = [
            {"id": name, "object": "model", "created": 0, "owned_by": "script"}
            for name in self.server.owner.models
        ]
        self._send(200, json.dumps({"object": "list", "data": models}).encode())

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        if self.path.split("?")[0] != "/v1/chat/completions":
            self._refuse(
                404, f"POST {self.path[:200]} is not served; this server has POST /v1/chat/completions"
            )
            return
        try:
            ask = _read(body)
            decided = self.server.owner.decide(ask)
        except ScriptError as error:
            self._refuse(400, str(error))
            return
        delay = decided.delay if isinstance(decided, Fail) else decided[1].delay
        if delay and self.server.owner.closing.wait(delay):
            self.close_connection = True
            return
        if isinstance(decided, Fail):
            self._fail(decided)
        elif ask.stream:
            self._stream(ask, *decided)
        else:
            self._send(200, json.dumps(decided[0].whole()).encode())

    def _body(self) -> bytes | None:
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > _MAX_BODY:
            self.close_connection = True
            self._refuse(411 if not length.isdigit() else 413, "send a body of known length, at most 32 MB")
            return None
        return self.rfile.read(int(length))

    def _fail(self, fail: Fail) -> None:
        headers = {}
        if fail.retry_after is not None:
            headers = {
                "retry-after": f"{fail.retry_after:g}",
                "retry-after-ms": f"{fail.retry_after * 1000:.0f}",
            }
        if fail.raw is not None:
            self._send(fail.status, fail.raw, headers)
        else:
            self._refuse(fail.status, fail.message, headers)

    def _stream(self, ask: Ask, answer: Answer, say: Say) -> None:
        options = ask.body.get("stream_options")
        include = isinstance(options, Mapping) and options.get("include_usage") is True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for index, chunk in enumerate(answer.chunks(include_usage=include)):
            if say.cut is not None and index >= say.cut:
                self.close_connection = True  # no closing chunk: the client sees a broken stream
                return
            self._event(json.dumps(chunk).encode())
        self._event(b"[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: bytes) -> None:
        content = b"data: " + data + b"\n\n"
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))

    def _refuse(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        kind = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}.get(
            status, "server_error" if status >= 500 else "invalid_request_error"
        )
        body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
        self._send(status, json.dumps(body).encode(), headers)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a test kit does not write to its user's stderr."""


def _read(body: bytes) -> Ask:
    """Read a request body. Raises ScriptError naming what is wrong with it."""
    try:
        data = json.loads(body)
    except ValueError as error:
        raise ScriptError(f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ScriptError("the body is not a JSON object")
    model, messages = data.get("model"), data.get("messages")
    if not isinstance(model, str) or not model:
        raise ScriptError("'model' is missing")
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise ScriptError("'messages' must be a list of at least one object")
    if data.get("n", 1) not in (1, None):
        raise ScriptError(f"n={data['n']} was asked for; a script gives one choice")
    tools = [
        str((tool.get("function") or {}).get("name"))
        for tool in data.get("tools") or ()
        if isinstance(tool, dict)
    ]
    _check_history(messages)
    return Ask(model, messages, tools, data.get("stream") is True, data)


def _check_history(messages: list[dict[str, Any]]) -> None:
    """Refuse what the real service refuses: a tool result nobody asked for, or a tool call nobody answered."""
    waiting: set[str] = set()
    for position, message in enumerate(messages):
        role = message.get("role")
        if role == "tool":
            identity = message.get("tool_call_id")
            if identity not in waiting:
                raise ScriptError(
                    f"messages[{position}] answers tool call {identity!r}, which no message before it made"
                )
            waiting.discard(str(identity))
            continue
        if waiting:
            raise ScriptError(
                f"tool calls without a result before messages[{position}]: {', '.join(sorted(waiting))}"
            )
        if role not in ("system", "developer", "user", "assistant"):
            raise ScriptError(f"messages[{position}] has the unknown role {role!r}")
        waiting = {str(call.get("id")) for call in message.get("tool_calls") or ()}
    if waiting:
        raise ScriptError(f"tool calls without a result at the end: {', '.join(sorted(waiting))}")
