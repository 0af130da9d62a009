"""``@tallystick.tool`` and ``tallystick.guard``: tool calls that are decided before they run and recorded after."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar, overload

from opentelemetry import context as otel_context

from tallystick.model.control import Answer, Decision, PolicyState, ToolCall
from tallystick.model.errors import BadInput, Held, OverBudget, Stopped
from tallystick.model.step import Effect, EffectOutcome, Kind
from tallystick.sdk.active import Recording, recording
from tallystick.sdk.declaring import bound_arguments, declare, signature_of
from tallystick.sdk.edge import caught, edge
from tallystick.sdk.editing import can_edit, edited_call
from tallystick.sdk.running import remember_stop
from tallystick.sdk.runtime import ToolDeclaration, Verdict
from tallystick.sdk.tooltrace import ToolTrace
from tallystick.sdk.values import plain
from tallystick.sdk.wrapping import Call, wrap

F = TypeVar("F", bound=Callable[..., Any])

REFUSED = "This action was not allowed."
CHANGED_KEY = "changed_by_a_person"  # in a result that is a mapping, beside what the tool returned
_MARK = "__tallystick_tool__"
_RISKY = (
    None,
    Effect.WRITE,
    Effect.IRREVERSIBLE,
)  # None: nobody declared the effect, so the worst is assumed

_TOOL_KEY = "tallystick.tool"  # the tool step around, in OpenTelemetry's context


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    function: None = None, /, *, effect: Effect | str | None = None, data: Sequence[str] = (),
    authority: Sequence[str] = (), price: str | int | Decimal | None = None, kind: Kind | str = Kind.TOOL,
    name: str | None = None, description: str | None = None, recovery: str = "operator",
) -> Callable[[F], F]: ...  # fmt: skip
def tool(
    function: Callable[..., Any] | None = None, /, *, effect: Effect | str | None = None, data: Sequence[str] = (),
    authority: Sequence[str] = (), price: str | int | Decimal | None = None, kind: Kind | str = Kind.TOOL,
    name: str | None = None, description: str | None = None, recovery: str = "operator",
) -> Any:  # fmt: skip
    """Make a function a tool: every call asks the guard first, and is recorded.

    ``effect``: none | read | write | irreversible. ``data``: classes it touches. ``authority``: arguments that say who,
    where, which object or how much. ``price``: US dollars a call, as text. ``kind``: tool, or retrieval or memory.
    ``recovery``: retry | idempotent | reconcile | operator. A call that is not allowed returns one sentence for the
    model instead of a result; Stopped and OverBudget are raised, because they end the run. Raises ConfigError.
    """

    def decorate(inner: Callable[..., Any]) -> Callable[..., Any]:
        if isinstance(inner, staticmethod | classmethod):
            return type(inner)(decorate(inner.__func__))
        if hasattr(inner, _MARK):
            return inner
        declaration = declare(
            inner, name=name, effect=effect, description=description, data=data, authority=authority, price=price,
            recovery=recovery,
        )  # fmt: skip
        signature = signature_of(inner)
        what = Kind(kind)
        _make_known(declaration)

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
            active = recording()
            return Call() if active is None else ToolStep(active, declaration, what, signature, args, kwargs)

        wrapped = wrap(inner, begin)
        setattr(wrapped, _MARK, declaration)
        return wrapped

    return decorate if function is None else decorate(function)


def guard(
    function: Callable[..., Any], *, effect: Effect | str | None = None, data: Sequence[str] = (),
    authority: Sequence[str] = (), price: str | int | Decimal | None = None, kind: Kind | str = Kind.TOOL,
    name: str | None = None, description: str | None = None, recovery: str = "operator",
) -> Callable[..., Any]:  # fmt: skip
    """A guarded copy of an existing callable, its name, signature and schema kept; see ``tool`` for the settings."""
    decorate = tool(
        effect=effect, data=data, authority=authority, price=price, kind=kind, name=name, description=description,
        recovery=recovery,
    )  # fmt: skip
    return decorate(function)


_declared: dict[str, ToolDeclaration] = {}  # by name, the newest counts


def declared_tools() -> list[ToolDeclaration]:
    """Every tool declared in this process so far, by name."""
    return [_declared[name] for name in sorted(_declared)]


def _make_known(declaration: ToolDeclaration) -> None:
    """Rules that name a tool must be understood before its first call, so the guard hears of each at once."""
    if _declared.get(declaration.name) == declaration:
        return
    _declared[declaration.name] = declaration
    active = recording()
    if active is not None:
        tell_tools(active.guard, [declaration])


@edge("guard.know", None)
def tell_tools(guard: Any, tools: list[ToolDeclaration]) -> None:
    """Tell a guard that wants to know (it has ``know``) which tools there are."""
    know = getattr(guard, "know", None)
    if know is not None and tools:
        know(tools)


def declaration_of(function: Callable[..., Any]) -> ToolDeclaration | None:
    """What a tool declared, or None for a callable that is no tool."""
    found = getattr(function, _MARK, None)
    return found if isinstance(found, ToolDeclaration) else None


def outcome(what: EffectOutcome | str) -> None:
    """Inside a tool: say what became of its effect ("did not happen", "in doubt", "landed").

    Outside a tool it does nothing. Raises BadInput for another word.
    """
    if what not in tuple(EffectOutcome):
        raise BadInput(f"{what!r} is not an outcome", hint="one of: " + ", ".join(EffectOutcome))
    step = otel_context.get_value(_TOOL_KEY)
    if isinstance(step, ToolStep):
        step.said = EffectOutcome(what)


class ToolStep(Call):
    """One call of a tool, from the question to the guard until the outcome is told."""

    def __init__(
        self, active: Recording, declaration: ToolDeclaration, kind: Kind, signature: inspect.Signature | None,
        args: tuple[Any, ...], kwargs: dict[str, Any],
    ) -> None:  # fmt: skip
        self._guard = active.guard
        self.may_block = active.guard is not None
        self._closed_reads = active.closed_reads
        self._declaration = declaration
        self._trace = ToolTrace(active, declaration, kind)
        self._call: ToolCall | None = None
        self._verdict: Verdict | None = None
        self._told = False
        self._yielded: list[Any] = []
        self.said: EffectOutcome | None = None
        self._misfit: TypeError | None = None
        self._unclear: Exception | None = None
        self._signature = signature
        self._arguments = self._bind(signature, args, kwargs)
        if self._guard is None:
            self._trace.arguments(self._arguments)
        self.context = otel_context.set_value(_TOOL_KEY, self, self._trace.context)

    def _bind(
        self, signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The arguments by name, JSON-ready; notes when they do not fit, or cannot be judged."""
        try:
            bound: Any = bound_arguments(signature, args, kwargs)
        except TypeError as error:
            self._misfit = error
            bound = {"args": list(args), **kwargs}
        try:
            return plain(bound)
        except Exception as error:  # noqa: BLE001 - foreign objects; the guard's answer to it is no
            self._unclear = error
            return {}

    # -- before -------------------------------------------------------------------------------------------------

    def admit(self) -> str | None:
        """Ask the guard; returns the refusal for the model, or None. Raises Stopped or OverBudget.

        Arguments that do not fit the signature raise TypeError here, so that nothing runs that was not judged.
        """
        if self._guard is None:
            return None
        if self._misfit is not None:
            self._trace.arguments(self._arguments)
            self._trace.error(self._misfit, EffectOutcome.DID_NOT_HAPPEN)
            raise self._misfit
        try:
            verdict = self._decide()
        except (Stopped, OverBudget, Held):  # the step is closed, with its arguments
            raise
        except BaseException:
            self._trace.arguments(self._arguments)
            raise
        self._verdict = verdict
        # Not before: a rule may permit the call and say that an argument is not kept.
        self._trace.arguments(self._arguments, verdict.redact)
        self._trace.verdict(verdict)
        if verdict.allowed:
            return None
        self._trace.refused(verdict.text or REFUSED)
        return verdict.text or REFUSED

    def _decide(self) -> Verdict:
        guard = self._guard
        assert guard is not None
        try:
            if self._unclear is not None:
                raise self._unclear
            self._call = self._trace.call(self._arguments, editable=can_edit(self._signature))
            return guard.before_tool(self._call, self._declaration)
        except (Stopped, OverBudget) as stop:
            self._trace.arguments(self._arguments)
            self._stop(stop)
            raise
        except Held as held:
            self._trace.arguments(self._arguments)
            self._trace.held(held)
            raise
        except Exception as error:  # noqa: BLE001 - a guard that fails must not let risky effects pass
            caught("guard.before_tool", error, answered=True)
            return self._without_guard(error)

    def with_changes(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call as a person changed it, where one did. Raises BadInput where that cannot be: nothing happened."""
        verdict = self._verdict
        if verdict is None or verdict.arguments is None or self._signature is None:
            return args, kwargs
        try:
            made = edited_call(self._signature, args, kwargs, verdict.arguments, verdict.changed)
        except BadInput as error:
            self.said = EffectOutcome.DID_NOT_HAPPEN
            self.failed(error)
            raise
        self._trace.changed(verdict.arguments, verdict.changed, verdict.redact)
        return made

    def _without_guard(self, error: BaseException) -> Verdict:
        effect = self._declaration.effect
        closed = effect in _RISKY or (effect is Effect.READ and self._closed_reads) or self._unjudged(error)
        answer = Answer.DENY if closed else Answer.NOT_EVALUATED
        reason = f"the guard failed: {type(error).__name__}"
        decision = Decision("", answer, "", PolicyState.LOAD_FAILED, (reason,))
        return Verdict(not closed, decision, REFUSED if closed else "")

    def _unjudged(self, error: BaseException) -> bool:
        """Whether it is the call that cannot be judged, where rules are enforced: whoever makes a call so strange that
        nobody can judge it must not get past them."""
        enforces = getattr(self._guard, "enforces", None)
        if enforces is None or not (isinstance(error, BadInput) or self._unclear is not None):
            return False
        try:
            return bool(enforces())
        except Exception as fault:  # noqa: BLE001 - who cannot say whether rules are in force enforces them
            caught("guard.enforces", fault, answered=True)
            return True

    # -- after --------------------------------------------------------------------------------------------------

    def done(self, result: Any) -> Any:
        """Record the result, tell the guard, and add its warning to a text result. Raises Stopped."""
        shown = self._yielded if self._yielded and result is None else result
        what = self.said or EffectOutcome.LANDED
        self._trace.result(shown, what)
        self._tell(what, shown, None)
        warning = self._verdict.warning if self._verdict is not None else None
        if warning and isinstance(result, str):
            return f"{result}\n\n{warning}"
        if self._verdict is not None and self._verdict.changed and type(result) is dict:
            return {**result, CHANGED_KEY: warning}  # the model must read what was really done
        return result

    def item(self, item: Any) -> None:
        """Keep what a generator tool yields (at most 1,000 items) as its result."""
        if len(self._yielded) < 1_000:
            self._yielded.append(item)

    def failed(self, error: BaseException) -> None:
        """Record the error; an effect that had begun is in doubt, unless the tool said what became of it."""
        started = self._declaration.effect in _RISKY and self._misfit is None
        what = self.said or (EffectOutcome.IN_DOUBT if started else EffectOutcome.DID_NOT_HAPPEN)
        self._trace.error(error, what)
        self._tell(what, None, f"{type(error).__name__}: {error}")

    def abandoned(self) -> None:
        """A generator tool that nobody finished."""
        what = self.said or EffectOutcome.IN_DOUBT
        self._trace.result(self._yielded or None, what)
        self._tell(what, self._yielded or None, "abandoned")

    def never_ran(self) -> None:
        """Leave was given, then the caller was cancelled: nothing happened."""
        self._trace.refused(None)
        self._tell(EffectOutcome.DID_NOT_HAPPEN, None, "cancelled before it ran")

    def _tell(self, what: EffectOutcome, result: Any, error: str | None) -> None:
        guard, call, verdict = self._guard, self._call, self._verdict
        if guard is None or call is None or verdict is None or self._told:
            self._trace.close()
            return
        self._told = True
        try:
            guard.after_tool(call, verdict, what, result=_ready(result), error=error)
        except (Stopped, OverBudget) as stop:
            self._stop(stop)
            if error is None:  # the tool's own exception says more than the stop that follows from it
                raise
        except Exception as fault:  # noqa: BLE001 - the effect has happened; losing the result would hide it
            caught("guard.after_tool", fault, answered=True)
        finally:
            self._trace.close()

    def _stop(self, stop: Stopped | OverBudget) -> None:
        remember_stop(self._trace.state, stop)
        self._trace.error(stop, EffectOutcome.DID_NOT_HAPPEN if self._verdict is None else None)
        self._trace.close()


@edge("guard.result", None)
def _ready(result: Any) -> Any:
    return plain(result)
