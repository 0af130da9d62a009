"""The scripted model server, driven by the real openai client."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import pytest

from tallystick.testing import Call, Fail, ModelServer, Say, Script
from tallystick.testing.completions import tokens

MODEL = "gpt-4o-mini"
TOOLS = [
    {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
]


@contextmanager
def talking(script: Script, **options) -> Iterator[tuple[ModelServer, openai.OpenAI]]:
    with (
        ModelServer(script, **options) as server,
        openai.OpenAI(base_url=server.url, api_key="none") as client,
    ):
        yield server, client


def user(text: str = "hello") -> list[dict[str, str]]:
    return [{"role": "system", "content": "You are the planner."}, {"role": "user", "content": text}]


def test_plain_answer_with_usage_counted_from_the_text():
    with talking([Say("A short answer.", cached=2, reasoning=7)]) as (server, client):
        answer = client.chat.completions.create(model=MODEL, messages=user())
    assert answer.choices[0].message.content == "A short answer."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == tokens("A short answer.") + 7
    assert answer.usage.prompt_tokens == 3 + tokens("You are the planner.") + 3 + tokens("hello")
    assert answer.usage.prompt_tokens_details.cached_tokens == 2
    assert answer.usage.completion_tokens_details.reasoning_tokens == 7
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert server.served[0].usage["total_tokens"] == answer.usage.total_tokens


def test_response_ids_are_unique_also_between_servers():
    ids = set()
    for _ in range(2):
        with talking(lambda ask: Say("x")) as (_, client):
            ids |= {client.chat.completions.create(model=MODEL, messages=user()).id for _ in range(3)}
    assert len(ids) == 6


def test_tool_calls_and_the_turn_that_follows_from_the_history():
    script = {
        "planner": [
            Say(calls=[Call("look_up", {"order": "A-1"}), Call("look_up", {"order": "A-2"})]),
            lambda ask: Say(f"The tools said {' and '.join(ask.results)}."),
        ]
    }
    with talking(script) as (_, client):
        messages = user()
        first = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0]
        assert first.finish_reason == "tool_calls"
        assert [json.loads(call.function.arguments)["order"] for call in first.message.tool_calls] == [
            "A-1",
            "A-2",
        ]
        messages.append(first.message.model_dump(exclude_none=True))
        for call, result in zip(first.message.tool_calls, ("40", "400"), strict=True):
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        second = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
    assert second.choices[0].message.content == "The tools said 40 and 400."


@pytest.mark.parametrize("include_usage", [True, False])
def test_stream_of_text_and_tool_calls(include_usage):
    say = Say(
        "A text that is longer than one chunk.", calls=[Call("look_up", {"order": "A-1007", "deep": True})]
    )
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    with talking([say]) as (_, client):
        chunks = list(client.chat.completions.create(model=MODEL, messages=user(), stream=True, **options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    pieces = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
    assert text == say.text
    assert len(pieces) > 2
    assert pieces[0].function.name == "look_up"
    assert pieces[0].id.startswith("call_")
    assert json.loads("".join(piece.function.arguments for piece in pieces)) == {
        "order": "A-1007",
        "deep": True,
    }
    finishes = [
        chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason
    ]
    assert finishes == ["tool_calls"]
    if include_usage:
        assert chunks[-1].choices == []
        assert chunks[-1].usage.completion_tokens == tokens(say.text) + tokens(
            "look_up" + say.calls[0].text()
        )
        assert all(chunk.usage is None for chunk in chunks[:-1])
    else:
        assert all(chunk.usage is None for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1


def test_stream_that_breaks_off():
    with talking([Say("A text that is longer than one chunk.", cut=2)]) as (_, client):
        stream = client.chat.completions.create(model=MODEL, messages=user(), stream=True)
        with pytest.raises(openai.APIConnectionError):
            list(stream)


def test_output_limit_cuts_text_and_arguments():
    long = Say("x" * 400, calls=[Call("look_up", {"order": "A-1"})])
    with talking([long, Say(calls=[Call("look_up", {"order": "y" * 400})])]) as (_, client):
        first = client.chat.completions.create(model=MODEL, messages=user(), max_completion_tokens=10)
        second = client.chat.completions.create(model=MODEL, messages=user(), max_tokens=20)
    assert (first.choices[0].finish_reason, first.choices[0].message.content) == ("length", "x" * 40)
    assert first.usage.completion_tokens == 10
    assert second.choices[0].finish_reason == "length"
    assert second.usage.completion_tokens <= 20
    with pytest.raises(ValueError):
        json.loads(second.choices[0].message.tool_calls[0].function.arguments)


def test_rate_limit_is_tried_again_by_the_client_and_seen_here():
    script = {"planner": [Fail(429, "slow down", retry_after=0.01, times=2, then=Say("there"))]}
    with talking(script) as (server, client):
        assert (
            client.chat.completions.create(model=MODEL, messages=user()).choices[0].message.content == "there"
        )
        assert [item.status for item in server.served] == [429, 429, 200]


def test_errors_on_demand():
    script = [
        Fail(429, "slow down", retry_after=3),
        Fail(500),
        Fail(200, raw=b"{not json"),
    ]
    with talking(script) as (_, client):
        once = client.with_options(max_retries=0)
        with pytest.raises(openai.RateLimitError) as limited:
            once.chat.completions.create(model=MODEL, messages=user())
        assert limited.value.response.headers["retry-after"] == "3"
        with pytest.raises(openai.InternalServerError, match="out of order"):
            once.chat.completions.create(model=MODEL, messages=user())
        with pytest.raises((openai.APIError, ValueError)):
            once.chat.completions.create(model=MODEL, messages=user())


def test_a_delay_is_really_waited_and_ends_when_the_server_closes():
    with talking([Say("late", delay=0.15), Say("never", delay=60)]) as (_, client):
        started = time.monotonic()
        client.chat.completions.create(model=MODEL, messages=user())
        assert time.monotonic() - started >= 0.15
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.2, max_retries=0).chat.completions.create(
                model=MODEL, messages=user()
            )
    assert time.monotonic() - started < 20


def test_what_the_script_does_not_know_is_named():
    with talking({"planner": [Say("once")], "writer": []}, models=[MODEL]) as (_, client):
        with pytest.raises(openai.BadRequestError, match=r"no key of the script.*judge"):
            client.chat.completions.create(
                model=MODEL, messages=[{"role": "system", "content": "You are the judge."}]
            )
        with pytest.raises(openai.BadRequestError, match="'writer' has 0 turns and turn 1"):
            client.chat.completions.create(
                model=MODEL, messages=[{"role": "system", "content": "You are the writer."}]
            )
        with pytest.raises(openai.NotFoundError, match="gpt-none"):
            client.chat.completions.create(model="gpt-none", messages=user())
        with pytest.raises(openai.NotFoundError, match="/v1/embeddings"):
            client.embeddings.create(model=MODEL, input="text")
        assert [model.id for model in client.models.list()] == [MODEL]
    with talking([]) as (_, client), pytest.raises(openai.BadRequestError, match=r"0 turns.*hello"):
        client.chat.completions.create(model=MODEL, messages=user())


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([{"role": "tool", "tool_call_id": "call_x", "content": "1"}], "no message before it made"),
        (
            [{"role": "assistant", "tool_calls": [{"id": "call_y", "function": {"name": "f"}}]}],
            "result at the end",
        ),
        ([{"role": "robot", "content": "1"}], "unknown role"),
        ([], "at least one"),
    ],
)
def test_a_history_that_the_real_service_refuses_is_refused(messages, reason):
    with talking([Say("x")]) as (_, client), pytest.raises(openai.BadRequestError, match=reason):
        client.chat.completions.create(model=MODEL, messages=messages)


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"{", b"not JSON"), (b"[]", b"not a JSON object"), (b'{"messages": []}', b"'model' is missing")],
)
def test_raw_nonsense_gets_a_clear_400(body, reason):
    with ModelServer([Say("x")]) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/v1/chat/completions", body=body)
        answer = connection.getresponse()
        assert answer.status == 400
        assert reason in answer.read()
        connection.close()


def test_async_client_and_many_at_once():
    async def talk(url: str) -> list[str]:
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

            async def one(number: int) -> str:
                stream = await client.chat.completions.create(
                    model=MODEL, messages=user(str(number)), stream=True
                )
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(one(number) for number in range(20)))

    with ModelServer(lambda ask: Say(f"you said {ask.user}")) as server:
        assert asyncio.run(talk(server.url)) == [f"you said {number}" for number in range(20)]
        assert len({item.answer for item in server.served}) == 20


def test_a_client_that_goes_away_is_no_news(capfd):
    with ModelServer([Say("x", delay=0.2)]) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        body = json.dumps({"model": MODEL, "messages": user(), "stream": True}).encode()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/v1/chat/completions", body=body)
        reset = struct.pack("ii", 1, 0)  # close with a reset, as a killed process does
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        connection.sock.close()
    assert capfd.readouterr().err == ""
