"""Model calls: recorded as they are, held and settled, streams included."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sdk_kit import Kit, Obeying, installed

from tallystick.model.errors import OverBudget, Stopped
from tallystick.model.usage import Usage
from tallystick.sdk.models import model_call, provider_of
from tallystick.sdk.running import run
from tallystick.sdk.runtime import Permit
from tallystick.sdk.shapes import read_response, read_usage
from tallystick.sdk.streams import Folder

CHAT = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"city":"Rome"}'}}
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 20, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 4},
    },
}  # fmt: skip
RESPONSES = {
    "id": "resp_1",
    "model": "gpt-5",
    "status": "completed",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]},
        {"type": "function_call", "call_id": "call_2", "name": "look", "arguments": "{}"},
    ],
    "usage": {
        "input_tokens": 5, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 1},
    },
}  # fmt: skip
ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"city": "Rome"}},
    ],
    "stop_reason": "tool_use",
    "usage": {
        "input_tokens": 10, "output_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 30
    },
}  # fmt: skip


def as_objects(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{key: as_objects(item) for key, item in value.items()})
    return [as_objects(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    with installed(tmp_path / "spool", guard=Obeying(), agent="desk") as made:
        yield made


@pytest.mark.parametrize("form", [lambda value: value, as_objects], ids=["mapping", "object"])
def test_the_three_shapes_are_read(form: Any) -> None:
    chat, responses, anthropic = (read_response(form(shape)) for shape in (CHAT, RESPONSES, ANTHROPIC))
    assert chat.usage == Usage(20, 9, 8, None, 4)
    assert chat.finish == ["tool_calls"]
    assert chat.messages[0]["parts"][0] == {"type": "text", "content": "Let me look."}
    call = chat.messages[0]["parts"][1]
    assert (call["type"], call["id"], call["name"]) == ("tool_call", "call_1", "look")
    assert call["arguments"] == {"city": "Rome"}
    assert responses.usage == Usage(5, 3, 0, None, 1)
    assert [part["type"] for part in responses.messages[0]["parts"]] == ["reasoning", "text", "tool_call"]
    assert responses.finish == ["stop"]
    assert anthropic.usage == Usage(140, 7, 100, 30, None)  # input includes what was cached
    assert [part["type"] for part in anthropic.messages[0]["parts"]] == ["reasoning", "text", "tool_call"]
    assert anthropic.finish == ["tool_use"]


def test_what_is_not_reported_is_unknown() -> None:
    assert read_usage(None) is None
    assert read_usage({}) is None
    assert read_usage({"prompt_tokens": 3}) == Usage(3, None, None, None, None)
    assert read_usage({"prompt_tokens": "3", "completion_tokens": -1}) is None
    assert read_response(object()).usage is None
    assert read_response("text").messages == []


def test_a_call_is_recorded_held_and_settled(kit: Kit) -> None:
    assert kit.guard is not None
    kit.guard.permit = lambda _call: Permit("hold_1", 500, 64)
    got: list[dict[str, Any]] = []

    def create(**request: Any) -> Any:
        got.append(request)
        return as_objects(CHAT)

    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "tool_calls": [{"id": "c0", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c0", "content": "sunny"},
    ]
    with run(workflow="w") as handle:
        answer = model_call(create, model="gpt-4o-mini", messages=messages, max_tokens=900, temperature=0.5)
    assert answer.id == "chatcmpl-1"
    assert got[0]["max_tokens"] == 64
    (asked,) = kit.guard.models
    assert (asked.run, asked.agent, asked.model) == (handle.id, "desk", "gpt-4o-mini")
    assert asked.request["max_tokens"] == 900
    ((permit, usage, model),) = kit.guard.settled
    assert (permit.hold, usage, model) == ("hold_1", Usage(20, 9, 8, None, 4), "gpt-4o-mini-2024-07-18")
    facts = kit.named("chat gpt-4o-mini").attributes
    assert facts["gen_ai.operation.name"] == "chat"
    assert facts["gen_ai.response.id"] == "chatcmpl-1"
    assert facts["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert facts["gen_ai.usage.input_tokens"] == 20
    assert facts["gen_ai.usage.cache_read.input_tokens"] == 8
    assert facts["gen_ai.usage.reasoning.output_tokens"] == 4
    assert "gen_ai.usage.cache_write.input_tokens" not in facts
    assert facts["gen_ai.request.max_tokens"] == 64
    assert facts["tallystick.budget.hold"] == "hold_1"
    sent = json.loads(facts["gen_ai.input.messages"])
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool"]
    assert sent[3]["parts"] == [{"type": "tool_call_response", "id": "c0", "response": "sunny"}]
    assert json.loads(facts["gen_ai.output.messages"])[0]["role"] == "assistant"


@pytest.mark.parametrize(
    "stop", [OverBudget("dear"), Stopped("loop", by="loop"), RuntimeError("guard is broken")]
)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_refused_call_is_never_made(kit: Kit, stop: Exception, way: str) -> None:
    assert kit.guard is not None

    def permit(_call: object) -> Permit:
        raise stop

    kit.guard.permit = permit
    made: list[int] = []

    def create(**_request: Any) -> Any:
        made.append(1)

    async def acreate(**_request: Any) -> Any:
        made.append(1)

    expected = Stopped if isinstance(stop, RuntimeError) else type(stop)

    def call() -> Any:
        if way == "sync":
            return model_call(create, model="m", messages=[])
        return asyncio.run(model_call(acreate, model="m", messages=[]))

    with pytest.raises(expected), run(workflow="w"):
        call()
    assert made == []
    assert kit.guard.settled == []
    assert kit.named("chat m").attributes["tallystick.stopped"]
    assert kit.named("run w").attributes["tallystick.run.status"] == "stopped"


def test_a_failed_call_is_settled_as_unknown_and_passed_through(kit: Kit) -> None:
    assert kit.guard is not None

    def create(**_request: Any) -> Any:
        raise TimeoutError("slow")

    with pytest.raises(TimeoutError):
        model_call(create, model="m", messages=[])
    assert [usage for _, usage, _ in kit.guard.settled] == [None]
    assert kit.named("chat m").attributes["error.type"] == "TimeoutError"
    assert "gen_ai.usage.input_tokens" not in kit.named("chat m").attributes


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"messages": []}, "max_tokens"), ({"input": "hi"}, "max_output_tokens"),
        ({"messages": [], "max_completion_tokens": 10}, "max_completion_tokens"),
    ],
)  # fmt: skip
def test_the_cap_goes_where_the_api_wants_it(kit: Kit, request_: dict[str, Any], name: str) -> None:
    assert kit.guard is not None
    kit.guard.permit = lambda _call: Permit("h", 1, 5)
    got: list[dict[str, Any]] = []
    model_call(lambda **request: got.append(request), model="m", **request_)
    assert got[0][name] == 5


def chunks(usage: bool) -> list[dict[str, Any]]:
    def chunk(**delta: Any) -> dict[str, Any]:
        finish = delta.pop("finish_reason", None)
        return {
            "id": "c1",
            "model": "m-1",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }

    made = [
        chunk(role="assistant", content="Hel"),
        chunk(content="lo"),
        chunk(tool_calls=[{"index": 0, "id": "t1", "function": {"name": "look", "arguments": '{"a"'}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}]),
        chunk(finish_reason="tool_calls"),
    ]
    if usage:
        made.append(
            {"id": "c1", "model": "m-1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
        )
    return made


class Stream:
    """Shaped like a provider's stream object."""

    def __init__(self, items: list[Any], fail: Exception | None = None) -> None:
        self._items = iter(items)
        self._fail = fail
        self.closed = False
        self.response = "raw"

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._items)
        except StopIteration:
            if self._fail is not None:
                raise self._fail from None
            raise

    def close(self) -> None:
        self.closed = True


class AsyncStream:
    def __init__(self, items: list[Any]) -> None:
        self._items = iter(items)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None


@pytest.mark.parametrize("form", [lambda value: value, as_objects], ids=["mapping", "object"])
def test_a_stream_is_handed_on_and_recorded_whole(kit: Kit, form: Any) -> None:
    assert kit.guard is not None
    given = [form(chunk) for chunk in chunks(usage=True)]
    with run(workflow="w"):
        stream = model_call(lambda **_: Stream(given), model="m", messages=[], stream=True)
        assert stream.response == "raw"
        assert kit.guard.settled == []
        assert list(stream) == given
    facts = kit.named("chat m").attributes
    assert facts["gen_ai.request.stream"] is True
    assert facts["gen_ai.usage.input_tokens"] == 3
    assert facts["gen_ai.response.finish_reasons"] == ["tool_calls"]
    (message,) = json.loads(facts["gen_ai.output.messages"])
    assert message["parts"][0] == {"type": "text", "content": "Hello"}
    assert message["parts"][1]["arguments"] == {"a": 1}
    assert [usage for _, usage, _ in kit.guard.settled] == [Usage(3, 2)]


def test_an_async_stream_is_recorded_too(kit: Kit) -> None:
    async def create(**_request: Any) -> AsyncStream:
        return AsyncStream(chunks(usage=False))

    async def main() -> int:
        stream = await model_call(create, model="m", messages=[], stream=True)
        return len([chunk async for chunk in stream])

    assert asyncio.run(main()) == 5
    assert kit.guard is not None
    assert [usage for _, usage, _ in kit.guard.settled] == [None]
    assert "gen_ai.usage.input_tokens" not in kit.named("chat m").attributes


def test_a_stream_that_breaks_or_is_left_ends_its_step(kit: Kit) -> None:
    broken = model_call(
        lambda **_: Stream(chunks(False), OSError("cut")), model="broken", messages=[], stream=True
    )
    with pytest.raises(OSError, match="cut"):
        list(broken)
    left = model_call(lambda **_: Stream(chunks(False)), model="left", messages=[], stream=True)
    next(left)
    del left
    gc.collect()
    with model_call(lambda **_: Stream(chunks(False)), model="closed", messages=[], stream=True) as closed:
        next(closed)
    assert kit.named("chat broken").status == 2
    assert [event.name for event in kit.named("chat left").events] == ["abandoned"]
    assert (
        json.loads(kit.named("chat closed").attributes["gen_ai.output.messages"])[0]["parts"][0]["content"]
        == "Hel"
    )
    assert kit.guard is not None
    assert len(kit.guard.settled) == 3


def test_usage_is_asked_for_and_its_extra_chunk_kept_from_the_caller(kit: Kit) -> None:
    got: list[dict[str, Any]] = []

    def create(**request: Any) -> Stream:
        got.append(request)
        return Stream(chunks(usage=True))

    create.__module__ = "openai.resources.chat.completions"
    seen = list(model_call(create, model="m", messages=[], stream=True))
    assert got[0]["stream_options"] == {"include_usage": True}
    assert all(chunk["choices"] for chunk in seen)
    assert kit.named("chat m").attributes["gen_ai.usage.output_tokens"] == 2
    asked = list(
        model_call(create, model="n", messages=[], stream=True, stream_options={"include_usage": True})
    )
    assert asked[-1]["choices"] == []  # the caller asked for it and gets it


def test_responses_and_anthropic_streams_fold() -> None:
    folder = Folder()
    for event in (
        {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5"}},
        {"type": "response.output_text.delta", "delta": "Hel"},
        {"type": "response.completed", "response": RESPONSES},
    ):
        folder.add(event)
    assert folder.answered().usage == Usage(5, 3, 0, None, 1)
    folder = Folder()
    for event in (
        {
            "type": "message_start",
            "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 9}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t", "name": "look"},
        },
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'},
        },
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ):
        folder.add(event)
    answer = folder.answered()
    assert answer.usage == Usage(9, 4)
    assert answer.messages[0]["parts"][0] == {"type": "text", "content": "Hello"}
    assert answer.messages[0]["parts"][1]["arguments"] == {"a": 1}
    assert answer.finish == ["tool_use"]


def test_the_provider_is_told_from_the_client() -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9")
    assert provider_of(client.chat.completions.create) == "openai"
    assert provider_of(lambda: None) is None
    client.close()
