"""Access: decisions for enforcement points elsewhere, and what became of the calls that they then made.

The path is the guard's own. What an enforcement point says of a run can lower trust in it, never raise it; the user's
words are taken from callers who may say them. Until it tells what a tool brought back, anything may have been read.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.app.acting.act import EFFECTS
from tallystick.app.acting.deferring import DeferringGuard
from tallystick.app.reading.shapes import time_text
from tallystick.model.control import Answer, ToolCall
from tallystick.model.errors import BadInput, Denied, OverBudget, Stopped, TallystickError, UnknownThing
from tallystick.model.guarding import Verdict
from tallystick.model.identity import Shown
from tallystick.model.labels import Integrity
from tallystick.model.people import Caller, Role, covers
from tallystick.model.step import Effect, EffectOutcome
from tallystick.ports import Clock, Ids

SILENT_NS: Final = 600_000_000_000  # an effect of which nothing was heard for so long is in doubt
SILENT: Final = "the enforcement point never told what became of it"
_MOST_OUT: Final = 10_000  # calls that were let through and not heard of
_WAYS: Final = {
    "execute_all": None,
    "deny_on_first_deny": False,
    "permit_on_first_permit": True,
}
SEMANTICS: Final = tuple(_WAYS)


@dataclass(frozen=True, slots=True)
class Question:
    """What an enforcement point asks. ``definition`` is the digest of the tool's definition as it has it.

    ``words`` are the user's. ``watermark``, ``classes`` and ``signs`` say what the run has read besides.
    """

    run: str
    agent: str
    tool: str
    arguments: Mapping[str, Any]
    workflow: str | None = None
    step: str | None = None
    definition: str = ""
    approval: str | None = None
    words: str | None = None
    watermark: Integrity | None = None
    classes: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)  # the agent's own, where it shows one


@dataclass(slots=True)
class _Out:
    """A call that was let through and not heard of. ``at`` is nanoseconds since the epoch."""

    call: ToolCall
    verdict: Verdict
    effect: Effect | None
    at: int


@dataclass(slots=True)
class Access:
    """Answers enforcement points. Safe to use from several threads."""

    guard: DeferringGuard
    clock: Clock
    ids: Ids
    _out: OrderedDict[str, _Out] = field(default_factory=OrderedDict)
    _runs: Counter[str] = field(default_factory=Counter)  # calls that are out, by run
    _told: set[str] = field(default_factory=set)  # whose outcome is being written, from the journal's word
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def evaluate(self, question: Question, by: Caller) -> dict[str, Any]:
        """One decision, as ``{"decision", "context"}``; ``by`` is who asks.

        Raises Denied for words of the user from who may not say them, BadInput, UnknownThing and the store's faults.
        """
        itself = _is_itself(question, by)
        if question.words and by.grant is None and not covers(by.role, Role.OPERATOR):
            raise Denied(
                "what the user said is told by the agent itself or an operator, not by any program",
                hint="send context.words with the agent's own token, or that of an operator or admin",
            )
        self.sweep()
        if (
            itself
        ):  # of others' runs an agent says nothing; what it asks in their name is refused, and written down
            self._tell(question)
        call = ToolCall(
            question.run, question.step or self.ids.new("stp"), question.agent, question.tool, question.definition,
            question.arguments, question.workflow,
            token=None if question.token is None else Shown(question.token, question.run),
        )  # fmt: skip
        try:
            if question.approval is None:
                verdict = self.guard.decide(call, known=itself)
            else:
                verdict = self.guard.decide_again(call, question.approval)
        except (Stopped, OverBudget) as stop:
            return _stopped(stop)
        if verdict.allowed:
            self._remember(call, verdict)
        return self._answer(verdict)

    def evaluate_all(
        self, questions: list[Question | TallystickError], by: Caller, semantic: str = "execute_all"
    ) -> list[dict[str, Any]]:
        """Decisions in order; ``semantic`` says at which answer to end. What cannot be read or decided is a no."""
        if semantic not in _WAYS:
            raise BadInput(f"{semantic[:80]!r} is no evaluations_semantic", hint=", ".join(_WAYS))
        ends, found = _WAYS[semantic], list[dict[str, Any]]()
        for question in questions:
            try:
                if isinstance(question, TallystickError):
                    raise question
                answer = self.evaluate(question, by)
            except TallystickError as error:
                told = {"status": error.http_status, "code": error.code, "message": error.message}
                answer = {"decision": False, "context": {"error": told}}
            found.append(answer)
            if answer["decision"] is ends:
                break
        return found

    def outcome(
        self,
        decision: str,
        outcome: str,
        by: Caller,
        *,
        result: Any = None,
        told: bool = False,
        error: str | None = None,
    ) -> dict[str, Any]:
        """What became of a call that was let through. ``told``: whether a result was sent.

        Raises UnknownThing where nothing is waited for, BadInput, Stopped and the store's faults.
        """
        if outcome not in tuple(EffectOutcome):
            raise BadInput(f"{outcome[:80]!r} is not an outcome", hint="one of: " + ", ".join(EffectOutcome))
        with self._lock:
            waits = self._out.get(decision)
            others = waits is not None and not _may_tell(by, waits.call)
            out = None if others else self._taken(decision)
            if out is None and not others:  # it was let through before this server started
                out = self._let_through_before(decision)
                if out is not None and not _may_tell(by, out.call):
                    out = None
                if out is not None:
                    self._told.add(decision)
        if out is None:
            raise UnknownThing(
                f"no call with the decision {decision[:80]!r} waits for its outcome",
                hint="an outcome is told once, within ten minutes; after that the effect stands as in doubt",
            )
        what = EffectOutcome(outcome)
        ran = what is not EffectOutcome.DID_NOT_HAPPEN
        try:
            if ran and not told and error is None:
                self.guard.lower(out.call.run, Integrity.THIRD_PARTY)
            self.guard.after_tool(out.call, out.verdict, what, result=result, error=error)
        except (Stopped, OverBudget):
            raise
        except TallystickError:  # nothing was written: it may be told again
            self._put(out)
            raise
        finally:
            self._told.discard(decision)
        return {"decision": decision, "outcome": what.value}

    def _let_through_before(self, decision: str) -> _Out | None:
        """An effect of which the journal waits to hear, and that no process of its own runs."""
        if decision in self._told:
            return None
        found = self.guard.unheard(decision)
        if found is None or self.clock.now() - found[2] >= SILENT_NS:
            return None
        call, verdict, at = found
        return _Out(call, verdict, self.guard.effect_of(call.tool), at)

    def sweep(self, *, everything: bool = False) -> int:
        """Write effects of which nothing was heard for long (or ``everything``) down as in doubt; returns how many."""
        now, late = self.clock.now(), list[_Out]()
        with self._lock:
            while self._out:
                key, out = next(iter(self._out.items()))  # they stand in the order in which they went out
                if not everything and now - out.at < SILENT_NS:
                    break
                late.append(out)
                self._taken(key)
        for out in late:
            self._lose(out)
        return len(late)

    def keep_up(self) -> None:
        """What is to be done every few seconds, also where nobody asks: see ``sweep``; decisions are written."""
        self.sweep()
        self.guard.flush()

    def close(self) -> None:
        """Nothing will be heard any more: what is out is in doubt. Then every decision is written."""
        self.sweep(everything=True)
        self.guard.close()

    def _lose(self, out: _Out) -> None:
        self.guard.lower(out.call.run, Integrity.THIRD_PARTY)
        if out.effect in EFFECTS or out.verdict.decision.hold is not None:
            what = EffectOutcome.IN_DOUBT
            self.guard.after_tool(out.call, out.verdict, what, result=None, error=SILENT)

    def _tell(self, question: Question) -> None:
        """What is known of the run before this question."""
        if question.words:
            self.guard.hear(question.run, question.words)
        if question.watermark is not None or question.classes or question.signs:
            least = question.watermark or Integrity.SYSTEM
            self.guard.lower(question.run, least, question.classes, question.signs)
        with self._lock:
            silent = question.run in self._runs
        if silent:  # a call of this run is out, or its answer was never told: the model may have read it
            self.guard.lower(question.run, Integrity.THIRD_PARTY)

    def _remember(self, call: ToolCall, verdict: Verdict) -> None:
        self._put(_Out(call, verdict, self.guard.effect_of(call.tool), self.clock.now()))
        with self._lock:
            lost = self._taken(next(iter(self._out))) if len(self._out) > _MOST_OUT else None
        if lost is not None:
            self._lose(lost)

    def _put(self, out: _Out) -> None:
        with self._lock:
            self._out[out.verdict.decision.id] = out
            self._runs[out.call.run] += 1

    def _taken(self, decision: str) -> _Out | None:
        """The call, waited for no longer. Whoever calls holds the lock."""
        out = self._out.pop(decision, None)
        if out is not None:
            self._runs[out.call.run] -= 1
            if not self._runs[out.call.run]:
                del self._runs[out.call.run]
        return out

    def _answer(self, verdict: Verdict) -> dict[str, Any]:
        """The decision as an enforcement point is told it: people read the reasons in the journal."""
        decision = verdict.decision
        told: dict[str, Any] = {
            "effect": decision.answer.value, "id": decision.id, "policy": decision.policy_digest,
            "policy_state": decision.policy_state.value, "because": decision.because, "text": verdict.text or None,
        }  # fmt: skip
        if verdict.allowed:
            told["redact"], told["warning"] = list(verdict.redact), verdict.warning
            told["outcome"] = {"method": "POST", "path": "/access/v1/outcome", "decision": decision.id}
        elif decision.answer is Answer.HOLD and decision.approval is not None:
            expires = self.guard.expires(decision.approval)
            told["approval"] = {
                "id": decision.approval, "group": decision.group, "expires": time_text(expires),
                "page": f"/approvals/{decision.approval}",
                "again": {"path": "/access/v1/evaluation", "context": {"approval": decision.approval}},
            }  # fmt: skip
        return {"decision": verdict.allowed, "context": told}


def _is_itself(question: Question, by: Caller) -> bool:
    """Whether the caller may speak for this agent in this run: an agent with a token speaks for itself alone."""
    grant = by.grant
    if grant is None:
        return True
    return grant.agent == question.agent and (not grant.runs or question.run in grant.runs)


def _may_tell(by: Caller, call: ToolCall) -> bool:
    """Whether a caller may say what became of a call: an agent with a token only of its own."""
    return by.grant is None or by.grant.agent == call.agent


def _stopped(stop: Stopped | OverBudget) -> dict[str, Any]:
    """The run is over; what a model may read of it is that."""
    text = "This run was stopped. No further action is allowed in it."
    return {
        "decision": False,
        "context": {
            "effect": "deny",
            "stopped": True,
            "by": str(stop.detail.get("by", "budget")),
            "text": text,
        },
    }
