"""One call of a tool on its way: the question to the guard, the body, what came back, and what follows it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import context as otel_context

from tallystick.model.contract import Broken, Difference, OnBroken, broken_by, what_follows
from tallystick.model.control import Answer, Decision, PolicyState, ToolCall
from tallystick.model.errors import BadInput, Held, OverBudget, Stopped
from tallystick.model.step import Effect, EffectOutcome, Kind
from tallystick.sdk.active import Recording
from tallystick.sdk.declaring import bound_arguments
from tallystick.sdk.deeds import Deed, deed_here, function_of
from tallystick.sdk.edge import caught, edge
from tallystick.sdk.editing import can_edit, edited_call
from tallystick.sdk.ensuring import Promise, ReadBack, outcome_by, unkept
from tallystick.sdk.returning import Compare
from tallystick.sdk.running import remember_stop
from tallystick.sdk.runtime import ToolDeclaration, Verdict
from tallystick.sdk.tooltrace import ToolTrace
from tallystick.sdk.values import plain
from tallystick.sdk.wrapping import Call

REFUSED: Final = "This action was not allowed."
CHANGED_KEY: Final = "changed_by_a_person"  # in a result that is a mapping, beside what the tool returned
TOOL_KEY: Final = "tallystick.tool"  # the tool step around, in OpenTelemetry's context
_RISKY: Final = (
    None,
    Effect.WRITE,
    Effect.IRREVERSIBLE,
)  # None: nobody declared the effect, so the worst is assumed
_MOST_TRIES: Final = 3  # of a call whose result breaks its contract


@dataclass(frozen=True, slots=True)
class Made:
    """A tool as its decorator made it."""

    declaration: ToolDeclaration
    promise: Promise
    kind: Kind
    signature: inspect.Signature | None
    returns: Compare | None


class ToolStep(Call):
    """One call of a tool, from the question to the guard until the outcome is told."""

    def __init__(self, active: Recording, made: Made, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._guard = active.guard
        self.may_block = active.guard is not None
        self._closed_reads = active.closed_reads
        self._made = made
        self._declaration = made.declaration
        self._deed: Deed | None = deed_here(made.declaration.name)
        self._trace = ToolTrace(active, made.declaration, made.kind)
        self._call: ToolCall | None = None
        self._verdict: Verdict | None = None
        self._told = False
        self._yielded: list[Any] = []
        self.said: EffectOutcome | None = None
        self._misfit: TypeError | None = None
        self._unclear: Exception | None = None
        self._bound: Mapping[str, Any] = {}
        self._arguments = self._bind(made.signature, args, kwargs)
        if self._guard is None:
            self._trace.arguments(self._arguments)
        self.context = otel_context.set_value(TOOL_KEY, self, self._trace.context)

    def _bind(
        self, signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The arguments by name, JSON-ready; notes when they do not fit, or cannot be judged."""
        try:
            bound: Any = bound_arguments(signature, args, kwargs)
            self._bound = bound
        except TypeError as error:
            self._misfit = error
            bound = {"args": list(args), **kwargs}
        try:
            return plain(bound)
        except Exception as error:  # noqa: BLE001 - foreign objects; the guard's answer to it is no
            self._unclear = error
            return {}

    @property
    def tries(self) -> int:
        """How often the same call was made, with this one."""
        return self.repeats.tries + 1 if isinstance(self.repeats, ToolStep) else 1

    @property
    def key(self) -> str | None:
        """The idempotency key that the body was given."""
        return self._verdict.key[1] if self._verdict is not None and self._verdict.key is not None else None

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
        self._trace.repeats(self.tries)
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
            deed = self._deed
            before = self.repeats.key if isinstance(self.repeats, ToolStep) else None
            self._call = self._trace.call(
                self._arguments,
                editable=can_edit(self._made.signature),
                undoes=deed.undoes if deed else None,
                key=before or (deed.key if deed else None),
            )
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

    def given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments as they were judged, or as a person changed them, and the idempotency key in its place.

        Raises BadInput where the change cannot be made: then nothing happened.
        """
        args, kwargs = self._with_changes(args, kwargs)
        key, signature = self._verdict.key if self._verdict is not None else None, self._made.signature
        if key is None or signature is None or key[0] not in signature.parameters:
            return args, kwargs
        bound = signature.bind(*args, **kwargs)
        bound.arguments[key[0]] = key[1]
        return bound.args, bound.kwargs

    def _with_changes(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        verdict, signature = self._verdict, self._made.signature
        if verdict is None or verdict.arguments is None or signature is None:
            return args, kwargs
        try:
            made = edited_call(signature, args, kwargs, verdict.arguments, verdict.changed)
            self._bound = bound_arguments(signature, *made)
        except BadInput as error:
            self.said = EffectOutcome.DID_NOT_HAPPEN
            self.failed(error)
            raise
        self._trace.changed(verdict.arguments, verdict.changed, verdict.redact)
        return made

    # -- after --------------------------------------------------------------------------------------------------

    def done(self, result: Any) -> Any:
        """Record the result, hold it against its contract, tell the guard, and do what follows. Raises Stopped."""
        shown = self._yielded if self._yielded and result is None else result
        what = self.said or EffectOutcome.LANDED
        ready = _ready(shown)
        broken = self._held_against(result, ready)
        if broken is not None:
            self._trace.broken(broken)
        self._trace.result(shown, what)
        self._tell(what, ready, None, broken)
        warning = self._verdict.warning if self._verdict is not None else None
        if warning and isinstance(result, str):
            return f"{result}\n\n{warning}"
        if self._verdict is not None and self._verdict.changed and type(result) is dict:
            return {**result, CHANGED_KEY: warning}  # the model must read what was really done
        return result

    def _held_against(self, result: Any, ready: Any) -> Broken | None:
        """The contract that the result breaks. What cannot be held against it breaks it."""
        made, verdict = self._made, self._verdict
        found: tuple[Difference, ...] = ()
        if made.returns is not None and not self._yielded:
            found = made.returns(result)
        if made.promise.ensures:
            found += self._inside(lambda: unkept(made.promise, self._bound, self._yielded or result))
        contracts = getattr(self._guard, "contracts", None)
        follows = what_follows(self._declaration.on_broken, self._declaration.effect)
        if contracts is None or verdict is None or self._call is None:
            return broken_by(found, follows)
        try:
            broken: Broken | None = contracts.check(self._call, verdict, ready, found)
        except Exception as error:  # noqa: BLE001 - what nobody could check does not hold
            caught("guard.contracts", error, answered=True)
            reason = Difference.of("output", f"it could not be checked: {type(error).__name__}")
            return broken_by((*found, reason), follows)
        return broken

    def _inside(self, ask: Callable[[], Any]) -> Any:
        """Ask with this step around, so that what is read belongs to it."""
        token = otel_context.attach(self.context) if self.context is not None else None
        try:
            return ask()
        finally:
            if token is not None:
                otel_context.detach(token)

    def item(self, item: Any) -> None:
        """Keep what a generator tool yields (at most 1,000 items) as its result."""
        if len(self._yielded) < 1_000:
            self._yielded.append(item)

    def failed(self, error: BaseException) -> None:
        """Record the error; an effect that had begun is in doubt, unless the tool said what became of it."""
        started = self._declaration.effect in _RISKY and self._misfit is None
        what = self.said or (EffectOutcome.IN_DOUBT if started else EffectOutcome.DID_NOT_HAPPEN)
        if what is EffectOutcome.IN_DOUBT and started and isinstance(error, Exception):
            what = self._reconciled()
        self._trace.error(error, what)
        self._tell(what, None, f"{type(error).__name__}: {error}")

    def _reconciled(self) -> EffectOutcome:
        """Ask the declared read at once what became of the effect; without a clear answer it stays in doubt."""
        reconcile = self._made.promise.reconcile
        declared = self._verdict.reconcile if self._verdict is not None else None
        if reconcile is None and declared is not None:
            read = function_of(declared.tool)
            if read is not None:
                reconcile = ReadBack(read, declared.arguments, declared.landed, declared.absent)
        if reconcile is None:
            return EffectOutcome.IN_DOUBT
        ask = reconcile
        try:
            found: EffectOutcome = self._inside(lambda: outcome_by(ask, self._bound))
        except Exception as error:  # noqa: BLE001 - foreign code: what it cannot say is not known
            caught("tool.reconcile", error, answered=True)
            return EffectOutcome.IN_DOUBT
        return found

    def abandoned(self) -> None:
        """A generator tool that nobody finished."""
        what = self.said or EffectOutcome.IN_DOUBT
        self._trace.result(self._yielded or None, what)
        self._tell(what, _ready(self._yielded or None), "abandoned")

    def never_ran(self) -> None:
        """Leave was given, then the caller was cancelled: nothing happened."""
        self._trace.refused(None)
        self._tell(EffectOutcome.DID_NOT_HAPPEN, None, "cancelled before it ran")

    def _tell(
        self, what: EffectOutcome, result: Any, error: str | None, broken: Broken | None = None
    ) -> None:
        """Tell the guard what became of the call, and do what follows a broken contract. Raises Stopped."""
        guard, call, verdict = self._guard, self._call, self._verdict
        if guard is None or call is None or verdict is None or self._told:
            self._trace.close()
            return
        self._told = True
        try:
            if broken is None:
                guard.after_tool(call, verdict, what, result=result, error=error)
            else:
                guard.after_tool(call, verdict, what, result=result, error=error, broken=broken)
                self._follow(guard, call, verdict, broken)
        except (Stopped, OverBudget) as stop:
            self._stop(stop)
            if error is None:  # the tool's own exception says more than the stop that follows from it
                raise
        except Exception as fault:
            caught("guard.after_tool", fault, answered=True)
            if broken is not None and broken.then is not OnBroken.RECORD:
                raise Stopped(f"the run was stopped: {broken.text}", by="contract") from fault
        finally:
            self._trace.close()

    def _follow(self, guard: Any, call: ToolCall, verdict: Verdict, broken: Broken) -> None:
        """What follows a broken contract that the journal has. Raises Stopped."""
        if broken.then is OnBroken.RETRY and self.may_repeat and self.tries < _MOST_TRIES:
            self.again = True
            return
        contracts = getattr(guard, "contracts", None)
        if contracts is not None:
            contracts.follow(call, verdict, broken)

    def _stop(self, stop: Stopped | OverBudget) -> None:
        remember_stop(self._trace.state, stop)
        self._trace.error(stop, EffectOutcome.DID_NOT_HAPPEN if self._verdict is None else None)
        self._trace.close()


@edge("guard.result", None)
def _ready(result: Any) -> Any:
    return plain(result)
