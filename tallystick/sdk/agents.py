"""``@tallystick.agent``: a function that is an agent. Its calls are agent steps, and open a run where there is none."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from tallystick.model import attributes as names
from tallystick.model.step import Kind
from tallystick.sdk.active import Recording, recording
from tallystick.sdk.answers import mark_answer
from tallystick.sdk.edge import edge
from tallystick.sdk.place import Place, RunState, here
from tallystick.sdk.propagation import leg
from tallystick.sdk.running import GOAL_MAX, close_run, tell_guard
from tallystick.sdk.stepping import OpenStep, open_run, open_step
from tallystick.sdk.values import MAX_TEXT, cut_text, recorded_text
from tallystick.sdk.wrapping import Call, wrap

F = TypeVar("F", bound=Callable[..., Any])
_ITEMS_MAX = 10_000


@overload
def agent(function: F, /) -> F: ...
@overload
def agent(
    function: None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    workflow: str | None = None,
    words: str | None = None,
) -> Callable[[F], F]: ...
def agent(
    function: Callable[..., Any] | None = None, /, *, name: str | None = None, version: str | None = None,
    workflow: str | None = None, words: str | None = None,
) -> Any:  # fmt: skip
    """Make a function (sync, async, generator or async generator) an agent.

    ``name`` defaults to the function's name; ``version`` and ``workflow`` are stamped on every step inside. Arguments
    and result are recorded as input and output. ``words`` names the parameter that carries what the user said: where
    this agent opens the run, what they name there may be acted upon. Without an installed recording the function runs
    as it is.
    """

    def decorate(inner: Callable[..., Any]) -> Callable[..., Any]:
        declared = _Declared(
            name or str(getattr(inner, "__name__", type(inner).__name__)), version, workflow, words
        )
        try:
            signature: inspect.Signature | None = inspect.signature(inner)
        except (TypeError, ValueError):
            signature = None

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
            active = recording()
            if active is None:
                return Call()
            return _begin(active, declared, signature, args, kwargs)

        return wrap(inner, begin)

    return decorate if function is None else decorate(function)


@dataclass(frozen=True, slots=True)
class _Declared:
    """What the decorator says of an agent."""

    name: str
    version: str | None
    workflow: str | None
    words: str | None


@edge("agent.begin", Call())
def _begin(
    active: Recording, agent: _Declared, signature: inspect.Signature | None, args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Call:  # fmt: skip
    who, version, workflow = agent.name, agent.version, agent.workflow
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": who,
        names.KIND: Kind.AGENT.value,
        names.AGENT: who,
    }
    if version is not None:
        attributes[names.AGENT_VERSION] = version
    if active.contents:
        attributes[names.INPUT] = _shown(signature, args, kwargs)
    outer = here()
    if outer is not None:
        place = outer.within(agent=who, version=version)
        return AgentCall(active, open_step(active, f"invoke_agent {who}", attributes, place=place), None)
    called = leg(None, active.processor.generation)
    if called is not None:  # another process's run: this agent works for it
        place = Place(called, who, version, workflow or active.workflow)
        return AgentCall(active, open_step(active, f"invoke_agent {who}", attributes, place=place), None)
    said = _said(agent.words, signature, args, kwargs)
    if said is not None and active.contents:
        attributes[names.RUN_GOAL] = cut_text(said, GOAL_MAX)
    state = RunState(active.processor.generation, goal=said)
    place = Place(state, who, version, workflow or active.workflow)
    attributes[names.RUN_SOURCE] = "sdk"
    step = open_run(active, f"invoke_agent {who}", attributes, state, place)
    tell_guard(active, place)
    return AgentCall(active, step, state)


def _said(
    words: str | None, signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> str | None:  # fmt: skip
    """What the user said, in the parameter that carries it."""
    if words is None or signature is None:
        return None
    try:
        value = signature.bind(*args, **kwargs).arguments.get(words)
    except TypeError:
        return None
    return value if isinstance(value, str) else None


def _shown(signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    if len(args) == 1 and not kwargs and isinstance(args[0], str):
        return cut_text(args[0])
    try:
        bound = signature.bind(*args, **kwargs).arguments if signature is not None else None
    except TypeError:
        bound = None
    if bound is None:
        return recorded_text({"args": list(args), **kwargs})
    return recorded_text({key: value for key, value in bound.items() if key not in ("self", "cls")})


class AgentCall(Call):
    """One call of an agent; owns the run when it opened it."""

    def __init__(self, active: Recording, step: OpenStep, opened: RunState | None) -> None:
        self._active = active
        self._step = step
        self._opened = opened
        self._items: list[str] = []
        self._room = MAX_TEXT
        self.context = step.context

    def done(self, result: Any) -> Any:
        """Record the output and end the step."""
        self._note_output(result)
        self._end(None)
        return result

    @edge("agent.item", None)
    def item(self, item: Any) -> None:
        """Keep what a generator yields as its output, within bounds."""
        if self._active.contents and self._room > 0 and len(self._items) < _ITEMS_MAX:
            text = recorded_text(item, self._room)
            self._items.append(text)
            self._room -= len(text)

    def failed(self, error: BaseException) -> None:
        """End the step with the error."""
        self._end(error)

    def abandoned(self) -> None:
        """A generator that nobody finished: not an error, and its output so far is kept."""
        self._note_output(None)
        self._step.span.add_event("abandoned")
        self._end(None)

    @edge("agent.output", None)
    def _note_output(self, result: Any) -> None:
        if not self._active.contents:
            return
        if self._items and result is None:
            self._step.note({names.OUTPUT: "".join(self._items)})
        elif result is not None:
            self._step.note({names.OUTPUT: recorded_text(result)})
            mark_answer(self._active, self._step, result)

    def _end(self, error: BaseException | None) -> None:
        if self._opened is None:
            self._step.close(error)
        else:
            close_run(self._step, self._opened, error)
