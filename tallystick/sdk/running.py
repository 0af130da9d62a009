"""Runs: ``tallystick.run(...)``, and the run that an agent opens when nobody did."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as otel_context

from tallystick.model import attributes as names
from tallystick.model.errors import OverBudget, Stopped
from tallystick.model.money import nano_from_usd
from tallystick.model.step import Kind
from tallystick.sdk.active import Recording, recording
from tallystick.sdk.answers import mark_answer
from tallystick.sdk.edge import edge
from tallystick.sdk.place import Place, RunState, here
from tallystick.sdk.stepping import OpenStep, open_run, open_step
from tallystick.sdk.values import bounded_json, cut_text, recorded_text

GOAL_MAX = 4_000


class RunHandle:
    """One run, as a context manager (``with`` or ``async with``).

    Leaving it ends the run: ok, failed (an exception, or ``fail``) or stopped (the guard raised Stopped or OverBudget,
    even if the agent swallowed it). Exceptions pass through unchanged. Without an installed recording it does nothing.
    """

    def __init__(
        self, goal: str | None = None, *, workflow: str | None = None, agent: str | None = None,
        version: str | None = None, budget: str | int | Decimal | None = None,
    ) -> None:  # fmt: skip
        """``budget`` is US dollars ("0.50"), a hard limit for this run. Raises BadInput for what is no amount."""
        self._goal = goal
        self._workflow = workflow
        self._agent = agent
        self._version = version
        self._budget_nano = None if budget is None else nano_from_usd(budget)
        self._step: OpenStep | None = None
        self._state: RunState | None = None
        self._token: Any = None

    @property
    def id(self) -> str | None:
        """The run's id while and after it is open; None before, or when nothing is installed."""
        return self._state.run if self._state is not None else None

    def __enter__(self) -> Self:
        active = recording()
        if active is not None:
            self._begin(active)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            otel_context.detach(self._token)
            self._token = None
        if self._step is not None and self._state is not None:
            close_run(self._step, self._state, error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    @edge("run.begin", None)
    def _begin(self, active: Recording) -> None:
        outer = here()
        agent = self._agent or active.agent
        workflow = self._workflow or (outer.workflow if outer is not None else None) or active.workflow
        state = RunState(active.processor.generation, goal=self._goal, budget_nano=self._budget_nano)
        place = Place(state, agent, self._version, workflow)
        attributes: dict[str, Any] = {names.KIND: Kind.GOAL.value, names.RUN_SOURCE: "sdk"}
        if self._goal is not None:
            attributes[names.RUN_GOAL] = cut_text(self._goal, GOAL_MAX)
        if workflow is not None:
            attributes["gen_ai.operation.name"] = "invoke_workflow"
        name = f"run {workflow or agent or ''}".strip()
        self._state, self._step = state, open_run(active, name, attributes, state, place)
        self._token = otel_context.attach(self._step.context)
        tell_guard(active, place)

    def said(self, text: str) -> None:
        """The user said something more: what they name may be acted upon. Never give it what a model or a tool wrote.

        The run's ``goal`` counts as said.
        """
        if self._state is not None and self._state.run is not None:
            _heard(self._state.run, text)
        self._say("the user said", Kind.HUMAN, {names.INPUT: recorded_text(text)})

    def plan(self, steps: Sequence[Any]) -> None:
        """Record what the agent intends to do, as a list of steps (text, or JSON-ready values)."""
        self._say("plan", Kind.PLAN, {names.PLAN: bounded_json(list(steps))})

    def output(self, text: Any) -> None:
        """Record the run's answer."""
        shown = recorded_text(text)
        self._say("output", Kind.OUTPUT, {names.OUTPUT: shown}, text)
        if self._step is not None:
            self._step.note({names.OUTPUT: shown})

    def fail(self, reason: str) -> None:
        """Say that the run did not reach its goal; it ends as failed without an exception."""
        if self._state is not None and self._step is not None:
            self._state.failed = reason
            _mark_failed(self._step, reason)

    @edge("run.say", None)
    def _say(self, name: str, kind: Kind, attributes: dict[str, Any], answer: Any = None) -> None:
        active = recording()
        if active is None or self._step is None:
            return
        if not active.contents:
            attributes = {}
        step = open_step(active, name, {names.KIND: kind.value, **attributes})
        if answer is not None:
            mark_answer(active, step, answer)
        step.close()


@edge("guard.heard", None)
def _heard(run: str, text: str) -> None:
    active = recording()
    heard = getattr(active.guard, "heard", None) if active is not None else None
    if heard is not None:
        heard(run, text)


def run(
    goal: str | None = None, *, workflow: str | None = None, agent: str | None = None, version: str | None = None,
    budget: str | int | Decimal | None = None,
) -> RunHandle:  # fmt: skip
    """Open a run: ``with tallystick.run(goal="Resolve ticket 4711", workflow="support") as run: …``.

    A run inside a run is a run of its own, linked to the outer one. See RunHandle.
    """
    return RunHandle(goal, workflow=workflow, agent=agent, version=version, budget=budget)


@edge("run.mark_failed", None)
def _mark_failed(step: OpenStep, reason: str) -> None:
    from opentelemetry.trace import StatusCode

    step.span.set_status(StatusCode.ERROR, cut_text(reason, 1_000))
    step.note({"error.type": "failed"})


def close_run(step: OpenStep, state: RunState, error: BaseException | None) -> None:
    """End a run's root step; remembers a stop that passes through."""
    if isinstance(error, Stopped | OverBudget):
        remember_stop(state, error)
    for handoff in list(state.pending):
        handoff.end()
    step.close(error)
    _settle_guard()


@edge("guard.flush", None)
def _settle_guard() -> None:
    """When a run has ended, the journal has all of its decisions, also those that waited for company."""
    active = recording()
    flush = getattr(active.guard, "flush", None) if active is not None else None
    if flush is not None:
        flush()


def remember_stop(state: RunState | None, error: Stopped | OverBudget) -> None:
    """Note on the run what stopped it; kept even when the agent swallows the exception."""
    if state is None or state.stopped:
        return
    state.stopped = True
    if isinstance(error, OverBudget):
        state.stopped_by = "budget"
    else:
        by = error.detail.get("by")
        state.stopped_by = by if isinstance(by, str) else None


def tell_guard(active: Recording, place: Place) -> None:
    """Tell a guard that wants to know (it has ``open_run``) about a new run and its budget."""
    opened = getattr(active.guard, "open_run", None)
    state = place.state
    if opened is not None and state.run is not None:
        words = {} if state.goal is None else {"words": state.goal}
        opened(state.run, agent=place.agent, workflow=place.workflow, budget_nano=state.budget_nano, **words)
