"""Short steps that an agent says out loud: a handoff, a score."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as otel_context

from tallystick.model import attributes as names
from tallystick.model.step import Kind
from tallystick.sdk.active import Recording, recording
from tallystick.sdk.edge import edge
from tallystick.sdk.identity import handed
from tallystick.sdk.place import here
from tallystick.sdk.stepping import OpenStep, open_step
from tallystick.sdk.values import bounded_json, cut_text


class Handoff:
    """One handoff: a plain call records a moment; as a context manager it spans the work that was handed over."""

    def __init__(
        self, to: str, reason: str | None, payload: Any, rights: Sequence[str] | None = None,
        budget: str | int | Decimal | None = None, depth: int | None = None,
    ) -> None:  # fmt: skip
        self._to = to
        self._narrowing = (rights, budget, depth)
        self._step: OpenStep | None = None
        self._token: Any = None
        active = recording()
        if active is not None:
            self._begin(active, to, reason, payload)

    @edge("handoff.begin", None)
    def _begin(self, active: Recording, to: str, reason: str | None, payload: Any) -> None:
        place = here()
        attributes: dict[str, Any] = {
            names.KIND: Kind.HANDOFF.value,
            names.HANDOFF_TO: to,
            names.HANDOFF_FROM: place.agent if place is not None else active.agent,
            names.HANDOFF_REASON: cut_text(reason, 4_000) if reason is not None else None,
            names.HANDOFF_PAYLOAD: bounded_json(payload) if payload is not None and active.contents else None,
        }
        self._step = open_step(active, f"handoff to {to}", attributes)
        if place is not None:
            place.state.pending.add(self)

    @edge("handoff.end", None)
    def end(self, error: BaseException | None = None) -> None:
        """End the step; called by leaving the block, by forgetting the handoff, or at the end of the run."""
        step, self._step = self._step, None
        if step is None:
            return
        step.close(error)
        if step.place is not None:
            step.place.state.pending.discard(self)

    def __del__(self) -> None:
        if getattr(self, "_step", None) is not None:  # said in passing: the moment is over
            self.end()

    def __enter__(self) -> Self:
        active = recording()
        if active is not None:
            step = self._step
            context = step.context if step is not None else otel_context.get_current()
            place = step.place if step is not None else here()
            self._token = otel_context.attach(handed(active, self._to, place, context, *self._narrowing))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            otel_context.detach(self._token)
            self._token = None
        self.end(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def handoff(
    to: str, *, reason: str | None = None, payload: Any = None, rights: Sequence[str] | None = None,
    budget: str | int | Decimal | None = None, depth: int | None = None,
) -> Handoff:  # fmt: skip
    """Record that the agent at hand passes work to another: ``tallystick.handoff("writer", reason=…, payload=…)``.

    As ``with`` (or ``async with``) the steps inside belong to the handoff, and tools are called in the name of ``to``,
    with at most the rights of whoever passed the work on: ``rights`` (``"tool:NAME"``, ``"effect:read"``), ``budget``
    in US dollars for priced tools, and ``depth``, how often it may be passed on from there, narrow them.
    """
    return Handoff(to, reason, payload, rights, budget, depth)


def score(name: str, value: float | bool | str, *, explanation: str | None = None) -> None:
    """Record a score for the step at hand: a number, pass or fail as a bool, or a label as text."""
    active = recording()
    if active is not None:
        _score(active, name, value, explanation)


@edge("score", None)
def _score(active: Recording, name: str, value: float | bool | str, explanation: str | None) -> None:
    facts: dict[str, Any] = {"gen_ai.evaluation.name": name}
    if isinstance(value, bool):
        facts |= {
            "gen_ai.evaluation.score.value": float(value),
            "gen_ai.evaluation.score.label": _verdict(value),
        }
    elif isinstance(value, str):
        facts["gen_ai.evaluation.score.label"] = cut_text(value, 1_000)
    else:
        facts["gen_ai.evaluation.score.value"] = float(value)
    if explanation is not None:
        facts["gen_ai.evaluation.explanation"] = cut_text(explanation, 16_000)
    step = open_step(active, f"score {name}", {names.KIND: Kind.EVALUATION.value, **facts})
    step.span.add_event("gen_ai.evaluation.result", facts)
    step.close()


def _verdict(value: bool) -> str:
    return "pass" if value else "fail"
