"""The effect desk: what became of consequential calls, the queue of those in doubt, and what can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.app.acting import effects
from tallystick.app.acting.decided import Missing, inputs_of
from tallystick.app.acting.spend import settled_hold
from tallystick.app.reading.shapes import time_text
from tallystick.model.control import Deed, EffectState
from tallystick.model.errors import BadInput, Conflict, UnknownThing
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.journal import Entry, opened
from tallystick.model.masking import mask_text
from tallystick.model.step import EffectOutcome
from tallystick.ports import ControlStore

_LONGEST: Final = 1_000  # characters of a reason
_MOST: Final = 1_000
_ABSENT: Final = object()
ANSWERS: Final = ("landed", "did-not-happen")
_NOW: Final[Mapping[str, str]] = {
    "retry": "it may be repeated: tally effects reconcile --repeat --module …",
    "idempotent": "it may be repeated with the same key: tally effects reconcile --repeat --module …",
    "reconcile": "a read can tell: tally effects reconcile --module …",
    "operator": "look where it would have happened, then: tally effects settle EFFECT landed --because …",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A consequential call as the journal has it: its tool, its arguments and its result, as far as they are kept."""

    deed: Deed
    step: str
    tool: ToolDeclaration | None
    arguments: Mapping[str, Any]
    result: Any
    why: str | None = None  # why it cannot be repeated or taken back: what is not kept


@dataclass(frozen=True, slots=True)
class EffectDesk:
    """Answers questions about effects, and settles them. ``alive``: whether a named process lives (None: not known)."""

    control: ControlStore
    alive: Callable[[str], bool | None]

    def effects(
        self, *, in_doubt: bool = False, run: str | None = None, limit: int = 200
    ) -> Mapping[str, Any]:
        """``{"effects": [effect]}``, newest first."""
        found = self.control.effects(unsettled=in_doubt, run=run, limit=_MOST if in_doubt else limit)
        rows = [self._row(one) for one in found]
        if in_doubt:
            rows = [row for row in rows if row["state"] == EffectState.IN_DOUBT.value]
        return {"effects": rows[:limit]}

    def effect(self, effect: str) -> Mapping[str, Any]:
        """One effect with the arguments of its call, what came back, and what can be done about it."""
        call = self.call(self.control.effect(effect))
        row, deed = self._row(call.deed), call.deed
        in_doubt = row["state"] == EffectState.IN_DOUBT.value
        return {
            **row, "step": call.step, "arguments": dict(call.arguments), "result": call.result,
            "next": _NOW.get(deed.recovery, _NOW["operator"]) if in_doubt else None, "undo": self._undo(call),
        }  # fmt: skip

    def settle(self, effect: str, answer: str, *, by: str, because: str) -> Mapping[str, Any]:
        """Say what became of an effect in doubt, and settle the money held for it.

        ``answer`` is "landed" or "did-not-happen". Raises Conflict where it is settled, or still runs.
        """
        if answer not in ANSWERS:
            raise BadInput(f"{answer!r} settles nothing", hint=" or ".join(ANSWERS))
        deed, reason = self.control.effect(effect), _reason(because)
        if deed.state is EffectState.STARTED and deed.process and self.alive(deed.process):
            raise Conflict(
                f"effect {deed.effect} is still running", hint="wait until its process is done with it"
            )
        outcome = EffectOutcome(answer.replace("-", " "))
        draft = effects.settled(deed, outcome, by=by, because=reason)
        hold = settled_hold(self.control, deed, landed=outcome is EffectOutcome.LANDED)
        try:
            self.control.append([draft] if hold is None else [draft, hold])
        except Conflict:
            if hold is None:
                raise
            self.control.append([draft])  # the hold's time was up, and it was settled as spent
        return self._row(self.control.effect(deed.effect))

    def undoable(self, run: str) -> Mapping[str, Any]:
        """``{"effects": [{effect, step, tool, state, undo, undone_by, why}]}``: what of a run can be taken back."""
        rows = []
        for deed in self.control.effects(run=run, limit=_MOST):
            if self._state(deed) is not EffectState.DID_NOT_HAPPEN:
                rows.append({"effect": deed.effect, "tool": deed.tool, "state": self._state(deed).value}
                            | self._undo(self.call(deed)))  # fmt: skip
        return {"effects": rows}

    def landed_at(self, run: str, step: str) -> Deed:
        """The effect of a step (an unambiguous prefix of its id, or of the effect's). Raises UnknownThing."""
        found = [
            one for one in self.control.effects(run=run, limit=_MOST) if step and one.effect.startswith(step)
        ]
        if not found:
            for one in self.control.effects(run=run, limit=_MOST):
                made = self._decision(one)
                if step and made is not None and str(made.body["step"]).startswith(step):
                    found.append(one)
        if len(found) != 1:
            many = "no effect" if not found else "several effects"
            raise UnknownThing(
                f"{many} of run {run[:12]} stand at step {step!r}", hint=f"tally runs show {run[:12]}"
            )
        return found[0]

    def call(self, deed: Deed) -> Call:
        """What was called, from the journal."""
        made = self._decision(deed)
        if made is None:
            return Call(deed, "", None, {}, None, "its decision is not in the journal")
        openings = {one.commitment: one for one in self.control.openings([made.seq]).get(made.seq, ())}
        texts = {}
        try:
            texts[made.body["declaration"]] = self.control.text(made.body["declaration"])
        except UnknownThing:
            return Call(deed, made.body["step"], None, {}, None, "the tool's declaration is not kept")
        inputs = inputs_of(made.body, openings, texts)
        if isinstance(inputs, Missing):
            return Call(deed, made.body["step"], None, {}, None, inputs.why)
        why = next((f"argument {name} is not kept ({said})" for name, said in inputs.withheld.items()), None)
        return Call(deed, made.body["step"], inputs.tool, inputs.call.arguments, self._result(deed), why)

    def _undo(self, call: Call) -> dict[str, Any]:
        """``{"step", "undo": {"tool", "arguments"} | None, "undone_by", "why"}``."""
        follow = call.tool.undo if call.tool is not None else None
        row: dict[str, Any] = {"step": call.step, "undo": None, "undone_by": None, "why": None}
        if follow is None:
            return row | {"why": call.why or "its tool declares no undo"}
        others = self.control.effects(tool=follow.tool, limit=_MOST)
        row["undone_by"] = next((one.effect for one in others if one.undoes == call.deed.effect
                                 and one.state is EffectState.LANDED), None)  # fmt: skip
        if call.why is not None:
            return row | {"why": call.why}
        arguments, missing = filled(follow.arguments, call.arguments, call.result)
        if missing is not None:
            return row | {"why": f"{missing} is not known"}
        return row | {"undo": {"tool": follow.tool, "arguments": arguments}}

    def _decision(self, deed: Deed) -> Entry | None:
        found = self.control.entries(kind="decision.made", subject=deed.decision, limit=1)
        return found[0] if found else None

    def _result(self, deed: Deed) -> Any:
        for entry in self.control.entries(kind="effect.ended", subject=deed.effect, limit=1):
            found = self.control.openings([entry.seq]).get(entry.seq, ())
            values = {
                one.commitment: msgspec.json.decode(one.content) for one in found if one.content is not None
            }
            return opened(entry.body, values)["result"]
        return None

    def _state(self, deed: Deed) -> EffectState:
        """A started effect whose process is gone is in doubt; one whose process nobody named too."""
        if deed.state is not EffectState.STARTED:
            return deed.state
        lives = self.alive(deed.process) if deed.process else False
        return EffectState.IN_DOUBT if lives is False else EffectState.STARTED

    def _row(self, deed: Deed) -> dict[str, Any]:
        return {
            "effect": deed.effect, "state": self._state(deed).value, "agent": deed.agent, "tool": deed.tool,
            "run": deed.run, "decision": deed.decision, "recovery": deed.recovery, "key": deed.key,
            "undoes": deed.undoes, "hold": deed.hold, "started": time_text(deed.started),
            "ended": None if deed.ended is None else time_text(deed.ended),
            "settled": None if deed.settled is None else time_text(deed.settled), "by": deed.by,
            "because": deed.because,
        }  # fmt: skip


def filled(
    mapping: Mapping[str, str], arguments: Mapping[str, Any], result: Any
) -> tuple[dict[str, Any], str | None]:
    """Arguments by parameter, from the arguments and the result of an earlier call; and what is missing, if it is."""
    made: dict[str, Any] = {}
    for name, source in mapping.items():
        head, _, path = source.partition(".")
        found = _at(path.split("."), result) if head == "result" and path else arguments.get(source, _ABSENT)
        if found is _ABSENT:
            return made, source
        made[name] = found
    return made, None


def _at(path: Sequence[str], value: Any) -> Any:
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _ABSENT
    return value


def _reason(because: str) -> str:
    reason = because.strip()
    if not reason:
        raise BadInput("the reason is empty", hint='--because "…"')
    if len(reason) > _LONGEST:
        raise BadInput(f"the reason has more than {_LONGEST:,} characters", hint="say it shorter")
    if mask_text(reason) != reason:
        raise BadInput(
            "the reason holds what looks like a credential", hint="take it out, and replace that key"
        )
    return reason
