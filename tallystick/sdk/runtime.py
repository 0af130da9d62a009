"""What the SDK needs from the rest of the house, as the two Protocols that wiring fills in.

The SDK itself knows only the ground floor: importing it opens no store, starts no thread and loads no server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tallystick.model.control import Decision, ToolCall
from tallystick.model.span import Span
from tallystick.model.step import Effect, EffectOutcome
from tallystick.model.usage import Usage


@dataclass(frozen=True, slots=True)
class ToolDeclaration:
    """What is declared of a tool, in code or in ``tools/*.toml``. ``effect=None`` means nobody declared it."""

    name: str
    effect: Effect | None = None
    description: str = ""
    data: tuple[str, ...] = ()
    authority: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(
        default_factory=dict
    )  # parameter -> string|long|decimal|bool|list|record
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


class Guard(Protocol):
    """The decision path. Blocking; the async SDK calls it in a worker thread."""

    def before_tool(self, call: ToolCall, declaration: ToolDeclaration) -> Verdict:
        """Decide one call, wait for an approval if it is held, and take what it may cost. Fails closed.

        Raises Stopped or OverBudget when the whole run must end.
        """
        ...

    def after_tool(
        self, call: ToolCall, verdict: Verdict, outcome: EffectOutcome, *, result: Any, error: str | None
    ) -> None:
        """Journal what became of the effect, settle the hold and feed the loop detector. Raises Stopped."""
        ...

    def before_model(self, call: ModelCall) -> Permit:
        """Take the worst-case cost from every budget in scope. Raises OverBudget or Stopped before any call is made."""
        ...

    def after_model(self, call: ModelCall, permit: Permit, usage: Usage | None, *, model: str | None) -> None:
        """Settle once. Unknown usage settles at the held amount."""
        ...


class Sink(Protocol):
    """Where finished records go: the local store, or a server."""

    def deliver(self, spans: Sequence[Span]) -> None:
        """Take a batch durably or raise (Unreachable, StoreFull): then the spool keeps it and tries again."""
        ...

    def close(self) -> None:
        """Release what is held open."""
        ...
