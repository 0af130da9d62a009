"""Turns as Chat Completions: the response object, the stream's chunks, and the usage.

Shapes follow OpenAI's API reference for ``/v1/chat/completions``. Tokens are counted from the text that really went
over the wire, four characters to a token, rounded up: coarse, but the same on every machine and every day.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tallystick.testing.turns import Ask, Call, Say, text_of

CHARACTERS_PER_TOKEN = 4
_MESSAGE_TOKENS = 3  # role and separators of one message
_PIECE = 12  # characters in one chunk of a stream


def tokens(text: str) -> int:
    """Tokens of a text: characters divided by four, rounded up; empty text has none."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def prompt_tokens(ask: Ask) -> int:
    """Tokens of a request: its messages with their tool calls, and its tool definitions."""
    total = 0
    for message in ask.messages:
        total += _MESSAGE_TOKENS + tokens(text_of(message))
        for call in message.get("tool_calls") or ():
            function = call.get("function") or {}
            total += tokens(str(function.get("name", "")) + str(function.get("arguments", "")))
    definitions = ask.body.get("tools")
    return total + (tokens(json.dumps(definitions, sort_keys=True)) if definitions else 0)


class Answer:
    """One turn made concrete for one request: cut to the request's output limit, counted, and with ids of its own."""

    def __init__(self, ask: Ask, say: Say, *, number: int, created: int, token: str) -> None:
        self.id = f"chatcmpl-{token}{number:06}"
        self._ask = ask
        self._created = created
        fitted = _fitted(say, _limit(ask.body))
        self.text = fitted.text
        self.calls = [(f"call_{token}{number:06}{index}", call) for index, call in enumerate(fitted.calls)]
        self.finish = say.finish or ("length" if fitted.cut else "tool_calls" if fitted.calls else "stop")
        self._counts_usage = say.usage
        self._cached = min(say.cached, prompt_tokens(ask))
        self._reasoning = fitted.reasoning

    def usage(self) -> dict[str, Any] | None:
        """The usage object, or None where the turn leaves it out."""
        if not self._counts_usage:
            return None
        prompt = prompt_tokens(self._ask)
        completion = self._reasoning + tokens(self.text) + sum(_call_tokens(call) for _, call in self.calls)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": self._cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self._reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def whole(self) -> dict[str, Any]:
        """The response of a request that does not stream."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, "refusal": None}
        if self.calls:
            message["tool_calls"] = [_call_json(identity, call) for identity, call in self.calls]
        body = self._head("chat.completion")
        body["choices"] = [{"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish}]
        usage = self.usage()
        if usage is not None:
            body["usage"] = usage
        return body

    def chunks(self, *, include_usage: bool) -> Iterator[dict[str, Any]]:
        """The chunks of a stream. With ``include_usage`` the last one carries usage and no choices."""
        yield self._chunk(
            {"role": "assistant", "content": "" if self.text else None, "refusal": None}, include_usage
        )
        for piece in _pieces(self.text):
            yield self._chunk({"content": piece}, include_usage)
        for index, (identity, call) in enumerate(self.calls):
            opening = {
                "index": index,
                **_call_json(identity, call),
                "function": {"name": call.tool, "arguments": ""},
            }
            yield self._chunk({"tool_calls": [opening]}, include_usage)
            for piece in _pieces(call.text()):
                yield self._chunk(
                    {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, include_usage
                )
        yield self._chunk({}, include_usage, finish=self.finish)
        usage = self.usage()
        if include_usage and usage is not None:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": usage}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self._created,
            "model": self._ask.model,
            "service_tier": "default",
            "system_fingerprint": "fp_scripted",
        }

    def _chunk(
        self, delta: Mapping[str, Any], include_usage: bool, finish: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": finish}
        body = {**self._head("chat.completion.chunk"), "choices": [choice]}
        if include_usage:
            body["usage"] = None
        return body


def _limit(body: Mapping[str, Any]) -> int | None:
    limits = [body[key] for key in ("max_completion_tokens", "max_tokens") if isinstance(body.get(key), int)]
    return min(limits) if limits else None


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A turn within the request's output limit."""

    text: str
    calls: list[Call]
    reasoning: int
    cut: bool


def _fitted(say: Say, limit: int | None) -> _Fitted:
    """Cut a turn to the output limit, as a provider does it: in the middle of a word or of an argument.

    Reasoning is spent first. What is left never costs more than the limit.
    """
    if limit is None:
        return _Fitted(say.text, list(say.calls), say.reasoning, False)
    if say.reasoning > limit:
        return _Fitted("", [], limit, True)
    left = limit - say.reasoning
    if tokens(say.text) > left:
        return _Fitted(say.text[: left * CHARACTERS_PER_TOKEN], [], say.reasoning, True)
    left -= tokens(say.text)
    kept: list[Call] = []
    for call in say.calls:
        if _call_tokens(call) > left:
            room = left * CHARACTERS_PER_TOKEN - len(call.tool)
            if room > 0:
                kept.append(Call(call.tool, call.text()[:room]))
            return _Fitted(say.text, kept, say.reasoning, True)
        left -= _call_tokens(call)
        kept.append(call)
    return _Fitted(say.text, kept, say.reasoning, False)


def _call_tokens(call: Call) -> int:
    return tokens(call.tool + call.text())


def _call_json(identity: str, call: Call) -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": call.tool, "arguments": call.text()}}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]
