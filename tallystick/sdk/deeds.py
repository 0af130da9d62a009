"""The tools of this process by name, and deeds: calls that repeat or take back an earlier one, under the same rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

from opentelemetry import context as otel_context

from tallystick.sdk.ensuring import Promise

_DEED_KEY: Final = "tallystick.deed"
_functions: WeakValueDictionary[str, Callable[..., Any]] = WeakValueDictionary()  # by name, the newest counts
_promises: dict[str, Promise] = {}


@dataclass(frozen=True, slots=True)
class Deed:
    """What the next call of a tool is: the effect that it takes back, or the key of the call that it repeats."""

    tool: str
    undoes: str | None = None
    key: str | None = None


def remember(name: str, function: Callable[..., Any], promise: Promise) -> None:
    """A tool was declared in this process."""
    try:
        _functions[name] = function
    except TypeError:  # a callable object without weak references cannot be found by name
        _functions.pop(name, None)
    _promises[name] = promise


def function_of(name: str) -> Callable[..., Any] | None:
    """The guarded function of a tool declared in this process."""
    return _functions.get(name)


def promise_named(name: str) -> Promise:
    """What code promises of a tool; nothing where it is not declared here."""
    return _promises.get(name, Promise())


@contextmanager
def doing(deed: Deed) -> Iterator[None]:
    """What is called inside is this deed, if it is its tool."""
    token = otel_context.attach(otel_context.set_value(_DEED_KEY, deed))
    try:
        yield
    finally:
        otel_context.detach(token)


def deed_here(tool: str) -> Deed | None:
    """The deed that a call of a tool is."""
    found = otel_context.get_value(_DEED_KEY)
    return found if isinstance(found, Deed) and found.tool == tool else None
