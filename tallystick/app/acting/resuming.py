"""Resuming: the same call, made again in the same run, meets the question that was asked about it before.

What was asked is in the journal, so the process may be another one. A call is the same where its run, agent, workflow
and tool are, and where each argument is what was committed to then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.app.acting.act import Act, Resumed
from tallystick.app.acting.decided import Asked
from tallystick.model.commitment import COMMITMENT_KEY, Content
from tallystick.model.control import Approval, ApprovalState, ToolCall
from tallystick.model.errors import BadInput
from tallystick.model.labels import Facts
from tallystick.ports import ControlStore

_MOST: Final = 200  # questions of one run that are looked through, newest first


@dataclass(frozen=True, slots=True)
class Earlier:
    """A question that was asked about the same call: as it stands, and the act that it was asked about."""

    found: Approval
    act: Act

    @property
    def asked(self) -> Asked:
        """Who was asked."""
        found = self.found
        return Asked(found.group, found.expires, found.quorum, found.apart, found.asks, found.groups)


def earlier(control: ControlStore, act: Act) -> Earlier | None:
    """The newest question about this call that is not used up, or that a question about its edit is not."""
    asked = [one for one in control.approvals(run=act.call.run, limit=_MOST) if one.tool == act.call.tool]
    asked.sort(key=lambda one: (one.requested, one.id), reverse=True)
    return _among(control, act, asked, act.call, None)


def asked_about(control: ControlStore, act: Act, found: Approval) -> Earlier | None:
    """The question ``found``, where it was asked about this very call; None where it is about another."""
    if (found.run, found.agent, found.tool) != (act.call.run, act.call.agent, act.call.tool):
        return None
    return _among(control, act, [found], act.call, None)


def _among(
    control: ControlStore, act: Act, asked: list[Approval], call: ToolCall, edit: str | None
) -> Earlier | None:
    for found in asked:  # newest first
        resumed = _resumed(control, found, call, edit)
        if resumed is None:
            continue
        if found.state is ApprovalState.CONSUMED:
            if not found.edits:
                return None  # it was made and done: this is another call
            others = [one for one in asked if one.id != found.id]
            changed = replace(call, arguments={**call.arguments, **found.edits})
            return _among(control, act, others, changed, found.id)
        facts = None if found.facts is None else Facts.read(found.facts)
        same = Act(
            call, act.given, act.at, act.salt, facts=facts, edit=edit, resumed=resumed, clean=act.clean
        )
        return Earlier(found, same)
    return None


def _resumed(control: ControlStore, found: Approval, call: ToolCall, edit: str | None) -> Resumed | None:
    """What a call takes over from the one that was asked about, where it is the same; None where it is another."""
    decided = control.entries(kind="decision.made", subject=found.decision, limit=1)
    requested = control.entries(kind="approval.requested", subject=found.id, limit=1)
    if not decided or not requested:
        return None
    made: Any = decided[0].body
    if (made["agent"], made["workflow"], made.get("edit")) != (call.agent, call.workflow, edit):
        return None
    committed = {name: one[COMMITMENT_KEY] for name, one in (made["arguments"] or {}).items()}
    if set(committed) != set(call.arguments):
        return None
    salts = {
        one.commitment: one.salt
        for one in control.openings([requested[0].seq]).get(requested[0].seq, ())
        if one.salt is not None
    }
    own: dict[str, bytes] = {}
    for name, digest in committed.items():
        salt = salts.get(digest)
        if salt is None or not _is(call.arguments[name], salt, digest):
            return None
        own[name] = salt
    return Resumed(found.id, made["step"], own)


def _is(value: Any, salt: bytes, digest: str) -> bool:
    try:
        return Content(value, salt).commitment == digest
    except (BadInput, RecursionError):  # what has no canonical JSON was never asked about
        return False
