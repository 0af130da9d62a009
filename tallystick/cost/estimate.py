"""The most a model call can use: an upper bound of its input, and the output it may ask for.

Nobody can count a provider's tokens without its tokeniser, so the bound is made from the request's bytes: an
ordinary English word is at least two bytes a token in every current byte-level vocabulary, anything else may be
one token a byte. What has no bound (a file by reference, a conversation kept by the provider) says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_WORD: Final = re.compile(rb" ?(?<![A-Za-z0-9+/_])[A-Za-z]{2,15}(?![A-Za-z0-9+/_])")
_PER_MESSAGE: Final = 8  # role, separators
_PER_CALL: Final = 32
_IMAGE: Final = 5_000
_IMAGE_OF_MINI: Final = 50_000  # small models count a picture at many times its tokens
_DEPTH: Final = 64

# What the request says, but the model never reads.
_NOT_READ: Final = frozenset({
    "model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "temperature",
    "top_p", "seed", "user", "metadata", "timeout", "extra_headers", "extra_query", "service_tier", "store",
})  # fmt: skip
_CAPS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_KEPT_ELSEWHERE: Final = ("previous_response_id", "conversation", "prompt", "cached_content", "container")
_PICTURES: Final = frozenset({"image", "image_url", "input_image"})
_UNBOUNDED_PARTS: Final = frozenset(
    {"file", "input_file", "document", "input_audio", "audio", "video", "container_upload"}
)


@dataclass(frozen=True, slots=True)
class Bound:
    """The most a call can use. ``input_tokens`` None: it has no bound, and ``why`` says what has none.

    ``cap`` is the output cap that the caller set (None: none), ``answers`` how many answers were asked for.
    """

    input_tokens: int | None
    cap: int | None
    answers: int = 1
    why: str | None = None


def bound(request: Mapping[str, Any]) -> Bound:
    """The bound of a request of any of the usual chat APIs (Chat Completions, Responses, Messages, generateContent)."""
    cap = next((value for name in _CAPS if (value := _whole(request.get(name))) is not None), None)
    for name in ("config", "generation_config", "generationConfig"):
        if cap is None and isinstance(request.get(name), Mapping):
            inner = request[name]
            cap = _whole(inner.get("max_output_tokens", inner.get("maxOutputTokens")))
    answers = max(_whole(request.get("n")) or 1, 1)
    for name in _KEPT_ELSEWHERE:
        if request.get(name) and not (name == "prompt" and isinstance(request[name], str | list)):
            return Bound(None, cap, answers, f"{name} refers to content that is not in the request")
    mini = "mini" in str(request.get("model", "")).lower()
    tally = _Tally(_IMAGE_OF_MINI if mini else _IMAGE)
    for name, value in request.items():
        if name not in _NOT_READ:
            tally.add(value, 0)
    if tally.unbounded is not None:
        return Bound(None, cap, answers, f"a part of type {tally.unbounded} has no known size in tokens")
    return Bound(tally.tokens + _PER_CALL, cap, answers)


def text_bound(text: str | bytes) -> int:
    """The most tokens a text can be."""
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    saved = sum(len(word) - (len(word.lstrip()) + 1) // 2 for word in _WORD.findall(content))
    return len(content) - saved


class _Tally:
    """Adds up what a request's values can come to."""

    def __init__(self, picture: int) -> None:
        self.tokens = 0
        self.unbounded: str | None = None
        self._picture = picture

    def add(self, value: Any, depth: int) -> None:
        """Count one value and all in it."""
        if value is None or depth > _DEPTH:
            if depth > _DEPTH:
                self.unbounded = "nested too deep"
            return
        if isinstance(value, str | bytes):
            self.tokens += text_bound(value)
        elif isinstance(value, Mapping):
            self._add_mapping(value, depth)
        elif isinstance(value, list | tuple):
            for item in value:
                self.add(item, depth + 1)
        elif isinstance(value, bool | int | float):
            self.tokens += len(repr(value))
        else:
            self._add_object(value, depth)

    def _add_mapping(self, value: Mapping[Any, Any], depth: int) -> None:
        kind = value.get("type")
        if isinstance(kind, str) and kind in _PICTURES:
            self.tokens += self._picture
            return
        if isinstance(kind, str) and kind in _UNBOUNDED_PARTS:
            self.unbounded = kind
            return
        if "role" in value:
            self.tokens += _PER_MESSAGE
        for key, item in value.items():
            self.tokens += text_bound(str(key)) + 2
            self.add(item, depth + 1)

    def _add_object(self, value: Any, depth: int) -> None:
        """A client's own object (a message given back as it came): its JSON-like content, else it has no bound."""
        dump = getattr(value, "model_dump", None)
        if callable(dump):
            self.add(dump(exclude_none=True), depth + 1)
            return
        self.unbounded = type(value).__name__


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
