"""Retries that a provider's client makes inside: how often it sent, and why again, on the step of the model call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sdk_kit import Kit, installed

from tallystick.model.attributes import RETRY_ATTEMPT, RETRY_CAUSE
from tallystick.observe.contents import read_contents
from tallystick.observe.normalise import read_span
from tallystick.sdk.models import model_call
from tallystick.testing import Fail, ModelServer, Say

openai = pytest.importorskip("openai", reason="the client whose retries are looked at")
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Say hello"}]}


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    with installed(tmp_path / "spool", agent="desk") as made:
        yield made


def client(server: ModelServer, **given: Any) -> Any:
    return openai.OpenAI(base_url=server.url, api_key="none", **{"max_retries": 3, **given})


def told(kit: Kit) -> tuple[Any, Any]:
    attributes = kit.named("chat m").attributes
    return attributes.get(RETRY_ATTEMPT), attributes.get(RETRY_CAUSE)


def again(status: int, times: int = 1) -> list[Fail]:
    return [Fail(status, times=times, then=Say("hello"), retry_after=0.01)] * (times + 1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_429_that_the_client_answered_itself_is_an_attempt_with_its_cause(kit: Kit, stream: bool) -> None:
    with ModelServer(again(429)) as server, client(server) as made:
        answer = model_call(made.chat.completions.create, **ASK, stream=stream)
        if stream:
            assert (
                "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices) == "hello"
            )
        assert [one.status for one in server.served] == [429, 200]
    assert told(kit) == (2, "HTTP 429")
    span = kit.named("chat m")
    step, seen = read_span(span)[0]
    assert read_contents(step, seen).retry == {"attempt": 2, "cause": "HTTP 429"}


def test_each_failed_try_gives_its_cause_and_a_call_that_needs_none_says_nothing(kit: Kit) -> None:
    with ModelServer([*again(503, 2), Say("hello")]) as server, client(server) as made:
        model_call(made.chat.completions.with_raw_response.create, **ASK)
        assert told(kit) == (3, "HTTP 503, HTTP 503")
        model_call(made.chat.completions.create, **ASK)
    assert RETRY_ATTEMPT not in kit.spans()[-1].attributes


def test_an_async_client_is_read_the_same_and_calls_side_by_side_stay_apart(kit: Kit) -> None:
    def script(ask: Any) -> Any:
        return Say("well") if ask.user == "well" else Fail(500, times=1, then=Say("hello"), retry_after=0.01)

    async def both(server: ModelServer) -> None:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="none") as made:
            create = made.chat.completions.create
            well = {**ASK, "messages": [{"role": "user", "content": "well"}]}
            await asyncio.gather(model_call(create, **ASK), model_call(create, **well))

    with ModelServer(script) as server:
        asyncio.run(both(server))
    said = sorted(
        (span.attributes.get(RETRY_ATTEMPT, 1), span.attributes.get(RETRY_CAUSE)) for span in kit.spans()
    )
    assert said == [(1, None), (2, "HTTP 500")]


def test_a_call_that_fails_for_good_says_how_often_it_was_sent(kit: Kit) -> None:
    with (
        ModelServer([Fail(429, retry_after=0.01)] * 3) as server,
        client(server, max_retries=2) as made,
        pytest.raises(openai.RateLimitError),
    ):
        model_call(made.chat.completions.create, **ASK)
    assert told(kit) == (3, "HTTP 429, HTTP 429")


def test_where_no_client_can_be_told_the_error_says_how_often(kit: Kit) -> None:
    with ModelServer([Fail(429, retry_after=0.01)] * 3) as server, client(server, max_retries=2) as made:

        def mine(**asked: Any) -> Any:
            return made.chat.completions.create(**asked)

        with pytest.raises(openai.RateLimitError):
            model_call(mine, **ASK)
    assert told(kit) == (3, None)


def test_silence_and_a_broken_connection_are_told_apart(kit: Kit) -> None:
    quick = {"max_retries": 1, "timeout": 0.05}
    with ModelServer(lambda _ask: Fail(500, delay=5)) as server, client(server, **quick) as made:
        with pytest.raises(openai.APITimeoutError):
            model_call(made.chat.completions.create, **ASK)
        assert told(kit) == (2, "timed out")
        gone = made.with_options(base_url="http://127.0.0.1:1/v1")
        with pytest.raises(openai.APIConnectionError):
            model_call(gone.chat.completions.create, **ASK)
    assert kit.spans()[-1].attributes[RETRY_CAUSE] == "connection failed: ConnectError"


class Plain:
    """A client of no known make that sends with httpx and counts nothing."""

    def __init__(self, statuses: list[int]) -> None:
        self.seen: list[str] = []
        self._statuses = iter(statuses)
        hooks = {"request": [lambda request: self.seen.append(request.url.path)]}
        transport = httpx.MockTransport(self._answer)
        self._client = httpx.Client(transport=transport, event_hooks=hooks, follow_redirects=True)

    def _answer(self, _request: httpx.Request) -> httpx.Response:
        return httpx.Response(next(self._statuses), headers={"location": "http://model.test/else"})

    def ask(self, **_asked: Any) -> dict[str, Any]:
        while self._client.get("http://model.test/ask").status_code != 200:
            continue
        return {"model": "m", "choices": []}


def test_without_a_count_requests_are_counted_but_no_redirects(kit: Kit) -> None:
    plain = Plain([307, 200, 529, 302, 200])
    model_call(plain.ask, model="m")
    assert told(kit) == (None, None)
    model_call(plain.ask, model="m")
    assert kit.spans()[-1].attributes[RETRY_CAUSE] == "HTTP 529"
    assert kit.spans()[-1].attributes[RETRY_ATTEMPT] == 2
    assert len(plain.seen) == 5  # its own hooks stay


def test_what_the_client_sends_outside_a_model_call_is_nobodys_try(kit: Kit) -> None:
    plain = Plain([500, 200, 200])
    plain.ask()
    model_call(plain.ask, model="m")
    plain._client.event_hooks = {}  # its owner takes all hooks away
    assert told(kit) == (None, None)
