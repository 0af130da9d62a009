"""What the SDK needs from the rest of the house, as the two Protocols that wiring fills in.

The SDK itself knows only the ground floor: importing it opens no store, starts no thread and loads no server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tallystick.model.contract import Broken
from tallystick.model.control import ToolCall
from tallystick.model.guarding import ModelCall, Permit, ToolDeclaration, Verdict
from tallystick.model.span import Span
from tallystick.model.step import EffectOutcome
from tallystick.model.usage import Usage

__all__ = ["Guard", "ModelCall", "Permit", "Sink", "ToolDeclaration", "Verdict"]


class Guard(Protocol):
    """The decision path. Blocking; the async SDK calls it in a worker thread."""

    def before_tool(self, call: ToolCall, declaration: ToolDeclaration) -> Verdict:
        """Decide one call, wait for an approval if it is held, and take what it may cost. Fails closed.

        Raises Stopped or OverBudget when the whole run must end.
        """
        ...

    def after_tool(
        self, call: ToolCall, verdict: Verdict, outcome: EffectOutcome, *, result: Any, error: str | None,
        broken: Broken | None = None,
    ) -> None:  # fmt: skip
        """Journal what became of the effect, settle the hold and feed the loop detector. Raises Stopped.

        ``broken`` is given only where the result breaks a contract.
        """
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
