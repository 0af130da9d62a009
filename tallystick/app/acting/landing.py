"""Landing: what is written when a call came back, what stays open while its effect is in doubt, and how doubt ends.

An effect in doubt keeps its money held. Where its tool may be repeated (``retry``, or ``idempotent`` with the same
key), the next call that is the same one and lands settles it too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tallystick.app.acting import effects
from tallystick.app.acting.act import EFFECTS, Act, Clean
from tallystick.app.acting.memory import Doubt, Runs
from tallystick.app.acting.outbox import Outbox
from tallystick.app.acting.policies import PolicyBook
from tallystick.app.acting.spend import Purse, Settlement
from tallystick.model.canonical import canonical_json, digest_bytes
from tallystick.model.contract import RETRIED, Broken
from tallystick.model.control import Deed, EffectState, ToolCall
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration, Verdict
from tallystick.model.journal import Draft
from tallystick.model.labels import Integrity
from tallystick.model.step import EffectOutcome
from tallystick.ports import Clock, Ids

REPEATED: Final = "the same call was made again and landed"
_MOST_DOUBTS: Final = 1_000  # remembered of a run
_IDEMPOTENT: Final = "idempotent"


@dataclass(frozen=True, slots=True)
class Landing:
    """Writes what became of the calls of one guard. ``process`` names this process."""

    runs: Runs
    book: PolicyBook
    purse: Purse
    outbox: Outbox
    clock: Clock
    ids: Ids
    clean: Clean
    process: Callable[[], str]

    def key_for(self, act: Act, effect: str) -> str | None:
        """The idempotency key of a call about to run: that of the call it repeats, where that one is in doubt."""
        assert act.tool is not None
        if act.tool.recovery != _IDEMPOTENT or not act.tool.key:
            return None
        doubt = self._doubt(act.call)
        return act.call.key or (doubt.key if doubt is not None else None) or f"tally-{effect}"

    def came_back(
        self, call: ToolCall, verdict: Verdict, outcome: EffectOutcome, *, result: Any, error: str | None,
        broken: Broken | None,
    ) -> None:  # fmt: skip
        """Journal what became of a call, settle its hold and feed the loop detector."""
        memory, at = self.runs.remember(call.run), self.clock.now()
        with memory.lock:
            running = memory.running.pop(verdict.decision.id, None)
            if running is None:  # let through so long ago that it was forgotten
                tool, loop = self.book.declared(call.tool) or ToolDeclaration(call.tool), None
                effect = self.book.effect_of(call.tool)
                memory.labels.inherit(Integrity.THIRD_PARTY)
            else:
                tool, effect = running.tool, running.tool.effect
                loop = memory.watch.ended(running.asked, at=at, result=result, error=error)
                memory.read(running.tool, result, error, call.step)
        decision = verdict.decision
        drafts = [
            effects.ended(
                call, decision, effect, outcome, at=at, result=result, error=error, loop=loop, ids=self.ids,
                clean=self.clean, broken=broken,
            )
        ]  # fmt: skip
        in_doubt = outcome is EffectOutcome.IN_DOUBT and effect in EFFECTS
        if decision.hold is not None and not in_doubt:
            paid = effects.settlement(verdict.price_nano or 0, outcome, effect)
            drafts.append(self.purse.settled(decision.hold, paid, run=call.run))
        if effect in EFFECTS and tool.recovery in RETRIED:
            drafts += self._repeated(call, tool, verdict, outcome)
        if effect in EFFECTS or decision.hold is not None or broken is not None:
            self.outbox.write(drafts)
        else:
            self.outbox.later(drafts)

    def _repeated(
        self, call: ToolCall, tool: ToolDeclaration, verdict: Verdict, outcome: EffectOutcome
    ) -> list[Draft]:
        """A doubt is remembered, and the same call that lands later ends it."""
        known, name = self.runs.remember(call.run), _same(call)
        if name is None:
            return []
        with known.lock:
            if outcome is EffectOutcome.IN_DOUBT:
                if name not in known.doubts and len(known.doubts) < _MOST_DOUBTS:
                    key = verdict.key[1] if verdict.key is not None else None
                    effect = effects.effect_id(verdict.decision.id)
                    known.doubts[name] = Doubt(effect, verdict.decision.id, key, verdict.decision.hold)
                return []
            doubt = known.doubts.pop(name, None) if outcome is EffectOutcome.LANDED else None
        if doubt is None:
            return []
        deed = Deed(
            doubt.effect,
            doubt.decision,
            call.run,
            call.agent,
            tool.name,
            EffectState.IN_DOUBT,
            0,
            tool.recovery,
        )
        drafts = [
            effects.settled(deed, EffectOutcome.LANDED, by=call.agent or "tallystick", because=REPEATED)
        ]
        if doubt.hold is not None:
            drafts.append(
                self.purse.settled(doubt.hold, Settlement(verdict.price_nano or 0, "assumed"), run=call.run)
            )
        return drafts

    def _doubt(self, call: ToolCall) -> Doubt | None:
        memory, name = self.runs.known(call.run), _same(call)
        if memory is None or name is None:
            return None
        with memory.lock:
            return memory.doubts.get(name)


def _same(call: ToolCall) -> str | None:
    """What a call has in common with the one that repeats it; None where it cannot be said exactly."""
    try:
        return f"{call.tool}\0{digest_bytes(canonical_json(dict(call.arguments)))}"
    except (BadInput, RecursionError):
        return None
