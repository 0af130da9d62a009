"""Wraps a callable of any shape (function, coroutine function, generator, async generator) in one kind of step.

What the step is, a ``Call`` says; this module only knows when to begin it, in which context the body runs, and when to
end it. A generator's body sees its own context at every step, and its step ends when it is exhausted, closed or
garbage; a function that returns an awaitable ends its step when that was awaited.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar, cast

from opentelemetry import context as otel_context
from opentelemetry.context import Context

R = TypeVar("R")


class Call:
    """One call of a wrapped function. The base class admits everything and records nothing."""

    context: Context | None = None
    may_block = (
        False  # admit and done may wait for people or disks: async callers run them beside the event loop
    )

    again = (
        False  # what ``done`` was told is not to be used: the body is to run once more, as a call of its own
    )
    may_repeat = False  # whoever wraps the body can run it once more
    repeats: Call | None = None  # the call that asked for this one by ``again``

    def given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What the body is called with, once it may run. Raises where that cannot be: then nothing happened."""
        return args, kwargs

    def admit(self) -> str | None:
        """Ask leave. None: go on; text: do not run, this is the answer. Raises what ends the whole run."""
        return None

    def done(self, result: Any) -> Any:
        """The body returned (or was exhausted); the value is what the caller gets."""
        return result

    def item(self, item: Any) -> None:
        """A generator's body yielded."""

    def failed(self, error: BaseException) -> None:
        """The body raised."""

    def abandoned(self) -> None:
        """A generator was closed before its end."""

    def never_ran(self) -> None:
        """Leave was given, but the caller was cancelled before the body could run."""


Begin = Callable[[tuple[Any, ...], dict[str, Any]], Call]


def wrap(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    """The wrapped callable: same kind, same signature, ``begin(args, kwargs)`` called for each call of it."""
    body = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    inner = _unwrapped(body)
    wrapped: Callable[..., Any]
    if inspect.isasyncgenfunction(inner):
        wrapped = _wrap_async_generator(function, begin)
    elif inspect.isgeneratorfunction(inner):
        wrapped = _wrap_generator(function, begin)
    elif inspect.iscoroutinefunction(inner):
        wrapped = _wrap_coroutine(function, begin)
    else:
        wrapped = _wrap_function(function, begin)
    return functools.update_wrapper(
        wrapped, function, updated=("__dict__",) if inspect.isroutine(function) else ()
    )


def _unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _wrap_function(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before: Call | None = None
        while True:
            call = begin(args, kwargs)
            if before is not None:
                call.repeats = before
            refusal = call.admit()
            if refusal is not None:
                return refusal
            positional, named = call.given(args, kwargs)
            token = _enter(call)
            try:
                result = function(*positional, **named)
            except BaseException as error:
                _leave(token)
                call.failed(error)
                raise
            _leave(token)
            if inspect.isgenerator(result):
                return _generate(result, call)
            if inspect.isawaitable(result):
                return _awaited(result, call)
            call.may_repeat = True
            result = call.done(result)
            if not call.again:
                return result
            before = call

    return wrapped


def _wrap_coroutine(function: Callable[..., Any], begin: Begin) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        before: Call | None = None
        while True:
            call = begin(args, kwargs)
            if before is not None:
                call.repeats = before
            refusal = await _admitted(call)
            if refusal is not None:
                return refusal
            positional, named = call.given(args, kwargs)
            token = _enter(call)
            try:
                result = await function(*positional, **named)
            except BaseException as error:
                _leave(token)
                await _told(call, functools.partial(call.failed, error))
                raise
            _leave(token)
            call.may_repeat = True
            result = await _told(call, functools.partial(call.done, result))
            if not call.again:
                return result
            before = call

    return wrapped


async def _awaited(awaitable: Awaitable[Any], call: Call) -> Any:
    token = _enter(call)
    try:
        result = await awaitable
    except BaseException as error:
        _leave(token)
        await _told(call, functools.partial(call.failed, error))
        raise
    _leave(token)
    return await _told(call, functools.partial(call.done, result))


def _wrap_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Generator[Any, Any, Any]]:
    def wrapped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = begin(args, kwargs)
        refusal = call.admit()
        if refusal is not None:
            yield refusal
            return refusal
        positional, named = call.given(args, kwargs)
        return (yield from _generate(function(*positional, **named), call))

    return wrapped


def _generate(body: Generator[Any, Any, Any], call: Call) -> Generator[Any, Any, Any]:
    inside = _inside(call)
    step: Callable[[], Any] = functools.partial(next, body)
    try:
        while True:
            item = inside.run(step)
            call.item(item)
            try:
                sent = yield item
            except GeneratorExit:
                inside.run(body.close)
                call.abandoned()
                raise
            except BaseException as thrown:  # noqa: BLE001 - the caller's throw() belongs to the body
                step = functools.partial(body.throw, thrown)
            else:
                step = functools.partial(body.send, sent)
    except StopIteration as end:
        return call.done(end.value)
    except GeneratorExit:
        raise
    except BaseException as error:
        call.failed(error)
        raise


def _wrap_async_generator(
    function: Callable[..., Any], begin: Begin
) -> Callable[..., AsyncGenerator[Any, Any]]:
    async def wrapped(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        call = begin(args, kwargs)
        refusal = await _admitted(call)
        if refusal is not None:
            yield refusal
            return
        positional, named = call.given(args, kwargs)
        body = function(*positional, **named)
        inside = _inside(call)
        step = body.__anext__
        try:
            while True:
                item = await _Within(inside, step())
                call.item(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    await _Within(inside, body.aclose())
                    call.abandoned()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - the caller's athrow() belongs to the body
                    step = functools.partial(body.athrow, thrown)
                else:
                    step = functools.partial(body.asend, sent)
        except StopAsyncIteration:
            await _told(call, functools.partial(call.done, None))
        except GeneratorExit:
            raise
        except BaseException as error:
            await _told(call, functools.partial(call.failed, error))
            raise

    return wrapped


class _Within:
    """Awaits something with every step of it run inside one context, whatever task drives it."""

    def __init__(self, context: contextvars.Context, awaitable: Awaitable[Any]) -> None:
        self._context = context
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._context.run(self._awaitable.__await__)
        step: Callable[[], Any] = functools.partial(next, steps)
        while True:
            try:
                waiting = self._context.run(step)
            except StopIteration as end:
                return end.value
            try:
                sent = yield waiting
            except BaseException as thrown:
                throw = getattr(steps, "throw", None)
                if throw is None:
                    raise
                step = functools.partial(throw, thrown)
            else:
                step = (
                    functools.partial(steps.send, sent)
                    if sent is not None
                    else functools.partial(next, steps)
                )


def _enter(call: Call) -> Any:
    return otel_context.attach(call.context) if call.context is not None else None


def _leave(token: Any) -> None:
    if token is not None:
        otel_context.detach(token)


def _inside(call: Call) -> contextvars.Context:
    context = contextvars.copy_context()
    if call.context is not None:
        context.run(otel_context.attach, call.context)
    return context


async def _admitted(call: Call) -> str | None:
    if not call.may_block:
        return call.admit()
    return await beside(call.admit, undo=lambda refusal: call.never_ran() if refusal is None else None)


async def _told(call: Call, tell: Callable[[], R]) -> R:
    if not call.may_block:
        return tell()
    return await beside(tell)


async def beside(work: Callable[[], R], *, undo: Callable[[R], Any] | None = None) -> R:
    """Run blocking work in a thread of its own, in a copy of the current context.

    A daemon thread and not a pool: a call that is held for hours must neither starve other calls nor keep the process
    from ending. When the awaiting task is cancelled the work goes on; ``undo`` then gets its result.
    Without a running asyncio loop (trio, curio) the work blocks the caller.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return work()
    errand = _Errand(loop, work, undo)
    threading.Thread(target=contextvars.copy_context().run, args=(errand.go,), daemon=True).start()
    try:
        return cast("R", await errand.future)
    except asyncio.CancelledError:
        errand.leave()
        raise


class _Errand:
    """Work in a thread whose asker may go away."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[], Any], undo: Callable[[Any], Any] | None
    ):
        self.future: asyncio.Future[Any] = loop.create_future()
        self._loop = loop
        self._work = work
        self._undo = undo
        self._lock = threading.Lock()
        self._left = False
        self._finished = False
        self._result: Any = None

    def go(self) -> None:
        try:
            result, error = self._work(), None
        except BaseException as raised:  # noqa: BLE001 - carried over to the asker
            result, error = None, raised
        with self._lock:
            self._finished, self._result = error is None, result
            left = self._left
        if left:
            if error is None and self._undo is not None:
                self._undo(result)
            return
        try:
            self._loop.call_soon_threadsafe(self._answer, result, error)
        except RuntimeError:  # the loop is closed: nobody will ever ask
            if error is None and self._undo is not None:
                self._undo(result)

    def _answer(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)

    def leave(self) -> None:
        """The asker was cancelled; if the work had ended already its result must be undone now."""
        with self._lock:
            self._left = True
            finished, result = self._finished, self._result
        if finished and self._undo is not None:
            threading.Thread(target=self._undo, args=(result,), daemon=True).start()
