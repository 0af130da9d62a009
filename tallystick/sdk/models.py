"""``tallystick.model_call``: one call of a model, held against the budget, recorded, settled."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from opentelemetry.trace import SpanKind

from tallystick.model import attributes as names
from tallystick.model.errors import OverBudget, Stopped
from tallystick.model.step import Kind
from tallystick.model.usage import Usage
from tallystick.sdk.active import Recording, recording
from tallystick.sdk.edge import caught, edge
from tallystick.sdk.place import here
from tallystick.sdk.running import remember_stop
from tallystick.sdk.runtime import ModelCall, Permit
from tallystick.sdk.shapes import Answered, input_messages, read_response, system_text
from tallystick.sdk.stepping import OpenStep, open_step
from tallystick.sdk.streams import RecordedAsyncStream, RecordedStream
from tallystick.sdk.tries import Tries, watching
from tallystick.sdk.values import bounded_json, plain
from tallystick.sdk.wrapping import Call as WrappedCall
from tallystick.sdk.wrapping import beside, wrap

_MESSAGES_MAX = 1_048_576
_PARAMETERS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
}
_CAPS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_PROVIDERS = (
    ("openai", "openai"), ("anthropic", "anthropic"), ("mistralai", "mistral_ai"), ("groq", "groq"),
    ("cohere", "cohere"), ("google.genai", "gcp.gemini"), ("litellm", None),
)  # fmt: skip


def model_call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a model: ``tallystick.model_call(client.chat.completions.create, model=…, messages=…)``.

    Works with sync and async functions, and with streams (the step ends when the stream does). Raises OverBudget or
    Stopped before anything is sent; whatever the function raises passes through. The budget may lower the request's cap
    on output tokens. Without an installed recording it is a plain call.
    """
    active = recording()
    if active is None:
        return function(*args, **kwargs)
    call = ModelStep(active, function, kwargs)
    if inspect.iscoroutinefunction(_inner(function)):
        return call.run_async(function, args)
    return call.run(function, args)


def _inner(function: Callable[..., Any]) -> Callable[..., Any]:
    while hasattr(function, "__wrapped__"):  # clients wrap their coroutine functions in plain ones
        function = function.__wrapped__
    return function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004


class ModelStep:
    """One model call, from the hold until it is settled."""

    def __init__(self, active: Recording, function: Callable[..., Any], request: dict[str, Any]) -> None:
        self._active = active
        self._guard = active.guard
        self._request = request
        self._provider = provider_of(function)
        self._model = request.get("model") if isinstance(request.get("model"), str) else None
        self._swallow_usage = self._ask_for_usage(function)
        self._step: OpenStep | None = self._open()
        self._tries = Tries()
        # Where the provider's own spans belong, and what its client sends is noted.
        self.context = None if self._step is None else watching(function, self._step.context, self._tries)
        self._permit: Permit | None = None
        self._asked: ModelCall | None = None
        self._settled = False

    # -- the two ways of calling --------------------------------------------------------------------------------

    def run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call in this thread; returns the response, a recorded stream, or an awaitable of either."""
        self.admit()
        bound = _Bound(self)
        return wrap(function, lambda _args, _kwargs: bound)(*args, **self._request)

    async def run_async(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """The same for a coroutine function; the guard is asked beside the event loop."""
        if self._guard is not None:
            await beside(self.admit, undo=lambda _: self.settle(Answered(), None))
        bound = _Bound(self)
        return await _awaitable(wrap(function, lambda _args, _kwargs: bound)(*args, **self._request))

    # -- before -------------------------------------------------------------------------------------------------

    def admit(self) -> None:
        """Hold the worst-case cost and apply the cap. Raises OverBudget or Stopped; then nothing was sent."""
        guard, step = self._guard, self._step
        if guard is None:
            return
        place = step.place if step is not None else here()
        self._asked = ModelCall(
            run=step.run if step is not None else self._active.ids.new("run"),
            step=step.step if step is not None else self._active.ids.new("step"),
            agent=(place.agent if place is not None else None) or self._active.agent,
            workflow=place.workflow if place is not None else self._active.workflow,
            provider=self._provider,
            model=self._model,
            request=_json_ready(self._request) or self._request,
        )
        try:
            self._permit = guard.before_model(self._asked)
        except (Stopped, OverBudget) as stop:
            self._stop(stop)
            raise
        except Exception as error:
            caught("guard.before_model", error, answered=True)
            refused = Stopped(
                "the budget could not be checked, so the model was not called", hint="see tally doctor"
            )
            self._end(refused)
            raise refused from error
        self._cap(self._permit)

    def _cap(self, permit: Permit) -> None:
        if permit.max_tokens is None:
            if self._step is not None:
                self._step.note({names.HOLD: permit.hold})
            return
        name = next((cap for cap in _CAPS if isinstance(self._request.get(cap), int)), None)
        if name is None:
            name = _cap_name(self._provider, self._request)
        asked = self._request.get(name)
        self._request[name] = min(asked, permit.max_tokens) if isinstance(asked, int) else permit.max_tokens
        if self._step is not None:
            self._step.note({names.HOLD: permit.hold, "gen_ai.request.max_tokens": self._request[name]})

    def _stop(self, stop: Stopped | OverBudget) -> None:
        place = self._step.place if self._step is not None else here()
        remember_stop(place.state if place is not None else None, stop)
        self._end(stop)

    # -- after --------------------------------------------------------------------------------------------------

    def settle(self, answer: Answered, error: BaseException | None) -> None:
        """Settle the hold once, with the usage that was reported (None: not known), and end the step."""
        if self._settled:
            return
        self._settled = True
        try:
            if self._guard is not None and self._asked is not None and self._permit is not None:
                self._guard.after_model(self._asked, self._permit, answer.usage, model=answer.model)
        except (Stopped, OverBudget) as stop:
            place = self._step.place if self._step is not None else None
            remember_stop(place.state if place is not None else None, stop)
            if error is None:
                self._end(stop)
                raise
        except Exception as fault:  # noqa: BLE001 - the answer is there; the hold stays until it expires
            caught("guard.after_model", fault, answered=True)
        finally:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        if self._step is not None:
            self._step.note(self._tries.attributes(error))
            self._step.close(error)

    @edge("model.answer", None)
    def note(self, answer: Answered) -> None:
        """Record what the model answered."""
        if self._step is None:
            return
        self._step.note(
            {
                "gen_ai.response.id": answer.id,
                "gen_ai.response.model": answer.model,
                "gen_ai.response.finish_reasons": answer.finish or None,
                **_usage_attributes(answer.usage),
            }
        )
        if self._active.contents and answer.messages:
            self._step.note({"gen_ai.output.messages": bounded_json(answer.messages, _MESSAGES_MAX)})

    @edge("model.begin", None)
    def _open(self) -> OpenStep | None:
        request = self._request
        operation = "chat"
        attributes: dict[str, Any] = {
            names.KIND: Kind.MODEL.value,
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self._provider,
            "gen_ai.request.model": self._model,
            "gen_ai.request.stream": True if request.get("stream") is True else None,
        }
        for key, name in _PARAMETERS.items():
            if isinstance(request.get(key), int | float):
                attributes[name] = request[key]
        if self._active.contents:
            attributes |= _content_attributes(request)
        return open_step(
            self._active, f"{operation} {self._model or ''}".strip(), attributes, kind=SpanKind.CLIENT
        )

    @edge("model.stream_usage", False)
    def _ask_for_usage(self, function: Callable[..., Any]) -> bool:
        """Ask a Chat Completions stream for its usage, which is left out unless asked; True when we asked.

        The extra chunk that this brings is kept from the caller, who did not expect one without choices.
        """
        request = self._request
        if request.get("stream") is not True or request.get("stream_options") is not None:
            return False
        if "messages" not in request or not _module(function).startswith("openai."):
            return False
        request["stream_options"] = {"include_usage": True}
        return True

    def streamed(self, result: Any) -> Any | None:
        """The recorded form of a stream, or None when the result is no stream."""

        def finish(answer: Answered, error: BaseException | None, abandoned: bool) -> None:
            self.note(answer)
            if abandoned and self._step is not None:
                self._step.span.add_event("abandoned")
            self.settle(answer, error)

        if hasattr(result, "__anext__"):
            return RecordedAsyncStream(result, finish, swallow_usage=self._swallow_usage)
        if hasattr(result, "__next__"):
            return RecordedStream(result, finish, swallow_usage=self._swallow_usage)
        return None


class _Bound(WrappedCall):
    """Runs the provider's function as the body of a model step."""

    def __init__(self, step: ModelStep) -> None:
        self._step = step
        self.context = step.context

    def done(self, result: Any) -> Any:
        stream = self._step.streamed(result)
        if stream is not None:
            return stream
        answer = _read(result) or Answered()
        self._step.note(answer)
        self._step.settle(answer, None)
        return result

    def failed(self, error: BaseException) -> None:
        self._step.settle(Answered(), error)


async def _awaitable(result: Any) -> Any:
    return await result if isinstance(result, Awaitable) else result


@edge("model.read", None)
def _read(result: Any) -> Answered | None:
    return read_response(result)


@edge("model.request", None)
def _json_ready(request: dict[str, Any]) -> dict[str, Any] | None:
    ready = plain(request)
    return ready if isinstance(ready, dict) else None


def provider_of(function: Callable[..., Any]) -> str | None:
    """The provider's name, told from the module that the function comes from; None when that says nothing."""
    module = _module(function)
    for prefix, provider in _PROVIDERS:
        if module == prefix or module.startswith(prefix + "."):
            return provider
    return None


def _module(function: Callable[..., Any]) -> str:
    owner = getattr(function, "__self__", None)
    module = type(owner).__module__ if owner is not None else getattr(function, "__module__", None)
    return module if isinstance(module, str) else ""


def _cap_name(provider: str | None, request: dict[str, Any]) -> str:
    if "input" in request and "messages" not in request:
        return "max_output_tokens"
    return "max_completion_tokens" if provider == "openai" else "max_tokens"


def _content_attributes(request: dict[str, Any]) -> dict[str, Any]:
    tools = request.get("tools")
    system = system_text(request)
    return {
        "gen_ai.input.messages": bounded_json(input_messages(request), _MESSAGES_MAX),
        "gen_ai.system_instructions": bounded_json(system, _MESSAGES_MAX) if system else None,
        "gen_ai.tool.definitions": bounded_json(tools, _MESSAGES_MAX) if tools else None,
    }


def _usage_attributes(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_write.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
