"""What passes between the guard and whoever asks it: a declared tool, a verdict, a model call, a permit.

They stand on the ground floor because two floors that may not know each other (the SDK and the use cases) hand
them to one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tallystick.model.control import Decision
from tallystick.model.step import Effect


@dataclass(frozen=True, slots=True)
class ToolDeclaration:
    """What is declared of a tool, in code or in ``tools/*.toml``. ``effect=None`` means nobody declared it."""

    name: str
    effect: Effect | None = None
    description: str = ""
    data: tuple[str, ...] = ()
    authority: tuple[str, ...] = ()
    # parameter -> string | long | decimal | bool | list | record, with "?" behind it when it may be absent
    arguments: Mapping[str, str] = field(default_factory=dict)
    price_nano: int | None = None  # nano-dollars a call; None means free of charge was not claimed
    recovery: str = "operator"  # retry | idempotent | reconcile | operator
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says before a tool call runs.

    ``text`` is what the model reads instead of a result when the call is not allowed. ``warning`` is appended to a
    result that is allowed but repeats itself.
    """

    allowed: bool
    decision: Decision
    text: str = ""
    warning: str | None = None
    price_nano: int | None = None
    looping: bool = False


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model call about to be made. ``request`` is the provider's keyword arguments (model, messages, …)."""

    run: str
    step: str
    agent: str | None
    workflow: str | None
    provider: str | None
    model: str | None
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make a model call. ``max_tokens`` is the cap the budget leaves (None: no cap)."""

    hold: str | None
    held_nano: int = 0
    max_tokens: int | None = None
