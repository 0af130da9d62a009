"""Effects: what the journal keeps of a call that was let through, from before it runs until what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.app.acting.act import EFFECTS, Act, Clean, kept
from tallystick.app.acting.spend import Settlement
from tallystick.model.commitment import Content
from tallystick.model.contract import Broken
from tallystick.model.control import Decision, Deed, ToolCall
from tallystick.model.errors import BadInput
from tallystick.model.journal import Draft
from tallystick.model.masking import mask
from tallystick.model.step import Effect, EffectOutcome
from tallystick.ports import Ids

_LARGEST: Final = 65_536  # bytes of a result whose opening is kept; the SDK's step holds the rest
_LONGEST: Final = 4_000  # characters of an error


def effect_id(decision: str) -> str:
    """The id of a decision's one effect."""
    return "eff_" + decision.partition("_")[2]


def started(
    act: Act, decision: Decision, bound: str | None, process: str = "", key: str | None = None
) -> Draft:  # fmt: skip
    """The entry that stands before a consequential call runs; ``bound`` is the binding of its approval.

    ``process`` is the process in which it will run, ``key`` the idempotency key that it is given.
    """
    assert act.called is not None
    assert act.tool is not None
    effect = effect_id(decision.id)
    body = {
        "effect": effect, "decision": decision.id, "run": act.call.run, "tool": act.call.tool,
        "call": act.called["call"], "binding": bound,
    }  # fmt: skip
    later = {
        "recovery": act.tool.recovery, "process": process, "hold": decision.hold, "key": key,
        "undoes": act.call.undoes,
    }  # fmt: skip
    body |= {name: value for name, value in later.items() if value}
    return Draft("effect.started", effect, body, run=act.call.run, actor=act.call.agent or "tallystick")


def ended(
    call: ToolCall, decision: Decision, effect: Effect | None, outcome: EffectOutcome, *, at: int, result: Any,
    error: str | None, loop: Mapping[str, Any] | None, ids: Ids, clean: Clean = mask, broken: Broken | None = None,
) -> Draft:  # fmt: skip
    """The entry that says what became of a call. Results of calls without consequence stay with their step."""
    name = effect_id(decision.id)
    body: dict[str, Any] = {
        "effect": name, "decision": decision.id, "run": call.run, "tool": call.tool,
        "effect_class": effect.value if effect is not None else None, "outcome": outcome.value,
        "error": None if error is None else Content(_shown(error, clean), ids.salt()),
        "result": _result(result, ids, clean) if effect in EFFECTS else None, "at": str(at), "loop": loop,
    }  # fmt: skip
    if broken is not None:
        differs = _shown("; ".join(broken.differs), clean)
        body["contract"] = {
            "name": broken.contract, "then": broken.then.value, "differs": Content(differs, ids.salt()),
        }  # fmt: skip
    return Draft("effect.ended", name, body, run=call.run, actor=call.agent or "tallystick")


def settled(deed: Deed, outcome: EffectOutcome, *, by: str, because: str) -> Draft:
    """The entry that says of an effect in doubt what became of it."""
    body = {
        "effect": deed.effect, "decision": deed.decision, "run": deed.run, "tool": deed.tool,
        "outcome": outcome.value, "by": by, "because": because,
    }  # fmt: skip
    return Draft("effect.settled", deed.effect, body, run=deed.run, actor=by)


def settlement(price_nano: int, outcome: EffectOutcome, effect: Effect | None) -> Settlement:
    """A tool is paid when it ran, or may have run; an effect that surely did not happen costs nothing."""
    if outcome is EffectOutcome.DID_NOT_HAPPEN and effect in EFFECTS:
        return Settlement(0, "released")
    return Settlement(price_nano, "reported" if outcome is EffectOutcome.LANDED else "assumed")


def _shown(error: str, clean: Clean) -> str:
    text: str = clean(error.encode("utf-8", "replace").decode("utf-8"))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _result(result: Any, ids: Ids, clean: Clean) -> Content | None:
    """The result as it is committed to; None where it has no canonical JSON."""
    try:
        return kept(result, ids.salt(), largest=_LARGEST, clean=clean)
    except (BadInput, RecursionError):
        return None
