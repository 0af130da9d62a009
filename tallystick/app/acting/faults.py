"""Faults: what is decided where the guard itself fails. An effect is refused, and the refusal is journalled.

What only reads is left to whoever asked: it hears of the fault, and has its own rule for it.
"""

from __future__ import annotations

from typing import Final

from tallystick.app.acting.act import EFFECTS, Act
from tallystick.app.acting.decided import called
from tallystick.app.acting.policies import PolicyBook, loaded_entry
from tallystick.govern.policy import load_failed
from tallystick.model.canonical import digest_bytes
from tallystick.model.guarding import declaration_text
from tallystick.model.journal import Draft

FAULT: Final = "fault"


def refuse_for(act: Act, stage: str, fault: Exception, book: PolicyBook) -> list[Draft]:
    """Settle a call that a stage failed on; gives the entries that must be written before the decision.

    Raises the fault again where the call has no effect, and where not even the tool's declaration can be written down.
    """
    tool = act.tool or book.declared(act.given.name) or act.given
    if tool.effect not in EFFECTS and act.given.effect not in EFFECTS:
        raise fault
    reason = f"the guard failed at {stage}: {type(fault).__name__}"
    before: list[Draft] = []
    if act.tool is None or not act.declaration:
        text = declaration_text(tool)
        act.tool, act.declaration = tool, {digest_bytes(text.encode("utf-8", "surrogatepass")): text}
    if act.policies is None:
        act.policies = load_failed(reason, [act.tool])
        before.append(loaded_entry(act.policies, ()))
    if act.called is None:
        act.called = called(act)
    act.refused(FAULT, (reason,))
    act.settled = True
    return before
