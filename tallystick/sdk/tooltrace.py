"""The recorded side of a tool call: its span, and what is written on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context

from tallystick.model import attributes as names
from tallystick.model.control import ToolCall
from tallystick.model.masking import mark_of
from tallystick.model.step import Effect, EffectOutcome, Kind
from tallystick.sdk.active import Recording
from tallystick.sdk.edge import edge
from tallystick.sdk.identity import for_call
from tallystick.sdk.place import RunState
from tallystick.sdk.runtime import ToolDeclaration, Verdict
from tallystick.sdk.stepping import OpenStep, open_step
from tallystick.sdk.values import bounded_json, cut_text, recorded_text

_OPERATIONS = {Kind.RETRIEVAL: "retrieval", Kind.MEMORY: "search_memory"}
_SAYS_OUTCOME = (None, Effect.WRITE, Effect.IRREVERSIBLE)


class ToolTrace:
    """Writes a tool's step. A fault in here is contained: it neither stops nor lets through a call."""

    def __init__(self, active: Recording, declaration: ToolDeclaration, kind: Kind) -> None:
        self._active = active
        self._declaration = declaration
        self._step: OpenStep | None = self._open(kind)

    @edge("tool.begin", None)
    def _open(self, kind: Kind) -> OpenStep | None:
        declared = self._declaration
        attributes = {
            "gen_ai.operation.name": _OPERATIONS.get(kind, "execute_tool"),
            "gen_ai.tool.name": declared.name,
            "gen_ai.tool.type": "datastore" if kind is Kind.RETRIEVAL else "function",
            "gen_ai.tool.description": cut_text(declared.description, 500) or None,
            names.KIND: kind.value,
            names.TOOL_DIGEST: declared.digest or None,
            names.EFFECT: declared.effect.value if declared.effect is not None else None,
            names.DATA_CLASSES: list(declared.data) or None,
        }
        return open_step(self._active, f"execute_tool {declared.name}", attributes)

    @property
    def context(self) -> Context | None:
        """Where the tool's body belongs."""
        return self._step.context if self._step is not None else None

    @property
    def state(self) -> RunState | None:
        """The run's state, when the call is part of a run."""
        place = self._step.place if self._step is not None else None
        return place.state if place is not None else None

    def call(self, arguments: Any) -> ToolCall:
        """The proposal as the guard sees it."""
        step = self._step
        place = step.place if step is not None else None
        agent = (place.agent if place is not None else None) or self._active.agent or ""
        agent, token = for_call(self._active, agent)
        return ToolCall(
            run=step.run if step is not None else self._active.ids.new("run"),
            step=step.step if step is not None else self._active.ids.new("step"),
            agent=agent,
            tool=self._declaration.name,
            tool_digest=self._declaration.digest,
            arguments=arguments,
            workflow=place.workflow if place is not None else self._active.workflow,
            seq=step.seq if step is not None else 0,
            token=token,
        )

    @edge("tool.arguments", None)
    def arguments(self, arguments: Any, redact: Sequence[str] = ()) -> None:
        """Record what the tool was called with, without the values of the arguments to ``redact``."""
        if self._step is not None and self._active.contents:
            if redact and isinstance(arguments, Mapping):
                arguments = {
                    name: mark_of("argument") if name in redact else value
                    for name, value in arguments.items()
                }
            self._step.note({"gen_ai.tool.call.arguments": bounded_json(arguments)})

    @edge("tool.verdict", None)
    def verdict(self, verdict: Verdict) -> None:
        """Record the guard's answer."""
        if self._step is None:
            return
        decision = verdict.decision
        self._step.note(
            {
                names.DECISION: decision.answer.value,
                names.DECISION_ID: decision.id or None,
                names.DECISION_REASONS: list(decision.reasons) or None,
                names.POLICY: decision.policy_digest or None,
                names.APPROVAL: decision.approval,
                names.HOLD: decision.hold,
                names.TOOL_PRICE: self._price(verdict),
                names.LOOP: True if verdict.looping else None,
            }
        )

    def _price(self, verdict: Verdict) -> int | None:
        if not verdict.allowed:
            return None  # what did not run cost nothing
        return verdict.price_nano if verdict.price_nano is not None else self._declaration.price_nano

    @edge("tool.result", None)
    def result(self, result: Any, outcome: EffectOutcome) -> None:
        """Record what came back."""
        self._outcome(outcome)
        self._price_without_guard()
        if self._step is not None and self._active.contents and result is not None:
            self._step.note({"gen_ai.tool.call.result": recorded_text(result)})
        self._end_unless_guarded()

    @edge("tool.error", None)
    def error(self, error: BaseException, outcome: EffectOutcome | None) -> None:
        """Record that the call failed."""
        if outcome is not None:
            self._outcome(outcome)
        self._price_without_guard()
        if self._step is not None:
            self._step.close(error)

    @edge("tool.refused", None)
    def refused(self, text: str | None) -> None:
        """Record that the body did not run, and what the model was told."""
        if self._step is not None:
            self._outcome(EffectOutcome.DID_NOT_HAPPEN)
            if text is not None:
                self._step.note({"gen_ai.tool.call.result": text})
        self.close()

    def _outcome(self, outcome: EffectOutcome) -> None:
        if self._step is not None and self._declaration.effect in _SAYS_OUTCOME:
            self._step.note({names.EFFECT_OUTCOME: outcome.value})

    def _price_without_guard(self) -> None:
        if self._step is not None and self._active.guard is None:
            self._step.note({names.TOOL_PRICE: self._declaration.price_nano})

    def _end_unless_guarded(self) -> None:
        # With a guard the step stays open until the guard was told, so that a stop is seen on this very step.
        if self._active.guard is None:
            self.close()

    def close(self) -> None:
        """End the step."""
        if self._step is not None:
            self._step.close()
