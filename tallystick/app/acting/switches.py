"""Switches: a person stops an agent, a tool, a workflow or everything, and releases it again.

A switch is no rule: it needs no policy, no rule permits past it, and every guard hears of it within a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.app.acting.feed import Heard
from tallystick.app.reading.shapes import time_text
from tallystick.model.control import EVERYTHING, Switch, switch_scope
from tallystick.model.errors import BadInput
from tallystick.model.journal import Draft
from tallystick.model.masking import mask_text
from tallystick.ports import ControlStore

_LONGEST: Final = 1_000  # characters of a reason


def thrown(
    heard: Heard, *, agent: str | None, workflow: str | None, tool: str | None = None
) -> Switch | None:
    """The switch that stops this, if one does; one that ends the run goes before one that only refuses a tool."""
    found = heard.switches
    if not found:
        return None
    named = (EVERYTHING, f"agent:{agent}", f"workflow:{workflow}", f"tool:{tool}")
    return next((found[scope] for scope in named if scope in found), None)


def told(switch: Switch) -> str:
    """Why nothing is done, for people."""
    what = "everything" if switch.scope == EVERYTHING else switch.scope
    return f"{what} was stopped by {switch.by}: {switch.because}"


def stop_detail(switch: Switch, decision: str | None = None) -> dict[str, Any]:
    """What ``run.stopped`` says of the switch that a run met."""
    return {"scope": switch.scope, "switch": switch.seq, "decision": decision}


def throw(control: ControlStore, scope: str, *, because: str, by: str) -> Mapping[str, Any]:
    """Stop something; what is stopped stays as it was first stopped. Raises BadInput.

    The answer is the switch as JSON: ``{"scope", "because", "by", "at"}``.
    """
    scope = switch_scope(scope)
    _write(control, "switch.thrown", scope, because, by)
    return switch_json(next(one for one in control.switches() if one.scope == scope))


def release(control: ControlStore, scope: str, *, because: str, by: str) -> Mapping[str, Any]:
    """Let something go on. Raises BadInput, and Conflict where it was not stopped."""
    scope = switch_scope(scope)
    _write(control, "switch.released", scope, because, by)
    return {"scope": scope, "because": because.strip(), "by": by}


def switches_json(control: ControlStore) -> Mapping[str, Any]:
    """``{"switches": [switch]}``: what is stopped now, by scope."""
    return {"switches": [switch_json(one) for one in control.switches()]}


def switch_json(switch: Switch) -> dict[str, Any]:
    """``{"scope", "because", "by", "at"}``."""
    return {"scope": switch.scope, "because": switch.because, "by": switch.by, "at": time_text(switch.at)}


def _write(control: ControlStore, kind: str, scope: str, because: str, by: str) -> None:
    reason = because.strip()
    if not reason:
        raise BadInput("the reason is empty", hint='--because "…"')
    if len(reason) > _LONGEST:
        raise BadInput(f"the reason has more than {_LONGEST:,} characters", hint="say it shorter")
    if mask_text(reason) != reason:
        raise BadInput(
            "the reason holds what looks like a credential", hint="take it out, and replace that key"
        )
    body = {"scope": scope, "because": reason, "by": by}
    control.append([Draft(kind, scope, body, actor=by)])
