"""How often a model call was sent, and why again: read where the provider's client sends, for it retries inside.

The clients of OpenAI, Anthropic and others try again by themselves after a 429, a 5xx or a broken connection, and hand
out only the last answer. All of them send through an httpx client, whose event hooks are public: one hook is added to
the client's own (never in their place) and notes what belongs to a ``model_call`` that is under way.

What is not seen: calls through functions of which no such client can be told (litellm, a function of the caller's
around a client); then only a call that failed at last says how often it was sent, by the request that its error
carries. Waiting before a retry, and retries below httpx (a proxy, the provider's own), are nobody's tries here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from tallystick.model import attributes as names
from tallystick.sdk.edge import edge

_KEY: Final = "tallystick.tries"
_COUNT = "x-stainless-retry-count"  # sent by the clients of OpenAI, Anthropic, Groq and others, from 0
_KEPT = 32  # tries whose cause is kept; more of them are only counted
_CAUSES = 8
# Where the clients keep the httpx client that they send with, from what their method is bound to.
_PATHS = (
    ("_client", "_client"),
    ("_client",),
    ("sdk_configuration", "client"),
    ("sdk_configuration", "async_client"),
    ("_api_client", "_httpx_client"),
    ("_api_client", "_async_httpx_client"),
)


class _Try:
    """One request on its way."""

    __slots__ = ("cause", "number", "redirected", "request")

    def __init__(self, number: int, request: Any) -> None:
        self.number = number
        self.request = request
        self.cause: str | None = "no answer"  # None: it was answered as it should be
        self.redirected = False

    def trace(self, event: str, facts: Any) -> None:
        """What httpcore says while it sends: the one place where it is told why no response came."""
        error = facts.get("exception") if event.endswith(".failed") and isinstance(facts, dict) else None
        if error is not None and self.cause == "no answer":
            kind = type(error).__name__
            self.cause = "timed out" if "Timeout" in kind else f"connection failed: {kind}"

    async def awaited_trace(self, event: str, facts: Any) -> None:
        """The same for an async client."""
        self.trace(event, facts)


class Tries:
    """What one model call sent."""

    __slots__ = ("_last", "_sent")

    def __init__(self) -> None:
        self._sent: list[_Try] = []
        self._last = 0

    def begin(self, request: Any, *, asynchronous: bool) -> None:
        """A request goes out; ``asynchronous``: by a client that awaits what it calls."""
        number = _told(request)
        before = self._sent[-1] if self._sent else None
        if number is None:  # a redirect is a way to the answer, no second try
            number = self._last if before is not None and before.redirected else self._last + 1
        self._last = max(self._last, number)
        if len(self._sent) >= _KEPT:
            return
        one = _Try(number, request)
        self._sent.append(one)
        extensions = getattr(request, "extensions", None)
        if isinstance(extensions, dict) and "trace" not in extensions:
            extensions["trace"] = one.awaited_trace if asynchronous else one.trace

    def answered(self, response: Any) -> None:
        """A response came; its status says whether it is one."""
        request = getattr(response, "request", None)
        for one in reversed(self._sent):
            if one.request is request:
                status = response.status_code
                one.cause = f"HTTP {status}" if status >= 400 else None
                one.redirected = bool(getattr(response, "has_redirect_location", False))
                return

    def attributes(self, error: BaseException | None) -> dict[str, Any]:
        """What the step says of its retries; nothing when the first try was the only one."""
        attempt = self._last
        if not attempt and error is not None:
            attempt = _told(getattr(error, "request", None)) or 0
        if attempt < 2:
            return {}
        causes = [one.cause for one in self._sent if one.number < attempt and one.cause is not None]
        shown = causes[:_CAUSES] + ([f"{len(causes) - _CAUSES} more"] if len(causes) > _CAUSES else [])
        return {names.RETRY_ATTEMPT: attempt, names.RETRY_CAUSE: ", ".join(shown) or None}


def watching(function: Callable[..., Any], context: Context, tries: Tries) -> Context:
    """The context in which ``function`` is called, such that what its client sends is noted in ``tries``."""
    client = _client_of(function)
    if client is None or not _hook(client):
        return context
    return otel_context.set_value(_KEY, tries, context)


def _client_of(function: Callable[..., Any]) -> Any | None:
    while (owner := getattr(function, "__self__", None)) is None and hasattr(function, "__wrapped__"):
        function = function.__wrapped__  # with_raw_response and its kin
    for path in _PATHS if owner is not None else ():
        found = owner
        for name in path:
            found = getattr(found, name, None)
        hooks = getattr(found, "event_hooks", None)
        if isinstance(hooks, dict) and callable(getattr(found, "send", None)):
            return found
    return None


@edge("tries.hook", False)
def _hook(client: Any) -> bool:
    """Add the hooks to a client that has them not; looked for at each call, for its owner may set others."""
    hooks = client.event_hooks
    of = (_sending_async, _came_async) if inspect.iscoroutinefunction(client.send) else (_sending, _came)
    for name, hook in zip(("request", "response"), of, strict=True):
        if hook not in hooks[name]:
            hooks[name].append(hook)
    return True


def _here() -> Tries | None:
    found = otel_context.get_value(_KEY)
    return found if isinstance(found, Tries) else None


@edge("tries.sending", None)
def _sending(request: Any, asynchronous: bool = False) -> None:
    tries = _here()
    if tries is not None:
        tries.begin(request, asynchronous=asynchronous)


@edge("tries.came", None)
def _came(response: Any) -> None:
    tries = _here()
    if tries is not None:
        tries.answered(response)


async def _sending_async(request: Any) -> None:
    _sending(request, asynchronous=True)


async def _came_async(response: Any) -> None:
    _came(response)


def _told(request: Any) -> int | None:
    """The number of a try, from 1, as its client counts; None where it does not say."""
    headers = getattr(request, "headers", None)
    said = headers.get(_COUNT) if headers is not None else None
    return int(said) + 1 if isinstance(said, str) and said.isascii() and said.isdigit() else None
