"""A guard with everything around it in reach, for the tests of the guard."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from control_double import Clock, Control, Ids

from tallystick.adapters.sealing import values_of
from tallystick.app.acting.feed import StoreFeed
from tallystick.app.acting.guard import GuardSettings, RunGuard
from tallystick.app.acting.identity import Identities
from tallystick.app.acting.policies import PolicyBook
from tallystick.cost.rates import RateCard, load_card
from tallystick.govern.policy import PolicyFile
from tallystick.model.control import ToolCall
from tallystick.model.guarding import ModelCall, ToolDeclaration, Verdict
from tallystick.model.journal import opened
from tallystick.model.step import Effect, EffectOutcome

LOOK = ToolDeclaration("look", Effect.READ, arguments={"id": "string"})
REFUND = ToolDeclaration(
    "refund", Effect.IRREVERSIBLE, arguments={"id": "string", "amount": "decimal"}, price_nano=5_000
)
TEXT = """
permit (principal, action == Action::"look", resource);
permit (principal, action == Action::"refund", resource) when { context.agent == "desk" };
@hold("finance") @because("Refunds over 100 need a yes from finance.")
forbid (principal, action == Action::"refund", resource)
when { context.args.amount.greaterThan(decimal("100.00")) }
unless { context.approvals.contains("finance") };
@because("Nobody refunds a negative amount.")
forbid (principal, action == Action::"refund", resource)
when { context.args.amount.lessThan(decimal("0.00")) };
"""


@cache
def shipped_card() -> RateCard:
    return load_card(json.loads(files("tallystick.cost").joinpath("card.json").read_text("utf-8")))


class House:
    """A guard with everything around it in reach."""

    def __init__(
        self, text: str | None = TEXT, *, tools: tuple[ToolDeclaration, ...] = (LOOK, REFUND),
        permissive: bool = False, waiter: Callable[[House, int], None] | None = None, asks: bool = False,
        control: Control | None = None, identities: Callable[[Clock], Identities] | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        """``asks``: whether the guard asks the registry; ``control``: the store of another house; ``identities`` makes
        what checks tokens."""
        self.clock = Clock() if control is None else control.clock
        self.control = Control(self.clock) if control is None else control
        self.ids = Ids()
        self.waits = 0
        policy = None if text is None else [PolicyFile("policies/desk.cedar", text)]
        self.said: list[str] = []
        self.book = PolicyBook(policy, tools, permissive=permissive, now=self.clock.now, say=self.said.append)
        self.feed = StoreFeed(self.control, self.clock) if asks else None
        self._waiter = waiter
        self.guard = RunGuard(
            self.control,
            self.clock,
            self.ids,
            self.book,
            shipped_card(),
            waiter=self._wait,
            settings=GuardSettings(**settings),
            feed=self.feed,
            identities=None if identities is None else identities(self.clock),
        )
        self.steps = 0

    def _wait(self, ns: int) -> None:
        self.waits += 1
        self.clock.at += ns
        if self._waiter is not None:
            self._waiter(self, ns)

    def call(self, tool: str, agent: str = "desk", run: str = "r1", **arguments: Any) -> ToolCall:
        self.steps += 1
        return ToolCall(run, f"s{self.steps}", agent, tool, "d", arguments, "w", self.steps)

    def ask(self, tool: ToolDeclaration, agent: str = "desk", run: str = "r1", **arguments: Any) -> Verdict:
        return self.guard.before_tool(self.call(tool.name, agent, run, **arguments), tool)

    def use(self, tool: ToolDeclaration, result: Any = "ok", run: str = "r1", **arguments: Any) -> Verdict:
        call = self.call(tool.name, run=run, **arguments)
        verdict = self.guard.before_tool(call, tool)
        if verdict.allowed:
            self.guard.after_tool(call, verdict, EffectOutcome.LANDED, result=result, error=None)
        return verdict

    def kinds(self) -> list[str]:
        self.guard.flush()
        return [entry.kind for entry in self.control.journal]

    def body(self, kind: str) -> dict[str, Any]:
        self.guard.flush()
        return dict([entry for entry in self.control.journal if entry.kind == kind][-1].body)

    def opened(self, kind: str) -> dict[str, Any]:
        """The last body of a kind with its contents open."""
        self.guard.flush()
        last = [entry for entry in self.control.journal if entry.kind == kind][-1]
        return dict(opened(last.body, values_of(self.control.openings([last.seq]).get(last.seq, ()))))


def model_call(run: str = "r1", model: str = "gpt-4o-mini", **request: Any) -> ModelCall:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "hello there"}],
        "max_tokens": 1000,
        **request,
    }
    return ModelCall(run, "s", "desk", "w", "openai", model, body)
