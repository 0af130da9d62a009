"""What a scripted model says: turns, and the question each one answers.

A script is one of three things:

* a list of turns, given out in the order in which requests arrive;
* a mapping from a phrase of the system message to a list of turns. The model then has no memory, as a real one has
  none: which turn comes next is the number of assistant messages already in the request;
* a function from the question to a turn.

Wherever a turn may stand, a function from the question to a turn may stand too, so that an answer can quote what a
tool really returned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias


class ScriptError(Exception):
    """The script has nothing to say to a request. The client reads it as a 400 that names what was asked."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call the model asks for. ``arguments`` is written as JSON; a string is sent as it is (broken JSON too)."""

    tool: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)

    def text(self) -> str:
        """The arguments as the text that goes over the wire."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(dict(self.arguments))


@dataclass(frozen=True, slots=True)
class Say:
    """A turn that answers: text, tool calls, or both.

    ``cached`` tokens of the prompt and ``reasoning`` tokens beside the text go into the usage details. ``delay`` is in
    seconds, before the first byte. ``finish`` overrides the finish reason, ``usage=False`` leaves usage out (as some
    servers do), ``cut`` breaks a stream off after that many chunks.
    """

    text: str = ""
    calls: Sequence[Call] = ()
    cached: int = 0
    reasoning: int = 0
    delay: float = 0.0
    finish: str | None = None
    usage: bool = True
    cut: int | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """A turn that fails: an error status, or with ``raw`` a body that no client can read.

    The first ``times`` attempts at the same request fail, then ``then`` answers; without ``then`` every attempt fails.
    ``retry_after`` is in seconds.
    """

    status: int = 500
    message: str = "the model is out of order"
    retry_after: float | None = None
    raw: bytes | None = None
    times: int = 1
    then: Say | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as the script sees it."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[str]
    stream: bool
    body: Mapping[str, Any]

    @property
    def system(self) -> str:
        """The system (or developer) messages as one text."""
        return "\n".join(
            text_of(item) for item in self.messages if item.get("role") in ("system", "developer")
        )

    @property
    def user(self) -> str:
        """The first user message."""
        return next((text_of(item) for item in self.messages if item.get("role") == "user"), "")

    @property
    def said(self) -> int:
        """How many assistant messages the history holds already."""
        return sum(1 for item in self.messages if item.get("role") == "assistant")

    @property
    def results(self) -> list[str]:
        """What the tools returned so far, oldest first."""
        return [text_of(item) for item in self.messages if item.get("role") == "tool"]


Turn: TypeAlias = Say | Fail | Callable[[Ask], "Say | Fail"]
Script: TypeAlias = Sequence[Turn] | Mapping[str, Sequence[Turn]] | Callable[[Ask], Say | Fail]


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message whose content is a string, a list of parts, or absent."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return ""


class Playbook:
    """Finds the turn that answers a request. ``arrived`` counts requests, for scripts that go by order."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._next = 0

    def turn(self, ask: Ask) -> Say | Fail:
        """The turn for this request; the caller holds the server's lock. Raises ScriptError when there is none."""
        found: Turn
        if callable(self._script):
            found = self._script
        elif isinstance(self._script, Mapping):
            found = _by_system(self._script, ask)
        else:
            if self._next >= len(self._script):
                raise ScriptError(
                    f"the script has {len(self._script)} turns and all are given out; {_asked(ask)}"
                )
            found = self._script[self._next]
            self._next += 1
        return found(ask) if callable(found) else found


def _by_system(script: Mapping[str, Sequence[Turn]], ask: Ask) -> Turn:
    keys = [key for key in script if key in ask.system]
    if not keys:
        raise ScriptError(
            f"no key of the script ({', '.join(map(repr, script))}) is in the system message; {_asked(ask)}"
        )
    key = max(keys, key=len)
    turns = script[key]
    if ask.said >= len(turns):
        raise ScriptError(
            f"{key!r} has {len(turns)} turns and turn {ask.said + 1} was asked for; {_asked(ask)}"
        )
    return turns[ask.said]


def _asked(ask: Ask) -> str:
    last = ask.messages[-1] if ask.messages else {}
    words = f"last message ({last.get('role')}) {text_of(last)[:120]!r}"
    return f"asked: model {ask.model!r}, system {ask.system[:80]!r}, {words}"
