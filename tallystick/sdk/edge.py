"""The one edge where faults of the SDK itself are caught, so that they never reach the agent that imported it.

A fault is counted by the place it came from, logged once per place, and shown by ``tally doctor``. Under pytest it is
raised again, because a test that hides a fault of ours is worse than a test that fails.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D")

_log = logging.getLogger("tallystick")
_counts: dict[str, int] = {}
_last: dict[str, str] = {}
_swallow_under_tests = False
_raise_always = False


def caught(place: str, error: BaseException, *, answered: bool = False) -> None:
    """Count a fault at ``place``; raise it again under pytest (see ``swallow_under_tests``).

    ``answered``: the fault has an answer of its own (a refusal, a counted loss), so it is counted and never raised.
    """
    seen = _counts.get(place, 0)
    _counts[place] = seen + 1
    _last[place] = f"{type(error).__name__}: {error}"
    if not answered and (_raise_always or ("PYTEST_CURRENT_TEST" in os.environ and not _swallow_under_tests)):
        raise error
    if not seen:
        _log.warning("tallystick: a fault in %s was contained: %s", place, _last[place])


def raise_faults(always: bool) -> None:
    """Whether faults are raised instead of contained (the setting telemetry_fail)."""
    global _raise_always
    _raise_always = always


def edge(place: str, default: D) -> Callable[[Callable[P, R]], Callable[P, R | D]]:
    """Decorate a function so that a fault inside it is counted and ``default`` is returned instead."""

    def decorate(function: Callable[P, R]) -> Callable[P, R | D]:
        @functools.wraps(function)
        def contained(*args: P.args, **kwargs: P.kwargs) -> R | D:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - this is the one edge
                caught(place, error)
                return default

        return contained

    return decorate


def faults() -> dict[str, int]:
    """How many faults were contained, by place."""
    return dict(_counts)


def last_faults() -> dict[str, str]:
    """The newest fault of each place, as "Type: message"."""
    return dict(_last)


def forget_faults() -> None:
    """Set all counts to zero (tests)."""
    _counts.clear()
    _last.clear()


def swallow_under_tests(on: bool) -> bool:
    """Contain faults under pytest too (for tests of containment); returns the setting before."""
    global _swallow_under_tests
    before, _swallow_under_tests = _swallow_under_tests, on
    return before
