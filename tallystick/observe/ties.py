"""What a span says by which its trace may be tied to another of the same process, where no id joins the two.

Three things are said. An MCP server inside the agent's process makes a trace of its own of every request, with a
counter of its session. A provider's instrumentor makes one of every model call, and the next call's history holds what
this one was asked and answered. Some frameworks make one where an agent is defined, and nothing runs there. What comes
of it is decided in ``tying.py``; a key holds a digest of process and content, so that the content is not stored again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from tallystick.model.span import Span
from tallystick.model.step import Kind, Step
from tallystick.model.tie import CREATED, GIVES, GUEST, HOST, INVOKED, TAKES, Tie
from tallystick.observe.messages import Message
from tallystick.observe.values import clean_text

_MCP: Final = "mcp"
_METHOD: Final = "mcp.method.name"
_SESSION: Final = "mcp.session.id"
_REQUEST: Final = "jsonrpc.request.id"
_DEFINING: Final = "create_agent"
_COUNTER: Final = 2**31
# What names one process, the first set that is there whole; the service's name belongs to each.
_PROCESS: Final = (("service.instance.id",), ("host.id", "process.pid"), ("host.name", "process.pid"))
_SERVICE: Final = ("service.namespace", "service.name")
_SILENT: Final = ("system", "developer")  # said anew in each call, often with the hour in it
_UNSENT: Final = "reasoning"  # of an answer, this is not sent back

Digests = tuple[bytes | None, bytes | None]


def ties_of(
    step: Step, span: Span, operation: str | None, exchange: Digests = (None, None)
) -> tuple[Tie, ...]:
    """The ties of a step that has ended and was recorded. ``exchange``: see ``exchange_of``."""
    process = _process_of(span.source.resource)
    if process is None or step.ended is None:
        return ()
    found: list[Tie] = []
    at, until, trace = step.started, step.ended, step.trace
    if step.kind is Kind.AGENT and step.agent is not None:
        found.append(Tie(_key(process, "agent", step.agent), INVOKED, at, until, trace))
    if step.parent is not None:
        return tuple(found)
    if step.dialect == _MCP:
        if step.run is None:
            found.append(Tie(_key(process, _MCP), GUEST, at, until, trace))
            found += _counted(process, span, at, until)
    elif operation == _DEFINING and step.agent is not None:
        if step.run is None:
            found.append(Tie(_key(process, "agent", step.agent), CREATED, at, until, trace))
    elif step.kind is not Kind.MODEL:
        found.append(Tie(_key(process, _MCP), HOST, at, until, trace))
    elif step.run is None:
        before, after = exchange
        if before is not None:
            ended = -1 if after is None else until
            found.append(Tie(_key(process, "said", before.hex()), TAKES, at, ended, trace))
        if after is not None:
            found.append(Tie(_key(process, "said", after.hex()), GIVES, until, -1, trace))
    return tuple(found)


def exchange_of(history: Sequence[Message], answer: Sequence[Message]) -> Digests:
    """Digests of a conversation up to the last answer in a call's history, and up to the call's own answer.

    None where there is no such answer. The next call's first digest is this call's second one, whatever ids the
    messages carry: ids, system instructions and reasoning are left out.
    """
    running = sha256()
    before: bytes | None = None
    for message in history:
        if message["role"] in _SILENT:
            continue
        if message["role"] != "assistant":
            _hear(running, message)
        elif _hear(running, message):
            before = running.digest()
    said = [message for message in answer if message["role"] == "assistant"]
    heard = [_hear(running, message) for message in said]
    return before, running.digest() if any(heard) else None


def _hear(running: Any, message: Message) -> bool:
    """Take a message into a digest; whether it said anything."""
    heard = False
    for part in message["parts"]:
        told = _told(part)
        if told is None:
            continue
        try:
            text = json.dumps([message["role"], told], sort_keys=True, default=repr)
        except (TypeError, ValueError, RecursionError):  # keys of several types, a ring, a deep hole
            text = "what has no JSON"
        running.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
        heard = True
    return heard


def _told(part: Mapping[str, Any]) -> Any:
    kind = part.get("type")
    if kind == "text":
        content = part.get("content")
        return content.strip() or None if isinstance(content, str) else content
    if kind == "tool_call":
        return [part.get("name"), part.get("arguments")]
    if kind == "tool_call_response":
        return [part.get("response")]
    return None if kind == _UNSENT else {name: value for name, value in part.items() if name != "id"}


def _counted(process: Any, span: Span, at: int, until: int) -> Iterator[Tie]:
    """Requests of one session count from its opening on: each takes up the number before its own."""
    method, session = span.attributes.get(_METHOD), clean_text(span.attributes.get(_SESSION)) or ""
    opened = _key(process, "mcp opened", session)
    if method == "notifications/initialized":
        yield Tie(opened, TAKES, at, until, span.trace)
        return
    number = _number(span.attributes.get(_REQUEST))
    if number is None:
        return
    yield Tie(_key(process, "mcp counter", session, str(number)), GIVES, at, until, span.trace)
    if method == "initialize":
        yield Tie(opened, GIVES, at, -1, span.trace)
    elif number > 0:
        yield Tie(_key(process, "mcp counter", session, str(number - 1)), TAKES, at, until, span.trace)


def _number(value: Any) -> int | None:
    if isinstance(value, str) and len(value) <= 10 and value.isascii() and value.isdigit():
        value = int(value)
    return value if type(value) is int and 0 <= value < _COUNTER else None


def _process_of(resource: Mapping[str, Any]) -> Any:
    """A digest begun with the sender's process; None where the resource does not name one."""
    for names in _PROCESS:
        values = tuple([resource.get(name) for name in names])
        if all(type(value) in (str, int) and value != "" for value in values):
            about = [resource.get(name) for name in _SERVICE]
            return _begun(names, values, tuple([one if type(one) is str else "" for one in about]))
    return None


@lru_cache(maxsize=512)
def _begun(*values: tuple[Any, ...]) -> Any:
    return sha256(repr(values).encode("utf-8", "surrogatepass"))


def _key(process: Any, *values: str) -> int:
    digest = process.copy()
    for value in values:
        raw = value.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw) + raw)
    return int.from_bytes(digest.digest()[:8], "big", signed=True)
