"""Folds the chunks of a streamed model response into one response, and hands the chunks on unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Self

from tallystick.sdk.edge import edge
from tallystick.sdk.shapes import (
    Answered,
    content_parts,
    get,
    parsed,
    read_response,
    read_usage,
    text_of,
    whole,
)

_TEXT_MAX = 4_000_000


class Folder:
    """Collects chunks of Chat Completions, Responses events or Anthropic events, told apart by their shape."""

    def __init__(self) -> None:
        self._answer = Answered()
        self._texts: dict[int, list[str]] = {}
        self._calls: dict[tuple[int, int], dict[str, Any]] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._usage: dict[str, Any] = {}
        self._size = 0
        self._whole: Answered | None = None
        self.chunks = 0

    @edge("stream.fold", False)
    def add(self, chunk: Any) -> bool:
        """Take one chunk; True when it carries nothing but usage (a chunk nobody asked for may be swallowed)."""
        self.chunks += 1
        kind = text_of(get(chunk, "type"))
        if kind is not None and kind.startswith("response."):
            self._responses(kind, chunk)
        elif kind is not None and get(chunk, "choices") is None:
            self._anthropic(kind, chunk)
        else:
            return self._chat(chunk)
        return False

    def answered(self) -> Answered:
        """What was said until now."""
        if self._whole is not None:
            return self._whole
        answer = self._answer
        if self._usage:
            answer.usage = read_usage(self._usage)
        if self._blocks and not answer.messages:
            blocks = [self._block(block) for _, block in sorted(self._blocks.items())]
            answer.messages = [{"role": "assistant", "parts": content_parts(blocks)}]
        elif not answer.messages:
            answer.messages = self._chat_messages()
        return answer

    # -- Chat Completions ---------------------------------------------------------------------------------------

    def _chat(self, chunk: Any) -> bool:
        answer = self._answer
        answer.id = answer.id or text_of(get(chunk, "id"))
        answer.model = answer.model or text_of(get(chunk, "model"))
        usage = read_usage(get(chunk, "usage"))
        if usage is not None:
            answer.usage = usage
        choices = get(chunk, "choices", ())
        for choice in choices:
            self._choice(choice)
        return usage is not None and not choices

    def _choice(self, choice: Any) -> None:
        number = whole(get(choice, "index")) or 0
        reason = text_of(get(choice, "finish_reason"))
        if reason is not None:
            self._answer.finish.append(reason)
        delta = get(choice, "delta")
        if delta is None:
            return
        self._text(number, text_of(get(delta, "content")))
        for call in get(delta, "tool_calls", ()):
            known = self._calls.setdefault((number, whole(get(call, "index")) or 0), {"arguments": []})
            function = get(call, "function")
            known["id"] = known.get("id") or get(call, "id")
            known["name"] = known.get("name") or get(function, "name")
            known["arguments"].append(get(function, "arguments", ""))

    def _text(self, number: int, text: str | None) -> None:
        if text and self._size < _TEXT_MAX:
            self._size += len(text)
            self._texts.setdefault(number, []).append(text)

    def _chat_messages(self) -> list[dict[str, Any]]:
        numbers = sorted({*self._texts, *(number for number, _ in self._calls)})
        messages = []
        for number in numbers:
            parts: list[dict[str, Any]] = []
            if number in self._texts:
                parts.append({"type": "text", "content": "".join(self._texts[number])})
            for (choice, _), call in sorted(self._calls.items()):
                if choice == number:
                    given = parsed("".join(call["arguments"]))
                    parts.append(
                        {
                            "type": "tool_call",
                            "id": call.get("id"),
                            "name": call.get("name"),
                            "arguments": given,
                        }
                    )
            messages.append({"role": "assistant", "parts": parts})
        return messages

    # -- Responses ----------------------------------------------------------------------------------------------

    def _responses(self, kind: str, event: Any) -> None:
        response = get(event, "response")
        if kind in ("response.completed", "response.incomplete", "response.failed") and response is not None:
            self._whole = read_response(response)
        elif response is not None:
            self._answer.id = text_of(get(response, "id"))
            self._answer.model = text_of(get(response, "model"))
        elif kind == "response.output_text.delta":
            self._text(0, text_of(get(event, "delta")))

    # -- Anthropic ----------------------------------------------------------------------------------------------

    def _anthropic(self, kind: str, event: Any) -> None:
        if kind == "message_start":
            message = get(event, "message")
            self._answer.id, self._answer.model = text_of(get(message, "id")), text_of(get(message, "model"))
            self._take_usage(get(message, "usage"))
        elif kind == "content_block_start":
            block = get(event, "content_block")
            self._blocks[whole(get(event, "index")) or 0] = {
                "type": get(block, "type"), "id": get(block, "id"), "name": get(block, "name"), "pieces": [],
            }  # fmt: skip
        elif kind == "content_block_delta":
            block = self._blocks.get(whole(get(event, "index")) or 0)
            delta = get(event, "delta")
            piece = get(delta, "text", get(delta, "partial_json", get(delta, "thinking")))
            if block is not None and isinstance(piece, str) and self._size < _TEXT_MAX:
                self._size += len(piece)
                block["pieces"].append(piece)
        elif kind == "message_delta":
            reason = text_of(get(get(event, "delta"), "stop_reason"))
            if reason is not None:
                self._answer.finish.append(reason)
            self._take_usage(get(event, "usage"))

    def _take_usage(self, usage: Any) -> None:
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
        ):
            count = whole(get(usage, name)) if usage is not None else None
            if count is not None:
                self._usage[name] = count

    @staticmethod
    def _block(block: dict[str, Any]) -> dict[str, Any]:
        text = "".join(block["pieces"])
        if block["type"] == "tool_use":
            return {
                "type": "tool_use",
                "id": block["id"],
                "name": block["name"],
                "input": parsed(text or "{}"),
            }
        if block["type"] == "thinking":
            return {"type": "thinking", "thinking": text}
        return {"type": block["type"], "text": text}


Finish = Callable[[Answered, BaseException | None, bool], None]


class StreamBase:
    """What both kinds of stream share: fold, finish once, and behave like the stream underneath otherwise."""

    def __init__(self, stream: Any, finish: Finish, *, swallow_usage: bool) -> None:
        """``finish(answer, error, abandoned)`` is called once, at the end, an error, ``close`` or garbage."""
        self._stream = stream
        self._finish = finish
        self._folder = Folder()
        self._swallow = swallow_usage
        self._ended = False

    def _end(self, error: BaseException | None = None, *, abandoned: bool = False) -> None:
        if not self._ended:
            self._ended = True
            self._finish(self._folder.answered(), error, abandoned)

    def _hidden(self, chunk: Any) -> bool:
        return self._folder.add(chunk) and self._swallow

    def __getattr__(self, name: str) -> Any:
        if name.startswith(
            "_"
        ):  # never reached for a stream that was made whole; guards copying and unpickling
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __del__(self) -> None:
        self._let_go()

    @edge("stream.abandoned", None)
    def _let_go(self) -> None:
        self._end(abandoned=True)


class RecordedStream(StreamBase):
    """A stream of chunks, recorded while somebody iterates over it."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while True:
            try:
                chunk = next(self._stream)
            except StopIteration:
                self._end()
                raise
            except BaseException as error:
                self._end(error)
                raise
            if not self._hidden(chunk):
                return chunk

    def close(self) -> None:
        """Close the stream underneath and end the step."""
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()
        self._end(abandoned=True)

    def __enter__(self) -> Self:
        enter = getattr(self._stream, "__enter__", None)
        if enter is not None:
            enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leave = getattr(self._stream, "__exit__", None)
        if leave is not None:
            leave(kind, error, trace)
        self._end(error, abandoned=error is None)


class RecordedAsyncStream(StreamBase):
    """The same for ``async for``."""

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while True:
            try:
                chunk = await self._stream.__anext__()
            except StopAsyncIteration:
                self._end()
                raise
            except BaseException as error:
                self._end(error)
                raise
            if not self._hidden(chunk):
                return chunk

    async def close(self) -> None:
        """Close the stream underneath and end the step."""
        close = getattr(self._stream, "close", None) or getattr(self._stream, "aclose", None)
        if close is not None:
            await close()
        self._end(abandoned=True)

    async def __aenter__(self) -> Self:
        enter = getattr(self._stream, "__aenter__", None)
        if enter is not None:
            await enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leave = getattr(self._stream, "__aexit__", None)
        if leave is not None:
            await leave(kind, error, trace)
        self._end(error, abandoned=error is None)
